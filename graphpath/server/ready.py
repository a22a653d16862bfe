"""Whether a server answers: Bolt's handshake, and one statement over HTTP with the password.

No driver is needed, and no proxy is asked: this is loopback.
"""

from __future__ import annotations

import http.client
import json
import socket
from base64 import b64encode
from enum import Enum
from typing import Final

from graphpath.server.ports import HOST

# Bolt's magic number, then four proposals: 5.x down to 5.0, 4.4 to 4.2, and two empty ones.
HANDSHAKE: Final = bytes.fromhex("6060B017 00080805 00020404 00000000 00000000")


class Readiness(Enum):
    """How a server answers."""

    READY = "ready"
    NOT_YET = "not yet"
    REFUSED = "the password is refused"


def check_readiness(bolt: int, web: int, password: str, timeout: float = 5.0) -> Readiness:
    """How the server on these loopback ports answers."""
    if not _speaks_bolt(bolt, timeout):
        return Readiness.NOT_YET
    return _run_statement(web, password, timeout)


def _speaks_bolt(port: int, timeout: float) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout) as connection:
            connection.sendall(HANDSHAKE)
            chosen = connection.recv(4)
    except OSError:
        return False
    return len(chosen) == 4 and any(chosen)


def _run_statement(port: int, password: str, timeout: float) -> Readiness:
    """Runs RETURN 1 in the default database: that it answers says that its files were opened."""
    token = b64encode(f"neo4j:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    body = json.dumps({"statements": [{"statement": "RETURN 1"}]})
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("POST", "/db/neo4j/tx/commit", body, headers)
        response = connection.getresponse()
        said = json.loads(response.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError):
        return Readiness.NOT_YET
    finally:
        connection.close()
    if response.status == 401:
        return Readiness.REFUSED
    return Readiness.READY if response.status == 200 and not said.get("errors") else Readiness.NOT_YET
