"""Where a server can be run by graphpath."""

from __future__ import annotations

import os

from graphpath.errors import ServerError


def check_platform() -> None:
    """Refuses Windows, which has no sessions and signals as this package uses them."""
    if os.name != "posix":
        raise ServerError(
            "graphpath runs Neo4j itself on Linux and macOS only; on Windows use docker/compose.yaml or the "
            "Windows Subsystem for Linux."
        )
