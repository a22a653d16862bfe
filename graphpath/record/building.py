"""A directory that is either whole or absent: built beside its place and renamed into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphpath.errors import RecordError
from graphpath.record.alone import alone_beside
from graphpath.record.files import rename, unwritten


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
