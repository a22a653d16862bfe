"""The verbs together."""

from __future__ import annotations

from typing import Annotated

import typer

from graphpath.cli import (
    attack,
    delete,
    demo,
    detect,
    doctor,
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
from graphpath.cli.failures import debugging, guarded

app = typer.Typer(
    name="graphpath",
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
    runs,
    delete,
    schema,
    doctor,
    study,
):
    command = verb.command
    settings = getattr(verb, "SETTINGS", None)
    app.command(verb.__name__.rpartition(".")[2], context_settings=settings)(guarded(command))

app.add_typer(detect.app)
app.add_typer(imports.app)
app.add_typer(export.app)
app.add_typer(neo4j.app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"graphpath {version('graphpath')}")
        raise typer.Exit()


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    debugging.set(debug)


def main() -> None:
    """The entry point of the ``graphpath`` command."""
    app()
