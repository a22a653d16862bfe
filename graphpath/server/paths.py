"""Paths of the server's files: its jars in the cache, its data in a home that only the user can read.

A home holds ``conf/ data/ logs/ import/ run/`` and the file ``password``.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from graphpath.errors import ServerError
from graphpath.locks import hold_file_lock
from graphpath.whole import OWNER, write_whole

HEADER = "# Written by graphpath at every start; changes here are lost.\n"
FOLDERS = ("conf", "data", "logs", "import", "run")


def default_cache() -> Path:
    """$GRAPHPATH_CACHE, or graphpath in the platform's cache folder."""
    if own := os.environ.get("GRAPHPATH_CACHE"):
        return Path(own).absolute()
    return _find_platform_folder("Library/Caches", "XDG_CACHE_HOME", ".cache") / "graphpath"


def default_home() -> Path:
    """$GRAPHPATH_NEO4J_HOME, or graphpath/neo4j in the platform's data folder."""
    if own := os.environ.get("GRAPHPATH_NEO4J_HOME"):
        return Path(own).absolute()
    return (
        _find_platform_folder("Library/Application Support", "XDG_DATA_HOME", ".local/share")
        / "graphpath"
        / "neo4j"
    )


def make_private_folder(path: Path, remedy: str) -> Path:
    """The folder ``path``, made with mode 0700 where it is missing, and writable.

    Raises:
        ServerError: it cannot be made or written; ``remedy`` says what else to name.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(f"The folder {path} cannot be made ({error.strerror}); {remedy}.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ServerError(f"The folder {path} cannot be written to; {remedy}.")
    return path


def prepare_home(home: Path) -> None:
    """Makes ``home`` and its folders, readable by the user alone.

    Raises:
        ServerError: it belongs to someone else, holds other things, or cannot be written.
    """
    remedy = "give another one with --home or $GRAPHPATH_NEO4J_HOME"
    make_private_folder(home, remedy)
    if home.stat().st_uid != os.getuid():
        raise ServerError(f"The folder {home} belongs to another user; {remedy}.")
    if not is_home(home) and any(path.name not in FOLDERS for path in home.iterdir()):
        raise ServerError(f"The folder {home} holds other files and is no home of a server; {remedy}.")
    try:
        home.chmod(0o700)
    except OSError as error:
        raise ServerError(
            f"The folder {home} cannot be kept private ({error.strerror}); {remedy}."
        ) from error
    for name in FOLDERS:
        make_private_folder(home / name, remedy)


def is_home(home: Path) -> bool:
    """Whether graphpath has made a server's home of this folder."""
    try:
        return (home / "conf" / "neo4j.conf").read_text(encoding="utf-8").startswith(HEADER)
    except OSError:
        return False


def write_private(path: Path, text: str) -> None:
    """Writes ``text`` to ``path``, whole or not at all, for the user's eyes only."""
    try:
        write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"), mode=OWNER)
    except OSError as error:
        raise ServerError(f"{path} cannot be written ({error.strerror}); make room there.") from error


def hold_lock(path: Path, busy: str, *, wait: bool = False) -> AbstractContextManager[None]:
    """Holds the lock file ``path`` within the block.

    Raises:
        ServerError: another process holds it (the message is ``busy``), unless ``wait``; or it cannot be
            written.
    """

    def explain(error: OSError) -> ServerError:
        return ServerError(f"{path} cannot be written ({error.strerror}); make room there.")

    return hold_file_lock(path, lambda _: ServerError(busy), explain, wait=wait)


def _find_platform_folder(mac: str, variable: str, other: str) -> Path:
    if sys.platform == "darwin":
        return Path.home() / mac
    named = os.environ.get(variable, "")
    # The XDG specification: a relative path there is to be ignored.
    return Path(named) if Path(named).is_absolute() else Path.home() / other
