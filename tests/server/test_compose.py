"""docker/compose.yaml, as far as it can be checked without Docker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DOCKER = Path(__file__).resolve().parents[2] / "docker"
FILE = DOCKER / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(FILE)
    return loaded


def test_it_is_what_the_compose_specification_allows() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    from graphpath.server.jars import version

    assert compose["services"]["neo4j"]["image"] == f"neo4j:{version()}-community"
    build = compose["services"]["graphpath"]["build"]
    dockerfile = (DOCKER / build["context"] / build["dockerfile"]).resolve()
    lines = dockerfile.read_text("utf-8").splitlines()
    (base,) = (line.split()[1] for line in lines if line.startswith("FROM "))
    assert base.partition(":")[2].count(".") == 2
    assert any(line.startswith("USER ") and line != "USER root" for line in lines)


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_data_outlive_the_container(compose: dict[str, Any]) -> None:
    mounts = dict(text.split(":") for text in compose["services"]["neo4j"]["volumes"])
    assert set(mounts) == set(compose["volumes"])
    assert set(mounts.values()) == {"/data", "/logs", "/plugins"}


def test_graphpath_waits_for_a_healthy_server(compose: dict[str, Any]) -> None:
    assert compose["services"]["neo4j"]["healthcheck"]["test"][0] == "CMD"
    assert compose["services"]["graphpath"]["depends_on"] == {"neo4j": {"condition": "service_healthy"}}


def test_the_password_is_in_no_file_that_is_committed(compose: dict[str, Any]) -> None:
    assert compose["services"]["neo4j"]["environment"]["NEO4J_AUTH"].startswith("neo4j/${NEO4J_PASSWORD:?")
    assert "NEO4J_PASSWORD=\n" in (DOCKER / "example.env").read_text("utf-8")
    assert "/docker/.env" in (DOCKER.parent / ".gitignore").read_text("utf-8").splitlines()


def rendered(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("docker-compose")
    if found is None:
        pytest.skip("no docker-compose here")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables}
    (tmp_path / "env").touch()
    command = [found, "-f", str(FILE), "--env-file", str(tmp_path / "env"), "config"]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_docker_compose_reads_it(tmp_path: Path) -> None:
    plugin = json.dumps(["graph-data-science"])
    done = rendered(tmp_path, NEO4J_PASSWORD="secret-secret", NEO4J_PLUGINS=plugin)
    assert done.returncode == 0, done.stderr
    shown = YAML(typ="safe").load(done.stdout)["services"]["neo4j"]["environment"]
    assert shown["NEO4J_AUTH"] == "neo4j/secret-secret"
    assert shown["NEO4J_PLUGINS"] == plugin


def test_without_a_password_it_says_what_to_do(tmp_path: Path) -> None:
    done = rendered(tmp_path)
    assert done.returncode != 0
    assert "copy docker/example.env to docker/.env" in done.stderr
