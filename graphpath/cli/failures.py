"""What a person sees when something goes wrong: one sentence on stderr and an exit status.

1 for a ``GraphpathError``, a full disk or anything unexpected, 2 for a command line that cannot be parsed
(typer's own), 130 for an interruption, 141 (as a shell reports other programs) where the reader of a pipe
has gone. A traceback appears only with ``--debug``.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import typer

from graphpath.cli.notes import report_notes
from graphpath.cli.say import join_styled, make_console
from graphpath.errors import GraphpathError
from graphpath.extras import explain_missing
from graphpath.spoken import on_command_line

debugging: ContextVar[bool] = ContextVar("debugging", default=False)
CLOSED_PIPE: Final = 141
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def guard(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` with its failures reported in one sentence each."""

    @functools.wraps(verb)
    def run(*args: Any, **options: Any) -> None:
        try:
            with report_notes(), on_command_line():
                verb(*args, **options)
            flush()
        except GraphpathError as error:
            _stop(str(error), 1, error)
        except KeyboardInterrupt as error:
            _stop(_describe_interruption(verb), 130, error)
        except BrokenPipeError:
            _drop_stdout()
            raise typer.Exit(CLOSED_PIPE) from None
        except ModuleNotFoundError as error:
            _stop(str(explain_missing(error, "This") or _describe_unexpected(error)), 1, error)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except OSError as error:
            _stop(_describe_system_error(error), 1, error)
        except Exception as error:
            _stop(_describe_unexpected(error), 1, error)

    return run


@contextmanager
def guard_ending() -> Iterator[None]:
    """What no verb is to blame for: help and version on a full disk, or to a reader that has gone."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich and typer end with 1 then
            _drop_stdout()
            raise SystemExit(CLOSED_PIPE) from None
        raise
    except OSError as error:
        _drop_stdout()
        _say(_describe_system_error(error))
        raise SystemExit(1) from None


def flush() -> None:
    """Hand over what was printed. Raises GraphpathError where there is no room for it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_stdout()
        raise GraphpathError(
            f"What was asked for could not be written to standard output: {error.strerror}. What was printed "
            "is not whole; make room, or write elsewhere, and ask again."
        ) from error


def _stop(sentence: str, status: int, error: BaseException) -> None:
    if debugging.get():
        raise error
    _say(sentence)
    raise typer.Exit(status) from None


def _say(sentence: str) -> None:
    make_console(stderr=True).print(join_styled(("graphpath:", "bold red"), f" {' '.join(sentence.split())}"))


def _describe_interruption(verb: Callable[..., None]) -> str:
    resuming = sys.modules[verb.__module__].__dict__.get("INTERRUPTED", "nothing was changed")
    return f"Interrupted; {resuming}."


def _describe_system_error(error: OSError) -> str:
    """What the system refused, where the user can mend it."""
    where = f" for {error.filename}" if error.filename else ""
    if error.errno in FULL:
        return f"There is no room{where} ({error.strerror}): make some and run the same command again."
    if error.errno in REFUSED and error.filename:
        return f"{error.filename}: {error.strerror}; may this user read it, and write where it writes?"
    return _describe_unexpected(error)


def _describe_unexpected(error: BaseException) -> str:
    return (
        f"An error that should not happen: {type(error).__name__}: {error}. Please report it with the "
        "command that you ran and the output of graphpath --debug VERB ...; your data are as they were."
    )


def _drop_stdout() -> None:
    """Keeps Python from complaining at exit that a reader such as ``head`` has gone, or a disk is full."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
