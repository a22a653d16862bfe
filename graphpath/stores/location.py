"""The file of a store's path, and what can be wrong with it before an engine opens it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from graphpath.errors import StoreUnavailable

KINDS: Final = {
    stat.S_IFDIR: "a directory; a store is one file, such as one in it",
    stat.S_IFIFO: "a named pipe; a store is a file",
    stat.S_IFSOCK: "a socket; a store is a file",
    stat.S_IFCHR: "a device; a store is a file",
    stat.S_IFBLK: "a device; a store is a file",
}
LOGS: Final = (".wal", ".wal.checkpoint", ".shadow")
"""What the engine keeps beside a file that is written in place, as graphpath never does."""


class Generation(NamedTuple):
    """What distinguishes two states of a file, as long as somebody keeps the first one open.

    A number of an inode is given to another file only when the first is closed; the rest tells a file that
    was overwritten where it stands. (The time of its last change of names is left out: a link changes it.)
    """

    device: int
    inode: int
    size: int
    modified: int


def resolve_path(path: Path) -> Path:
    """The file that ``path`` leads to, through symbolic links: one store has one name, and so one lock.

    Raises:
        StoreUnavailable: the links go round in a circle, or cannot be followed.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise _explain_unusable(path, error) from error


def read_generation(path: Path) -> Generation | None:
    """The state of the file ``path``; None where there is none.

    Raises:
        StoreUnavailable: it is no file, or the system does not let us look.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _explain_unusable(path, error) from error
    if kind := KINDS.get(stat.S_IFMT(found.st_mode)):
        raise StoreUnavailable(f"{path} cannot be opened as an embedded store: it is {kind}.")
    return Generation(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def check_no_log(path: Path) -> None:
    """Refuse a file with the log of another program's changes beside it: the engine would mix them in.

    Raises:
        StoreUnavailable: there is one, which is not empty.
    """
    for log in (path.with_name(path.name + ending) for ending in LOGS):
        if log.is_file() and log.stat().st_size:
            raise StoreUnavailable(
                f"Beside {path} lies {log.name}, left by a program that wrote to the store itself and did "
                "not finish (graphpath never does). The store is as graphpath wrote it once that file is "
                f"moved away: mv {_quote_shell(log)} {_quote_shell(log.with_name(log.name + '.aside'))}"
            )


def _quote_shell(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _explain_unusable(path: Path, error: Exception) -> StoreUnavailable:
    number = getattr(error, "errno", None)
    reason = os.strerror(number).lower() if number else str(error).rstrip(".")
    return StoreUnavailable(f"{path} cannot be opened as an embedded store: {reason}.")
