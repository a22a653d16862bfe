"""Changing a database file so that a reader sees the old one or the new one, never one in between.

A writer copies the file, changes the copy, and renames it into place. A kill at any moment leaves the old
file and a leftover that the next writer clears away; readers need no write access and are never blocked.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphpath.errors import StoreUnavailable
from graphpath.record.files import rename


@contextmanager
def staged(path: Path, *, empty: bool = False) -> Iterator[Path]:
    """A directory beside ``path`` with its copy, ``store.lbdb`` (none when ``empty`` or there is no file).

    When the block ends without an error the copy replaces ``path``. One writer at a time.

    Raises:
        StoreUnavailable: another process is changing the store, or the directory cannot be written.
    """
    with _locked(path):
        work = path.with_name(f".{path.name}.staging")
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir()
            if path.exists() and not empty:
                shutil.copyfile(path, work / "store.lbdb")
            yield work
            _install(work / "store.lbdb", path)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _install(file: Path, path: Path) -> None:
    if (log := file.with_name(f"{file.name}.wal")).exists() and log.stat().st_size:
        raise StoreUnavailable(f"The engine left {log} behind; {path} stays as it was.")
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())
    rename(file, path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file of ``path``; the system drops it with the process, however that ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.with_name(f".{path.name}.lock").open("a+")
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be changed: {error}.") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            raise StoreUnavailable(
                f"{path} is being changed by {holder}; wait until it has finished and try again."
            ) from error
        handle.truncate(0)
        handle.write(f"process {os.getpid()}")
        handle.flush()
        yield
        handle.truncate(0)
