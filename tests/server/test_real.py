"""The real server: started, queried, killed, stopped."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time

import neo4j
import pytest

from graphpath.errors import ServerError
from graphpath.server import Server, read_stored_password, run_admin


def run(server: Server, statement: str) -> list[object]:
    with neo4j.GraphDatabase.driver(server.uri, auth=("neo4j", server.password)) as driver:
        records, _, _ = driver.execute_query(statement, database_="neo4j")
    return [record[0] for record in records]


def test_it_answers_with_its_own_password_only(neo4j_server: Server) -> None:
    assert neo4j_server.status().answers
    assert run(neo4j_server, "CALL dbms.components() YIELD versions RETURN versions[0]") == ["5.26.30"]
    with (
        neo4j.GraphDatabase.driver(neo4j_server.uri, auth=("neo4j", "neo4j")) as driver,
        pytest.raises(neo4j.exceptions.AuthError),
    ):
        driver.verify_connectivity()
    assert read_stored_password(neo4j_server.uri, neo4j_server) == neo4j_server.password


def test_it_reports_nothing_to_anyone(neo4j_server: Server) -> None:
    asked = "SHOW SETTINGS 'dbms.usage_report.enabled', 'client.allow_telemetry' YIELD value RETURN value"
    assert run(neo4j_server, asked) == ["false", "false"]


def test_it_listens_on_loopback_only(neo4j_server: Server) -> None:
    ports = neo4j_server.status().ports
    outside = [
        found[4][0]
        for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        if not found[4][0].startswith("127.")
    ]
    for host in outside:
        for port in (ports.bolt, ports.http):
            with pytest.raises(OSError), socket.create_connection((host, port), timeout=2):
                pass
    settings = run(
        neo4j_server, "SHOW SETTINGS YIELD name, value WHERE name ENDS WITH 'listen_address' RETURN value"
    )
    assert settings
    assert all(value.startswith("127.0.0.1") or value.startswith(":") for value in settings)


def test_its_data_are_the_users_own(neo4j_server: Server) -> None:
    assert stat.S_IMODE(neo4j_server.home.stat().st_mode) == 0o700


def test_killed_it_recovers_what_was_committed(neo4j_server: Server) -> None:
    run(neo4j_server, "CREATE (:Kept {id: 1})")
    os.kill(neo4j_server.status().pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while neo4j_server.status().running and time.monotonic() < until:
        time.sleep(0.1)
    assert neo4j_server.status().crashed
    with pytest.raises(ServerError, match="does not run: graphpath neo4j start"):
        _ = neo4j_server.uri
    neo4j_server.start()
    assert run(neo4j_server, "MATCH (n:Kept) DELETE n RETURN 1") == [1]


def test_admin_runs_the_servers_own_tool(neo4j_server: Server) -> None:
    assert "5.26.30" in neo4j_server.run_admin("--version")
    with pytest.raises(ServerError, match="neo4j-admin database import nonsense failed") as caught:
        run_admin(["database", "import", "nonsense"], neo4j_server.home, cache=neo4j_server.cache)
    assert caught.value.log
