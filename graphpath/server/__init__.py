"""A real Neo4j server without Docker: fetched by Maven, run on loopback.

from graphpath.server import Server

with Server(home, bolt_port=0, http_port=0) as server:      # or .start() and .stop()
    server.uri, server.password, server.browser

Needs Java 17 or 21 and, once, Maven. Imports neither torch nor pandas.
"""

from graphpath.server.credentials import read_stored_password
from graphpath.server.server import DATABASE, USER, Server
from graphpath.server.state import Status
from graphpath.server.tool import run_admin

__all__ = ["DATABASE", "USER", "Server", "Status", "read_stored_password", "run_admin"]
