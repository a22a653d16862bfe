"""The record of a running server, in ``run/server.json`` of its home."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from graphpath.server.config import Ports
from graphpath.server.paths import write_private
from graphpath.server.ports import HOST
from graphpath.server.process import Process


@dataclass(frozen=True)
class ServerState:
    """The process of a server, its ports, its version of Neo4j, and whether it has Graph Data Science."""

    process: Process
    ports: Ports
    version: str
    gds: bool = False

    def write(self, home: Path) -> None:
        """Keeps it in ``home``."""
        write_private(_state_file(home), json.dumps(asdict(self), indent=1))


@dataclass(frozen=True)
class Status:
    """The state of a server.

    ``running``: its process is there. ``answers``: Bolt and HTTP take the password. ``crashed``: it ended
    without being stopped (starting it again recovers its data).
    """

    home: Path
    running: bool = False
    answers: bool = False
    crashed: bool = False
    pid: int | None = None
    ports: Ports | None = None
    version: str | None = None
    gds: bool = False

    @property
    def uri(self) -> str | None:
        """``bolt://127.0.0.1:PORT``, while it runs."""
        return f"bolt://{HOST}:{self.ports.bolt}" if self.running and self.ports else None

    @property
    def web(self) -> str | None:
        """Where Neo4j Browser is, while it runs."""
        return f"http://{HOST}:{self.ports.http}/browser/" if self.running and self.ports else None


def read_state(home: Path) -> ServerState | None:
    """What was written down last; None if nothing, or nothing that can be read."""
    try:
        kept = json.loads(_state_file(home).read_text(encoding="utf-8"))
        process, ports = Process(**kept["process"]), Ports(**kept["ports"])
        return ServerState(process, ports, str(kept["version"]), bool(kept.get("gds", False)))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def forget_state(home: Path) -> None:
    """After a stop in good order."""
    _state_file(home).unlink(missing_ok=True)


def _state_file(home: Path) -> Path:
    return home / "run" / "server.json"
