"""One process writes a trace, or into any other place, at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphpath.errors import RecordError
from graphpath.locks import hold_file_lock
from graphpath.record.files import reason

LOCK = ".lock"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Makes this the only process that writes in the directory ``path``; at the end it goes if it is empty.

    Raises:
        RecordError: another process writes there, or the directory cannot be made or written.
    """
    if path.exists() and not path.is_dir():
        raise RecordError(f"{path} is a file; a trace is a directory.")
    with _held(path / LOCK, path):
        yield


@contextmanager
def alone_beside(path: Path, what: str) -> Iterator[None]:
    """Makes this the only process that writes ``path``, by a lock beside it. Raises RecordError."""
    with _held(path.with_name(f".{path.name}.{what}.lock"), path):
        yield


@contextmanager
def _held(lock: Path, path: Path) -> Iterator[None]:
    def taken(holder: str) -> RecordError:
        return RecordError(
            f"{path} is being written by {holder}: wait until it has finished, or choose another output "
            "directory (--out)."
        )

    def refused(error: OSError) -> RecordError:
        return RecordError(f"{path} cannot be written: {reason(error)}.")

    with hold_file_lock(lock, taken, refused):
        yield
