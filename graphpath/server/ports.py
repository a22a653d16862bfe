"""Loopback ports: free ones chosen, and who has one that is taken."""

from __future__ import annotations

import errno
import re
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from graphpath.errors import ServerError

HOST: Final = "127.0.0.1"


def choose(bolt: int, http: int) -> tuple[int, int]:
    """The ports to use: as asked, and any free one for 0.

    Raises:
        ServerError: a port is taken (the message says by whom, where the system tells), out of range, or may
            not be used; or both are the same.
    """
    if bolt == http != 0:
        raise ServerError(f"--bolt-port and --http-port are both {bolt}: give two different ones.")
    with ExitStack() as held:
        # Both at once, so that the two are different.
        return _bound(held, bolt, "--bolt-port"), _bound(held, http, "--http-port")


def owner(port: int) -> str | None:
    """Which program listens on the loopback ``port``, as "java, process 123"; None where unknown."""
    inodes = _listeners(port)
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if _open_files(process) & inodes:
            return f"{_name(process)}, process {process.name}"
    return None


def _bound(held: ExitStack, port: int, option: str) -> int:
    if not 0 <= port <= 65535:
        raise ServerError(f"{option} {port} is no port: give one from 1 to 65535, or 0 for any free one.")
    probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # As Java does: a port whose last connections are still fading is free.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, port))
        probe.listen(1)
    except OSError as error:
        raise ServerError(_refused(port, option, error)) from error
    return int(probe.getsockname()[1])


def _refused(port: int, option: str, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Port {port} cannot be used ({error.strerror}): give another one with {option}, or 0 for any."
    who = owner(port)
    by = f" by {who}" if who else ""
    return (
        f"Port {port} is taken{by}: end that program, or give another one with {option} (0 = any free one)."
    )


def _open_files(process: Path) -> set[str]:
    """What the descriptors of ``process`` point to; empty for another user's."""
    found = set()
    try:
        for link in (process / "fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found.add(str(link.readlink()))
    except OSError:
        return found
    return found


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program"


def _listeners(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            # 0A is LISTEN; the tenth field is the socket's inode.
            if fields[3] == "0A" and re.fullmatch(rf"[0-9A-F]+:{port:04X}", fields[1]):
                found.add(f"socket:[{fields[9]}]")
    return found
