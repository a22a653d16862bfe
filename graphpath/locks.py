"""Locks between processes: one changes a store, starts a server or runs studies in a folder at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from graphpath.errors import GraphpathError


@contextmanager
def locked(
    path: Path,
    taken: Callable[[str], GraphpathError],
    refused: Callable[[OSError], GraphpathError],
    *,
    wait: bool = False,
) -> Iterator[None]:
    """Holds the lock file ``path``; the system frees it when this process ends, however it ends.

    Raises:
        GraphpathError: what ``taken`` makes of its holder's name, where another process has it (unless told
            to wait), or ``refused`` of the system's error, where the file cannot be written.
    """
    import fcntl  # Unix only, as is all that needs a lock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise refused(error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            file.seek(0)
            raise taken(file.read().strip() or "another process") from error
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
        file.truncate(0)
