"""Starting a server: every way in which it can fail is one sentence, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from graphpath.errors import ServerError
from graphpath.server import Server, ports, read_stored_password
from graphpath.server.process import Process
from graphpath.server.state import read_state

Fake = Callable[..., None]
Refused = Callable[[], ServerError]


def test_it_starts_says_where_it_is_and_stops(server: Server) -> None:
    found = server.start()
    assert found.running and found.answers and not found.crashed
    assert found.uri == server.uri == f"bolt://127.0.0.1:{found.ports.bolt}"
    assert found.web == server.browser == f"http://127.0.0.1:{found.ports.http}/browser/"
    assert server.stop()
    assert server.status() == type(found)(server.home)
    assert not server.stop()


def test_only_the_user_can_read_what_it_keeps(server: Server) -> None:
    server.start()
    for path in (server.home, server.home / "conf", server.home / "data", server.home / "run"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for name in ("password", "run/server.json", "conf/neo4j.conf", "logs/console.log"):
        assert stat.S_IMODE((server.home / name).stat().st_mode) == 0o600


def test_the_password_is_on_no_command_line_and_stays(server: Server) -> None:
    server.start()
    first = server.password
    assert len(first) == 32
    data = server.home / "data"
    assert (data / "secret").read_text("utf-8") == first
    assert first not in (data / "argv.json").read_text("utf-8")
    assert first not in Path(f"/proc/{server.status().pid}/cmdline").read_text("utf-8")
    server.stop()
    (data / "secret").unlink()
    server.start()
    assert server.password == first
    assert not (data / "secret").exists()


def test_a_password_that_was_not_set_is_not_kept(fake: Fake, refused: Refused, server: Server) -> None:
    fake(java="admin fails")
    assert "neo4j-admin dbms set-initial-password failed" in str(error := refused())
    assert "no such command" in error.log
    assert not server.password_file.exists()


def test_no_java(programs: Path, refused: Refused) -> None:
    (programs / "java").unlink()
    assert "there is none on the path: install Java 17 or 21" in str(refused())


def test_java_home_comes_first(
    programs: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    assert f"JAVA_HOME ({tmp_path / 'nowhere'})" in str(refused())


@pytest.mark.parametrize("version", [8, 11, 25])
def test_another_java(version: int, fake: Fake, refused: Refused) -> None:
    fake(java=f"java {version}")
    assert f"needs Java 17 or 21, and {os.environ['PATH']}/java is Java {version}:" in str(refused())


def test_java_21_will_do(fake: Fake, server: Server) -> None:
    fake(java="java 21")
    assert server.start().answers


def test_a_java_that_does_not_run(fake: Fake, refused: Refused) -> None:
    fake(java="broken")
    assert "does not run" in str(error := refused())
    assert "libjava.so" in error.log


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("out of memory", "too little memory: give less or more with --memory"),
        ("port taken late", "--bolt-port 0"),
        ("locked", "stop that one, or give --home"),
        ("full disk", "the disk is full"),
        ("dies", "its logs are in"),
    ],
)
def test_a_server_that_ends_while_starting(mode: str, said: str, fake: Fake, refused: Refused) -> None:
    fake(java=mode)
    error = refused()
    assert said in str(error)
    assert error.log.startswith("the log of the fake")


def test_a_server_that_hangs_is_ended(fake: Fake, refused: Refused, server: Server) -> None:
    fake(java="hangs")
    server._timeout = 1
    error = refused()
    assert "did not answer within 1 s and was ended: give it longer with --timeout" in str(error)
    assert error.log == "the log of the fake"


def test_another_password(fake: Fake, refused: Refused, server: Server) -> None:
    fake(java="other password")
    assert f"refuses the password in {server.password_file}" in str(refused())


@pytest.mark.parametrize("which", ["bolt", "http"])
def test_a_port_that_is_taken(which: str, tmp_path: Path, fake: Fake) -> None:
    fake(java="serves", mvn="brings")
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        asked = {"bolt_port": 0, "http_port": 0, f"{which}_port": port}
        with pytest.raises(
            ServerError, match=rf"^Port {port} is taken by .*, process {os.getpid()}: .*--{which}"
        ):
            Server(tmp_path / "home", memory="512m", **asked).start()


def test_ports_that_are_none() -> None:
    with pytest.raises(ServerError, match="--http-port 70000 is no port"):
        ports.choose(0, 70000)
    with pytest.raises(ServerError, match="both 7000"):
        ports.choose(7000, 7000)
    assert len(set(ports.choose(0, 0))) == 2


def test_it_runs_already(server: Server) -> None:
    found = server.start()
    with pytest.raises(ServerError, match=f"runs already \\(process {found.pid}.*graphpath neo4j stop"):
        server.start()
    assert server.status().answers


def test_two_starts_at_once(server: Server) -> None:
    server.start()
    with server._hold_lock(), pytest.raises(ServerError, match="just starting or stopping"):
        server.stop()


def test_a_home_that_cannot_be_made(tmp_path: Path, fake: Fake) -> None:
    fake(java="serves", mvn="brings")
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match=r"cannot be made .*--home"):
        Server(tmp_path / "file" / "home").start()


def test_a_home_that_holds_something_else(tmp_path: Path, fake: Fake) -> None:
    fake(java="serves", mvn="brings")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    with pytest.raises(ServerError, match="holds other files"):
        Server(tmp_path / "home").start()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_that_cannot_be_written(tmp_path: Path, fake: Fake) -> None:
    fake(java="serves", mvn="brings")
    (tmp_path / "home").mkdir(mode=0o500)
    with pytest.raises(ServerError, match="cannot be written to"):
        Server(tmp_path / "home").start()


def test_killed_it_is_found_crashed_and_starts_again(server: Server) -> None:
    found = server.start()
    os.kill(found.pid, signal.SIGKILL)
    while server.status().running:
        pass
    crashed = server.status()
    assert crashed.crashed and not crashed.answers and crashed.uri is None
    assert server.start().answers
    assert server.status().pid != found.pid


def test_a_pid_that_is_another_program_now_is_left_alone(server: Server) -> None:
    server.start()
    server.stop()
    own = {"pid": os.getpid(), "began": "long ago", "mark": f"--home-dir={server.home}"}
    state = {"process": own, "ports": {"bolt": 1, "http": 2}, "version": "5.26.30"}
    (server.home / "run" / "server.json").write_text(json.dumps(state), "utf-8")
    assert server.status().crashed
    assert not server.stop()
    assert server.start().answers


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": {"pid": "x"}}'])
def test_a_damaged_state_is_no_state(text: str, server: Server) -> None:
    (server.home / "run").mkdir(parents=True)
    (server.home / "run" / "server.json").write_text(text, "utf-8")
    assert read_state(server.home) is None
    assert not server.status().running


def has_ended(process: int) -> bool:
    """Whether a killed process is gone within five seconds, or waits only for its parent to take note."""
    stat = Path(f"/proc/{process}/stat")
    for _ in range(50):
        try:
            if stat.read_text("utf-8").rpartition(")")[2].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def test_a_stop_that_does_not_end_is_forced(fake: Fake, server: Server) -> None:
    fake(java="deaf")
    said: list[str] = []
    server._say = said.append
    process = server.start().pid
    assert server.stop(timeout=0.3)
    assert said[-1].startswith("It did not end within 0 s and was killed")
    assert has_ended(process)


def test_interrupted_it_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    end = Process.end

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def watched(process: Process, timeout: float) -> bool:
        ended.append(process.pid)
        return end(process, timeout)

    monkeypatch.setattr("graphpath.server.server.check_readiness", interrupt)
    monkeypatch.setattr(Process, "end", watched)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert not server.status().running
    assert has_ended(ended[0])


def test_the_password_goes_to_our_own_server_only(server: Server) -> None:
    found = server.start()
    assert read_stored_password(server.uri, server) == server.password
    assert read_stored_password(f"neo4j://localhost:{found.ports.bolt}", server) == server.password
    assert read_stored_password(f"bolt://example.org:{found.ports.bolt}", server) is None
    assert read_stored_password(f"bolt://127.0.0.1:{found.ports.http}", server) is None
    uri = server.uri
    server.stop()
    assert read_stored_password(uri, server) is None


def test_what_is_asked_of_a_server_that_is_not_there(tmp_path: Path) -> None:
    nowhere = Server(tmp_path / "nowhere")
    assert not nowhere.status().running
    assert not nowhere.stop()
    with pytest.raises(ServerError, match="graphpath neo4j start"):
        _ = nowhere.uri
    with pytest.raises(ServerError, match="graphpath neo4j start makes one"):
        _ = nowhere.password
    assert not (tmp_path / "nowhere").exists()
