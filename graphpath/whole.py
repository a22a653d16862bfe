"""Files that are either whole or absent: written to a temporary name, flushed to disk, renamed."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graphpath.locks import is_at
from graphpath.systems import fcntl

TEMPORARY = ".tmp-"
"""What the names of temporary files begin with."""
EVERYONE, OWNER = 0o666, 0o600
"""Who may read a file, as far as the user's umask allows: everyone, or its owner alone."""

_number = itertools.count()


def write_whole(path: Path, write: Callable[[Path], object], *, mode: int = EVERYONE) -> str:
    """Have ``write`` fill a temporary file beside ``path``, flush it and rename it to ``path``.

    What killed processes left of ``path`` goes. Returns the SHA-256 of the file. Raises OSError where the
    system refuses, such as on a full disk; ``path`` is then as it was, and nothing is left beside it.
    """
    with _temporary(path, mode) as temporary:
        write(temporary)
        with temporary.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        rename(temporary, path)
    return digest


def rename(source: Path, target: Path) -> None:
    """Rename within a directory, and flush the directory so that the new name survives a crash."""
    source.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(path: Path, mode: int) -> Iterator[Path]:
    """A new empty file beside ``path``, of nobody else's, which is locked and gone at the end."""
    sweep(path.parent, f"-{path.name}")
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{next(_number)}-{path.name}")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        temporary.touch(mode)  # where another swept it away before it was locked
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def sweep(folder: Path, ending: str = "") -> None:
    """Remove the temporary files in ``folder`` whose names end with ``ending`` and that nobody writes."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.name.startswith(TEMPORARY) and entry.name.endswith(ending):
                remove_abandoned(entry)


def remove_abandoned(file: Path) -> None:
    """Remove ``file`` where it is there and nobody holds its lock."""
    with suppress(OSError), file.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(opened.fileno(), file):
            file.unlink()
