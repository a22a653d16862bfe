"""The verbs together."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from graphpath import __version__
from graphpath.cli import (
    attack,
    categories,
    delete,
    demo,
    detect,
    doctor,
    examples,
    export,
    imports,
    load,
    neo4j,
    query,
    report,
    runs,
    schema,
    study,
    trace,
    train,
    verify,
)
from graphpath.cli.failures import debugging, guard, guard_ending
from graphpath.cli.say import say
from graphpath.printable import printable


class _Verbs(TyperGroup):
    """The verbs; errors in a command line are printed without escape sequences."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _print_plainly():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _print_plainly():
            return super().invoke(ctx)


@contextmanager
def _print_plainly() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            error.message = printable(message, lines=True)  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    name="graphpath",
    cls=_Verbs,
    help="Trace the pathways by which a convolutional network decides, keep them as a graph, and query it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for verb in (
    demo,
    train,
    trace,
    attack,
    load,
    query,
    verify,
    report,
    examples,
    runs,
    delete,
    schema,
    doctor,
    study,
):
    command = verb.command
    settings = getattr(verb, "SETTINGS", None)
    kind = getattr(verb, "Command", None)
    app.command(verb.__name__.rpartition(".")[2], cls=kind, context_settings=settings)(guard(command))

app.add_typer(categories.app)
app.add_typer(detect.app)
app.add_typer(imports.app)
app.add_typer(export.app)
app.add_typer(neo4j.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"graphpath {__version__}")
        raise typer.Exit()


@app.callback()
def _read_common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    debugging.set(debug)


def main() -> None:
    """The entry point of the ``graphpath`` command."""
    _open_streams()
    with guard_ending():
        app()


def _open_streams() -> None:
    """Make stdout and stderr take any name, that of a file in another encoding included."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        getattr(sys, name).reconfigure(errors="backslashreplace")
