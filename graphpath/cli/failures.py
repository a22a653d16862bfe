"""What a person sees when something goes wrong: one sentence on stderr and an exit status.

1 for a ``GraphpathError`` or anything unexpected, 2 for a command line that cannot be parsed (typer's own),
130 for an interruption. A traceback appears only with ``--debug``.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from graphpath.errors import GraphpathError
from graphpath.extras import missing

debugging: ContextVar[bool] = ContextVar("debugging", default=False)


def guarded(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` with its failures told in one sentence each."""

    @functools.wraps(verb)
    def run(*args: Any, **options: Any) -> None:
        try:
            verb(*args, **options)
        except GraphpathError as error:
            _stop(str(error), 1, error)
        except KeyboardInterrupt as error:
            _stop(_interrupted(verb), 130, error)
        except BrokenPipeError:
            _drop_stdout()
            raise typer.Exit(1) from None
        except ModuleNotFoundError as error:
            _stop(str(missing(error, "This") or _unexpected(error)), 1, error)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            _stop(_unexpected(error), 1, error)

    return run


def _stop(sentence: str, status: int, error: BaseException) -> None:
    if debugging.get():
        raise error
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"[bold red]graphpath:[/] {escape(' '.join(sentence.split()))}")
    raise typer.Exit(status) from None


def _interrupted(verb: Callable[..., None]) -> str:
    resuming = sys.modules[verb.__module__].__dict__.get("INTERRUPTED", "nothing was changed")
    return f"Interrupted; {resuming}."


def _unexpected(error: BaseException) -> str:
    return (
        f"An error that should not happen: {type(error).__name__}: {error}. Please report it with the "
        "command that you ran and the output of graphpath --debug VERB ...; your data are as they were."
    )


def _drop_stdout() -> None:
    """Keeps Python from complaining at exit that a reader such as ``head`` has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
