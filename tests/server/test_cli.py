"""``graphpath neo4j``: what it prints and with which status it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from graphpath.cli import app
from graphpath.server import Server

Fake = Callable[..., None]


@pytest.fixture
def call(server: Server) -> Callable[..., Result]:
    """``call("status")`` on the home of the server of fakes."""

    def run(*words: str, home: bool = True) -> Result:
        where = ["--home", str(server.home)] if home else []
        return CliRunner().invoke(app, ["neo4j", *words, *where])

    return run


START = ("start", "--bolt-port", "0", "--http-port", "0", "--memory", "512m")


def test_start_status_stop(call: Callable[..., Result], server: Server) -> None:
    started = call(*START)
    assert started.exit_code == 0, started.output
    assert "Fetching Neo4j 5.26.30" in started.stderr
    for text in (server.uri, server.browser, str(server.password_file)):
        assert text in started.stdout
    assert server.password not in started.output
    status = call("status")
    assert status.exit_code == 0
    assert status.stdout == started.stdout
    assert call("status", "--password").stdout == f"{server.password}\n"
    assert call("stop").stdout == "stopped\n"
    gone = call("status")
    assert gone.exit_code == 1
    assert gone.stdout.startswith("not running")
    assert call("stop").stdout == f"no server runs in {server.home}\n"


def test_start_with_gds(call: Callable[..., Result], server: Server) -> None:
    started = call(*START, "--gds")
    assert started.exit_code == 0, started.output
    assert "and OpenGDS" in started.stderr
    assert "5.26.30 with OpenGDS, running" in started.stdout
    conf = (server.home / "conf" / "neo4j.conf").read_text("utf-8").splitlines()
    assert "dbms.security.procedures.unrestricted=gds.*" in conf
    (plugins,) = (line.partition("=")[2] for line in conf if line.startswith("server.directories.plugins="))
    assert [path.suffix for path in Path(plugins).iterdir()] == [".jar"]
    call("stop")
    again = call(*START)
    assert "OpenGDS" not in again.stdout
    assert "unrestricted" not in (server.home / "conf" / "neo4j.conf").read_text("utf-8")


def test_a_failure_shows_the_servers_log_and_one_sentence(call: Callable[..., Result], fake: Fake) -> None:
    fake(java="dies")
    failed = call(*START)
    assert failed.exit_code == 1
    assert not failed.stdout
    assert "something nobody has thought of" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("graphpath: Neo4j ended while starting")
    assert "Traceback" not in failed.stderr


def test_browser_prints_and_opens_the_address(
    call: Callable[..., Result], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) is None)
    server.start()
    shown = call("browser", "browse/pathway", "--param", "pathway=7")
    assert shown.exit_code == 0, shown.output
    assert opened == [shown.stdout.strip()]
    assert opened[0].startswith(f"{server.browser}?dbms=bolt%3A%2F%2Fneo4j%40127.0.0.1")
    assert "r.pathway%20%3D%207" in opened[0]
    assert server.password not in opened[0]
    assert call("browser", "--print").exit_code == 0
    assert len(opened) == 1


def test_browser_of_another_server(call: Callable[..., Result]) -> None:
    words = ("browser", "--print", "--store", "neo4j://db:7687")
    assert "--web" in call(*words, home=False).stderr
    shown = call(*words, "--web", "http://db:7474", "--database", "lab", home=False)
    assert shown.stdout == "http://db:7474/browser/?dbms=neo4j%3A%2F%2Fneo4j%40db%3A7687&db=lab\n"


def test_browser_without_a_server(call: Callable[..., Result]) -> None:
    assert "graphpath neo4j start" in (refused := call("browser")).stderr
    assert refused.exit_code == 1
    assert "belongs to a named query" in call("browser", "--param", "x=1").stderr


def test_browser_exports_its_kit(call: Callable[..., Result], tmp_path: Path) -> None:
    done = call("browser", "--export", str(tmp_path / "kit"), home=False)
    assert done.exit_code == 0
    assert str(tmp_path / "kit" / "graphpath.grass") in done.stdout.splitlines()
