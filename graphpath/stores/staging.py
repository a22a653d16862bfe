"""Changing a database file so that a reader sees the old one or the new one, never one in between.

A writer copies the file, changes the copy, and renames it into place. A kill at any moment leaves the old
file and a leftover that the next writer clears away; readers need no write access and are never blocked.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphpath.errors import StoreUnavailable
from graphpath.locks import locked
from graphpath.record.files import rename
from graphpath.stores.place import check_alone
from graphpath.stores.seal import seal, unseal


@contextmanager
def staged(path: Path, *, empty: bool = False) -> Iterator[Path]:
    """A directory beside ``path`` with its copy, ``store.lbdb`` (none when ``empty`` or there is no file).

    When the block ends without an error the copy replaces ``path``. One writer at a time.

    Raises:
        StoreUnavailable: another process is changing the store, or the directory cannot be written; the
            store is as it was.
    """

    def taken(holder: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{path} is being changed by {holder}; wait until it has finished and try again."
        )

    def refused(error: OSError) -> StoreUnavailable:
        reason = os.strerror(error.errno).lower() if error.errno else str(error).rstrip(".")
        return StoreUnavailable(f"{path} cannot be changed, and is as it was: {reason}.")

    with locked(path.with_name(f".{path.name}.lock"), taken, refused):
        check_alone(path)
        work = path.with_name(f".{path.name}.staging")
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir()
            if path.exists() and not empty:
                shutil.copyfile(path, work / "store.lbdb")
                unseal(work / "store.lbdb")
            yield work
            _install(work / "store.lbdb", path)
        except OSError as error:
            raise refused(error) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _install(file: Path, path: Path) -> None:
    if (log := file.with_name(f"{file.name}.wal")).exists() and log.stat().st_size:
        raise StoreUnavailable(f"The engine left {log} behind; {path} stays as it was.")
    seal(file)
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())
    rename(file, path)
