"""Loopback ports: free ones chosen, and who has one that is taken."""

from __future__ import annotations

import errno
import random
import re
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from graphpath.errors import ServerError

HOST: Final = "127.0.0.1"
LOWEST: Final = 10_000
"""Below it well-known programs listen."""
DYNAMIC: Final = 49_152
"""Where ports for outgoing connections begin by convention (RFC 6335)."""
TRIES: Final = 64


def choose(bolt: int, http: int) -> tuple[int, int]:
    """The ports to use: as asked, and any free one for 0, which stays free while its server is restarted.

    Raises:
        ServerError: a port is taken (the message says by whom, where the system says), out of range, or may
            not be used; or both are the same.
    """
    if bolt == http != 0:
        raise ServerError(f"--bolt-port and --http-port are both {bolt}: give two different ones.")
    with ExitStack() as probes:
        # Both at once, so that the two are different.
        return _bind(probes, bolt, "--bolt-port"), _bind(probes, http, "--http-port")


def find_owner(port: int) -> str | None:
    """Which program listens on the loopback ``port``, as "java, process 123"; None where unknown."""
    inodes = _list_listeners(port)
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if _list_open_files(process) & inodes:
            return f"{_read_name(process)}, process {process.name}"
    return None


def _bind(probes: ExitStack, port: int, option: str) -> int:
    if not 0 <= port <= 65535:
        raise ServerError(f"{option} {port} is no port: give one from 1 to 65535, or 0 for any free one.")
    if port == 0:
        return _bind_any(probes)
    try:
        return _bind_probe(probes, port)
    except OSError as error:
        raise ServerError(_explain_refusal(port, option, error)) from error


def _bind_any(probes: ExitStack) -> int:
    """A free port that no program is given for a connection of its own while the server is down."""
    below = range(LOWEST, _read_lowest_outgoing())
    for port in random.sample(below, min(TRIES, len(below))):
        with suppress(OSError):
            return _bind_probe(probes, port)
    return _bind_probe(probes, 0)


def _bind_probe(probes: ExitStack, port: int) -> int:
    probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # As Java does: a port whose last connections are still fading is free.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((HOST, port))
    probe.listen(1)
    return int(probe.getsockname()[1])


def _read_lowest_outgoing() -> int:
    """The lowest port that the system gives to programs that connect to others."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return DYNAMIC


def _explain_refusal(port: int, option: str, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Port {port} cannot be used ({error.strerror}): give another one with {option}, or 0 for any."
    who = find_owner(port)
    by = f" by {who}" if who else ""
    return (
        f"Port {port} is taken{by}: end that program, or give another one with {option} (0 = any free one)."
    )


def _list_open_files(process: Path) -> set[str]:
    """What the descriptors of ``process`` point to; empty for another user's."""
    found = set()
    try:
        for link in (process / "fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found.add(str(link.readlink()))
    except OSError:
        return found
    return found


def _read_name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program"


def _list_listeners(port: int) -> set[str]:
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
