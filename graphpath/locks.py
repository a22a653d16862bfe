"""Locks between processes: one changes a store or a trace, starts a server or runs studies at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from graphpath.errors import GraphpathError
from graphpath.systems import fcntl


@contextmanager
def hold_file_lock(
    path: Path,
    explain_busy: Callable[[str], GraphpathError],
    explain_error: Callable[[OSError], GraphpathError],
    *,
    wait: bool = False,
) -> Iterator[None]:
    """Holds the lock file ``path``; the system frees it when this process ends, however it ends.

    The file is there while somebody holds it, and folders that were made for it alone; what a killed process
    leaves of it stops nobody.

    Raises:
        GraphpathError: what ``explain_busy`` makes of its holder's name, where another process has it
            (unless ``wait``), or ``explain_error`` of the system's error, where the file cannot be written.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _open_locked(path, wait)
    except BlockingIOError as error:
        raise explain_busy(_read_holder(path)) from error
    except OSError as error:
        raise explain_error(error) from error
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
    finally:
        path.unlink(
            missing_ok=True
        )  # while it is locked: whoever waits for it finds out, and makes a new one
        file.close()
        with suppress(OSError):  # what is not empty stays
            for folder in made:
                folder.rmdir()


def _open_locked(path: Path, wait: bool) -> TextIO:
    """``path`` opened and locked, and still under that name. Raises BlockingIOError where another has it."""
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if is_at(file.fileno(), path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the opened file is the one that ``path`` names now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read_holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, ValueError):
        return "another process"
