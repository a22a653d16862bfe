"""Programs that stand in for ``java`` and ``mvn``: each misbehaves as a test asks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graphpath.errors import ServerError
from graphpath.server import Server

FAKE_JAVA = Path(__file__).with_name("fake_java.py").read_text(encoding="utf-8")
FAKE_MVN = Path(__file__).with_name("fake_mvn.py").read_text(encoding="utf-8")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH; empty at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("GRAPHPATH_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def fake(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``fake(java="hangs", mvn="fails")``: puts programs on the path that behave so."""

    def put(**modes: str) -> None:
        for name, mode in modes.items():
            path = programs / name
            path.write_text(f"#!{sys.executable}\n{FAKE_JAVA if name == 'java' else FAKE_MVN}", "utf-8")
            path.chmod(0o755)
            monkeypatch.setenv(f"FAKE_{name.upper()}", mode)

    return put


@pytest.fixture
def server(tmp_path: Path, fake: Callable[..., None]) -> Iterator[Server]:
    """A server of fakes that behave well; it is stopped at the end."""
    fake(java="serves", mvn="brings")
    made = Server(tmp_path / "home", bolt_port=0, http_port=0, memory="512m", timeout=20)
    yield made
    made.stop(timeout=0.5)


@pytest.fixture
def refused(server: Server) -> Callable[[], ServerError]:
    """``refused()``: the error with which the server does not start; nothing of it is left running."""

    def start() -> ServerError:
        with pytest.raises(ServerError) as caught:
            server.start()
        assert not server.status().running
        message = str(caught.value)
        assert "\n" not in message
        assert message.endswith(".")
        return caught.value

    return start
