"""A directory that is there whole or not at all: built beside its place, and moved there at the end."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = ".import"
_number = itertools.count()


@contextmanager
def building(path: Path) -> Iterator[Path]:
    """A new directory beside ``path``, of nobody else's, which is gone at the end unless it was moved.

    What killed processes left beside ``path`` goes first. Raises OSError.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        place, descriptor = _begun(path)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            os.close(descriptor)
    finally:
        with suppress(OSError):  # what is not empty stays
            for folder in made:
                folder.rmdir()


def _begun(path: Path) -> tuple[Path, int]:
    """The new directory, and the lock by which others know that somebody builds there."""
    while True:
        place = path.with_name(f".{path.name}.{os.getpid()}-{next(_number)}{MARK}")
        place.mkdir()
        descriptor = _locked(place)
        if descriptor is not None:
            return place, descriptor


def _sweep(path: Path) -> None:
    for entry in path.parent.iterdir():
        if not (entry.name.startswith(f".{path.name}.") and entry.name.endswith(MARK)):
            continue
        if (descriptor := _locked(entry)) is not None:
            shutil.rmtree(entry, ignore_errors=True)
            os.close(descriptor)


def _locked(place: Path) -> int | None:
    """A descriptor that holds the lock of ``place``; None where another has it, or has swept it away."""
    import fcntl  # Unix only, as is all that needs a lock

    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), place.stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
