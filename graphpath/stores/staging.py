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
from graphpath.locks import hold_file_lock
from graphpath.stores.location import check_no_log
from graphpath.stores.seal import seal, unseal
from graphpath.whole import rename

MIB = 1 << 20
LEAST_ROOM = 16 * MIB
"""Bytes that a small change takes, measured: what the engine and DuckDB write beside the store's copy."""
ROOM_PER_ROW = 100
"""Bytes more for each row of a load: of 181,207 rows 21 MB in all."""


@contextmanager
def stage(path: Path, *, empty: bool = False) -> Iterator[Path]:
    """A directory beside ``path`` with its copy, ``store.lbdb`` (none when ``empty`` or there is no file).

    When the block ends without an error the copy replaces ``path``. One writer at a time.

    Raises:
        StoreUnavailable: another process is changing the store, or the directory cannot be written; the
            store is as it was.
    """

    def explain_busy(holder: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{path} is being changed by {holder}; wait until it has finished and try again."
        )

    def explain_error(error: OSError) -> StoreUnavailable:
        reason = os.strerror(error.errno).lower() if error.errno else str(error).rstrip(".")
        return StoreUnavailable(f"{path} cannot be changed, and is as it was: {reason}.")

    with hold_file_lock(path.with_name(f".{path.name}.lock"), explain_busy, explain_error):
        check_no_log(path)
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
            raise explain_error(error) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


def check_room(path: Path, folder: Path, rows: int) -> None:
    """Refuse a change of the store ``path``, prepared in ``folder``, which would fill the disk.

    On a full disk the engine may end the whole process instead of refusing.

    Raises:
        StoreUnavailable: there is less room than a load of ``rows`` nodes and relationships takes, about.
    """
    needed, free = LEAST_ROOM + rows * ROOM_PER_ROW, shutil.disk_usage(folder).free
    if free < needed:
        raise StoreUnavailable(
            f"{path} cannot be changed, and is as it was: that takes about {needed / MIB:,.0f} MiB beside a "
            f"copy of the store, and its disk has {free / MIB:,.0f} MiB left. Make room there, and run the "
            "same command again."
        )


def _install(file: Path, path: Path) -> None:
    if (log := file.with_name(f"{file.name}.wal")).exists() and log.stat().st_size:
        raise StoreUnavailable(f"The engine left {log} behind; {path} stays as it was.")
    seal(file)
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())
    rename(file, path)
