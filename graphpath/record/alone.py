"""One process writes a trace at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphpath.errors import RecordError
from graphpath.locks import locked
from graphpath.record.files import reason

LOCK = ".lock"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Makes this the only process that writes in the directory ``path``; at the end it goes if it is empty.

    Raises:
        RecordError: another process writes there, or the directory cannot be made or written.
    """

    def taken(holder: str) -> RecordError:
        return RecordError(
            f"{path} is being written by {holder}: wait until it has finished, or choose another output "
            "directory (--out)."
        )

    def refused(error: OSError) -> RecordError:
        return RecordError(f"{path} cannot be written: {reason(error)}.")

    if path.exists() and not path.is_dir():
        raise RecordError(f"{path} is a file; a trace is a directory.")
    with locked(path / LOCK, taken, refused):
        yield
