"""The command line, called in this process, and a store to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from graphpath.cli import app
from graphpath.record import Trace
from graphpath.stores import open_store
from tests.synthetic import write_trace

Call = Callable[..., Result]


@pytest.fixture
def call() -> Call:
    """``call("runs", "--store", path)``: the verb's result, stdout and stderr apart."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


@pytest.fixture
def refused(call: Call) -> Callable[..., str]:
    """``refused(...)``: the one sentence with which a command line is refused."""

    def run(*words: object) -> str:
        result = call(*words)
        assert result.exit_code == 1, result.output
        assert not result.stdout.strip()
        assert result.stderr.startswith("graphpath: ")
        assert "Traceback" not in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        return result.stderr

    return run


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return write_trace(tmp_path_factory.mktemp("trace") / "clean", run="clean")


@pytest.fixture(scope="session")
def store(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Only to be read."""
    path = tmp_path_factory.mktemp("store") / "pathways.lbdb"
    with open_store(path) as opened:
        opened.load(trace)
    yield path
