"""The server's configuration: neo4j.conf, written anew at every start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphpath.server.memory import Memory
from graphpath.server.paths import HEADER
from graphpath.server.ports import HOST
from graphpath.server.style import connect_command


@dataclass(frozen=True)
class Ports:
    """The two loopback ports of a server."""

    bolt: int
    http: int


def render_conf(home: Path, ports: Ports, memory: Memory, plugins: Path | None = None) -> str:
    """The text of neo4j.conf: loopback only, password required, nothing reported to anyone.

    ``plugins`` is the folder of Graph Data Science, which uses Neo4j from within and has to be let.
    """
    bolt, http = f"{HOST}:{ports.bolt}", f"{HOST}:{ports.http}"
    settings = {
        "server.default_listen_address": HOST,
        "server.bolt.listen_address": bolt,
        # What Neo4j Browser and routing drivers connect to.
        "server.bolt.advertised_address": bolt,
        "server.http.listen_address": http,
        "server.http.advertised_address": http,
        "server.https.enabled": "false",
        "dbms.security.auth_enabled": "true",
        "dbms.security.allow_csv_import_from_file_urls": "false",
        "dbms.usage_report.enabled": "false",
        "client.allow_telemetry": "false",
        "server.directories.import": str(home / "import"),
        "server.memory.heap.initial_size": f"{memory.heap}m",
        "server.memory.heap.max_size": f"{memory.heap}m",
        "server.memory.pagecache.size": f"{memory.pages}m",
        # By default 0.7 of the heap; but Neo4j counts too little, and a server without heap ends itself.
        "dbms.memory.transaction.total.max": f"{memory.heap // 2}m",
        "browser.post_connect_cmd": connect_command(),
        "db.tx_log.rotation.retention_policy": "2 files",
        # When it stops, Bolt listens for five more seconds to clients that may come, the databases being
        # closed already: nobody comes.
        "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",
    }
    if plugins is not None:
        settings["server.directories.plugins"] = str(plugins)
        settings["dbms.security.procedures.unrestricted"] = "gds.*"
    return HEADER + "".join(f"{name}={_escape(value)}\n" for name, value in settings.items())


def _escape(value: str) -> str:
    # The file is read as Java properties: a backslash begins an escape.
    return value.replace("\\", "\\\\")
