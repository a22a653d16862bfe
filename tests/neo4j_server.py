"""The one real Neo4j server that all suites share, for as long as pytest runs.

Where Java or Maven are missing its tests are skipped, and the terminal says so; where CI is set, a missing
server is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from graphpath.errors import ServerError
from graphpath.server import Server
from graphpath.server.jars import is_complete, version
from graphpath.server.java import find_java
from graphpath.server.places import default_cache

# Read now: the suite gives the package a cache of its own, and the jars are to be fetched once.
CACHE = default_cache()


@pytest.fixture(scope="session")
def neo4j_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running server (``.uri``, ``.password``, user neo4j) that is empty at first and shared by all."""
    if (missing := _missing()) is not None:
        _absent(request, missing)
    server = Server(
        tmp_path_factory.mktemp("neo4j") / "home",
        bolt_port=0,
        http_port=0,
        memory="768m",
        cache=CACHE,
        timeout=300,
    )
    try:
        server.start()
    except ServerError as error:
        pytest.fail(f"{error}\n{error.log}", pytrace=False)
    yield server
    server.stop()


def _missing() -> str | None:
    try:
        find_java()
    except ServerError as error:
        return str(error)
    fetched = is_complete(CACHE / "neo4j" / version())
    return None if fetched or shutil.which("mvn") else "There is no mvn to fetch Neo4j with."


def _absent(request: pytest.FixtureRequest, reason: str) -> None:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"CI needs the real Neo4j server. {reason}", pytrace=False)
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(f"NOT TESTED on the real Neo4j server: {reason}", red=True)
    pytest.skip(f"no Neo4j server: {reason}")
