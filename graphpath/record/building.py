"""A directory that is either whole or absent: built beside its place and renamed into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphpath.errors import RecordError
from graphpath.locks import locked
from graphpath.record.files import reason, rename, unwritten


@contextmanager
def built(path: Path) -> Iterator[Path]:
    """A new directory, renamed to ``path`` where the block ends well; what a killed process left of one goes.

    Raises:
        RecordError: ``path`` is there, another process builds it, or the system refuses.
    """
    with alone_beside(path, "building"):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RecordError(
                f"{path} exists already: choose another output directory (--out), or delete it."
            )
        building = path.with_name(f".{path.name}.building")
        shutil.rmtree(building, ignore_errors=True)
        try:
            building.mkdir()
            yield building
            rename(building, path)
        except OSError as error:
            raise unwritten(path, error) from error
        finally:
            shutil.rmtree(building, ignore_errors=True)


@contextmanager
def alone_beside(path: Path, what: str) -> Iterator[None]:
    """Makes this the only process that writes ``path``, by a lock beside it. Raises RecordError."""

    def taken(holder: str) -> RecordError:
        return RecordError(
            f"{path} is being written by {holder}: wait until it has finished, or choose "
            "another place (--out)."
        )

    def refused(error: OSError) -> RecordError:
        return RecordError(f"{path} cannot be written: {reason(error)}.")

    with locked(path.with_name(f".{path.name}.{what}.lock"), taken, refused):
        yield
