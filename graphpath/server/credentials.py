"""The password of a server that graphpath runs, for those who connect to it."""

from __future__ import annotations

from urllib.parse import urlsplit

from graphpath.errors import ServerError
from graphpath.server.server import BOLT, Server

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def read_stored_password(uri: str, server: Server | None = None) -> str | None:
    """The password for ``uri`` if it is that of the user's own running server (or of ``server``), else None.

    Only a loopback address on the port of a process that is alive and ours gets it: a password never goes to
    whoever else may listen there.
    """
    parts = urlsplit(uri)
    server = server or Server()
    status = server.status()
    if parts.hostname not in LOOPBACK or not status.running or status.ports is None:
        return None
    if (parts.port or BOLT) != status.ports.bolt:
        return None
    try:
        return server.password
    except ServerError:
        return None
