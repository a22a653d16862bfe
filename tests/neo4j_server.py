"""The one real Neo4j server that all suites share, for as long as pytest runs; and one with GDS.

It keeps its ports: stopped, killed and started again by a test, it is the same one for the next. Where Java
or Maven are missing its tests are skipped, and the terminal says so; where CI is set, a missing server is a
failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphpath.errors import ServerError
from graphpath.server import Server
from graphpath.server.config import Ports
from graphpath.server.jars import folder_name, is_complete
from graphpath.server.java import find_java
from graphpath.server.paths import default_cache
from graphpath.server.ports import choose

# Read now: the suite gives the package a cache of its own, and the jars are to be fetched once.
CACHE = default_cache()


@pytest.fixture(scope="session")
def neo4j_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running server (``.uri``, ``.password``, user neo4j) that is empty at first and shared by all."""
    with _running(request, tmp_path_factory.mktemp("neo4j") / "home") as server:
        yield server


@pytest.fixture(scope="module")
def gds_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another one, with Graph Data Science."""
    with _running(request, tmp_path_factory.mktemp("gds") / "home", gds=True) as server:
        yield server


class PlanningOnce(Server):
    """A server that plans each statement once.

    By default it plans anew, after ten seconds, what was planned for a database of another size. Tests fill
    and empty theirs all the time, and planning took half of what they waited for.
    """

    more: tuple[str, ...] = ()
    """Further lines of its configuration."""

    def _launch(self, command: Sequence[str], chosen: Ports, mark: str) -> None:
        with (self.home / "conf" / "neo4j.conf").open("a", encoding="utf-8") as conf:
            conf.write("\n".join(("dbms.cypher.min_replan_interval=1d", *self.more, "")))
        super()._launch(command, chosen, mark)


def plan_anew(server: Server) -> None:
    """Let ``server`` plan every statement again, for what its database holds now."""
    import neo4j

    with neo4j.GraphDatabase.driver(server.uri, auth=("neo4j", server.password)) as driver:
        driver.execute_query("CALL db.clearQueryCaches()")


def made(home: Path, *, gds: bool = False) -> PlanningOnce:
    """A server in ``home``, not started, on free ports of its own."""
    bolt, http = choose(0, 0)
    return PlanningOnce(
        home, bolt_port=bolt, http_port=http, memory="768m", cache=CACHE, gds=gds, timeout=300
    )


@contextmanager
def _running(request: pytest.FixtureRequest, home: Path, *, gds: bool = False) -> Iterator[Server]:
    if (missing := _missing(gds)) is not None:
        _absent(request, missing)
    server = made(home, gds=gds)
    with pytest.MonkeyPatch.context() as patch:
        # Java's second compiler is for what runs for hours: without it the server starts in half the time.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        try:
            server.start()
        except ServerError as error:
            pytest.fail(f"{error}\n{error.log}", pytrace=False)
        try:
            yield server
        finally:
            server.stop()


def _missing(gds: bool) -> str | None:
    try:
        find_java()
    except ServerError as error:
        return str(error)
    fetched = is_complete(CACHE / "neo4j" / folder_name(gds=gds))
    return None if fetched or shutil.which("mvn") else "There is no mvn to fetch Neo4j with."


def _absent(request: pytest.FixtureRequest, reason: str) -> None:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"CI needs the real Neo4j server. {reason}", pytrace=False)
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(f"NOT TESTED on the real Neo4j server: {reason}", red=True)
    pytest.skip(f"no Neo4j server: {reason}")
