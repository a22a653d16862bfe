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
def lock_directory(path: Path) -> Iterator[None]:
    """Makes this the only process that writes in the directory ``path``; at the end it goes if it is empty.

    Raises:
        RecordError: another process writes there, or the directory cannot be made or written.
    """
    if path.exists() and not path.is_dir():
        raise RecordError(f"{path} is a file; a trace is a directory.")
    with _hold_lock(path / LOCK, path):
        yield


@contextmanager
def lock_beside(path: Path, what: str) -> Iterator[None]:
    """Makes this the only process that writes ``path``, by a lock beside it. Raises RecordError."""
    with _hold_lock(path.with_name(f".{path.name}.{what}.lock"), path):
        yield


@contextmanager
def _hold_lock(lock: Path, path: Path) -> Iterator[None]:
    def explain_busy(holder: str) -> RecordError:
        return RecordError(
            f"{path} is being written by {holder}: wait until it has finished, or choose another output "
            "directory (--out)."
        )

    def explain_error(error: OSError) -> RecordError:
        return RecordError(f"{path} cannot be written: {reason(error)}.")

    with hold_file_lock(lock, explain_busy, explain_error):
        yield
