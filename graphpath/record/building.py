"""A directory that is there whole or not at all: built beside its place, and renamed into it at the end."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from graphpath.errors import RecordError
from graphpath.locks import is_at
from graphpath.record.alone import lock_beside
from graphpath.systems import fcntl
from graphpath.whole import rename

MARK = ".building"
_number = itertools.count()


@contextmanager
def build_directory(path: Path, *, several: bool = True) -> Iterator[Path]:
    """A new directory beside ``path``, for this process alone; renamed to ``path`` where the block ends well.

    A block may move it there, or delete it, itself. What killed processes left beside ``path`` goes first.
    With ``several`` others may build at the same time.

    Raises:
        RecordError: not ``several``, and ``path`` is there or another process builds it.
        OSError: the system refuses.
    """
    with nullcontext() if several else lock_beside(path, "building"):
        if not several and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RecordError(
                f"{path} exists already: choose another output directory (--out), or delete it."
            )
        with _beside(path) as directory:
            yield directory
            if directory.exists():
                rename(directory, path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """The new directory, and folders for it; what was not moved away is deleted at the end."""
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        directory, descriptor = _begin_directory(path)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            os.close(descriptor)
    finally:
        with suppress(OSError):  # what is not empty stays
            for folder in made:
                folder.rmdir()


def _begin_directory(path: Path) -> tuple[Path, int]:
    """The new directory, and its lock, by which others know of a builder."""
    while True:
        directory = path.with_name(f".{path.name}.{os.getpid()}-{next(_number)}{MARK}")
        directory.mkdir()
        descriptor = _lock_directory(directory)
        if descriptor is not None:
            return directory, descriptor


def _sweep(path: Path) -> None:
    for entry in path.parent.iterdir():
        if not (entry.name.startswith(f".{path.name}.") and entry.name.endswith(MARK)):
            continue
        if (descriptor := _lock_directory(entry)) is not None:
            shutil.rmtree(entry, ignore_errors=True)
            os.close(descriptor)


def _lock_directory(directory: Path) -> int | None:
    """A descriptor that holds the lock of ``directory``; None where another has it, or has swept it away."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(descriptor, directory):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
