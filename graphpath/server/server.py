"""One Neo4j server on loopback: started apart from this process, looked at, stopped."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final

from graphpath.errors import ServerError
from graphpath.server import java, memory, paths, ports, tool
from graphpath.server.config import Ports, render_conf
from graphpath.server.diagnostics import Log, console_log
from graphpath.server.jars import PLUGINS, Say, ensure_jars, version
from graphpath.server.platforms import check_platform
from graphpath.server.process import Process, spawn
from graphpath.server.ready import Readiness, check_readiness
from graphpath.server.state import ServerState, Status, forget_state, read_state

MAIN: Final = "org.neo4j.server.CommunityEntryPoint"
USER: Final = "neo4j"
DATABASE: Final = "neo4j"
BOLT: Final = 7687
HTTP: Final = 7474


class Server:
    """A Neo4j Community server in a home folder; ``with Server(home, ...) as server:`` starts and stops it.

    Args:
        home: the folder with its data, configuration, logs and password; the user's own where None.
        bolt_port, http_port: 0 = any free one.
        memory: of heap and page cache together ("2g", "768m"); by default by what is free.
        cache: where the jars are kept; the platform's cache folder where None.
        gds: with OpenGDS, the open part of Neo4j's Graph Data Science, for the queries ``gds/*``.
        timeout: seconds that a start may take.
        say: called with a sentence about each step that takes long.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        bolt_port: int = BOLT,
        http_port: int = HTTP,
        memory: str | None = None,
        cache: Path | None = None,
        gds: bool = False,
        timeout: float = 180,
        say: Say = lambda _: None,
    ) -> None:
        self.home = Path(home).expanduser().absolute() if home is not None else paths.default_home()
        self.cache = cache
        self.gds = gds
        self._requested_ports = Ports(bolt_port, http_port)
        self._memory = memory
        self._timeout = timeout
        self._say = say

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        """``bolt://127.0.0.1:PORT``. Raises ServerError when it does not run."""
        return self._require_running().uri or ""

    @property
    def browser(self) -> str:
        """Where Neo4j Browser is. Raises ServerError when it does not run."""
        return self._require_running().web or ""

    @property
    def password_file(self) -> Path:
        """The file (mode 0600) with the password of user ``neo4j``."""
        return self.home / "password"

    @property
    def password(self) -> str:
        """The password of user ``neo4j``. Raises ServerError when there is none yet, or it cannot be read."""
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise ServerError(
                f"There is no server in {self.home} yet: graphpath neo4j start makes one."
            ) from error
        except OSError as error:
            raise ServerError(f"{self.password_file} cannot be read ({error.strerror}).") from error

    @property
    def log(self) -> Path:
        """What Neo4j tells its users while it runs."""
        return self.home / "logs" / "neo4j.log"

    def status(self) -> Status:
        """Whether it runs, answers, or has crashed; never raises for a server that is not there."""
        state = read_state(self.home)
        if state is None:
            return Status(self.home)
        running = state.process.alive
        return Status(
            home=self.home,
            running=running,
            answers=running and self._check_readiness(state.ports) is Readiness.READY,
            crashed=not running,
            pid=state.process.pid if running else None,
            ports=state.ports,
            version=state.version,
            gds=state.gds,
        )

    def start(self) -> Status:
        """Fetches the server where needed, starts it, and waits until Bolt and HTTP answer.

        Raises:
            ServerError: one sentence with the remedy; ``log`` has the last lines of the server's own log.
                Nothing is left running then.
        """
        check_platform()
        paths.prepare_home(self.home)
        with self._hold_lock():
            self._refuse_running()
            found = java.find_java()
            room = memory.plan(self._memory)
            lib = ensure_jars(self.cache, gds=self.gds, say=self._say)
            chosen = Ports(*ports.choose(self._requested_ports.bolt, self._requested_ports.http))
            conf = render_conf(self.home, chosen, room, lib / PLUGINS if self.gds else None)
            paths.write_private(self.home / "conf" / "neo4j.conf", conf)
            self._set_password()
            self._say(f"Starting Neo4j {version()} in {self.home} ...")
            homes = (f"--home-dir={self.home}", f"--config-dir={self.home / 'conf'}")
            self._launch(java.build_command(found, lib, room.heap, MAIN, homes), chosen, homes[0])
        return self.status()

    def stop(self, timeout: float = 60) -> bool:
        """Stops it, by force when it has not ended within ``timeout`` seconds; whether it ran.

        Raises:
            ServerError: it does not end, is another user's, or is just being started.
        """
        state = read_state(self.home)
        if state is None:
            return False
        with self._hold_lock():
            ran = state.process.alive
            if ran and state.process.end(timeout):
                self._say(f"It did not end within {timeout:.0f} s and was killed; its next start recovers.")
            forget_state(self.home)
        return ran

    def run_admin(self, *arguments: str, heap: int = 512, timeout: float | None = None) -> str:
        """Runs neo4j-admin on this home; see ``tool.run_admin``. Mostly for a stopped server."""
        return tool.run_admin(
            arguments, self.home, heap=heap, timeout=timeout, cache=self.cache, gds=self.gds
        )

    def _require_running(self) -> Status:
        status = self.status()
        if not status.running:
            raise ServerError(f"The server in {self.home} does not run: graphpath neo4j start starts it.")
        return status

    def _refuse_running(self) -> None:
        status = self.status()
        if status.running:
            raise ServerError(
                f"The server in {self.home} runs already (process {status.pid}, {status.uri}); "
                "graphpath neo4j stop stops it."
            )

    def _hold_lock(self) -> AbstractContextManager[None]:
        busy = f"Another graphpath is just starting or stopping the server in {self.home}: wait for it."
        return paths.hold_lock(self.home / "run" / "lock", busy)

    def _check_readiness(self, ports: Ports) -> Readiness:
        return check_readiness(ports.bolt, ports.http, self.password)

    def _set_password(self) -> None:
        """A password of its own before the first start, so that the well-known one never works."""
        if self.password_file.exists():
            return
        staged = self.home / "run" / "password"
        # Hexadecimal: neo4j-admin takes a word that begins with @, - or # for something else.
        paths.write_private(staged, secrets.token_hex(16))
        self.run_admin("dbms", "set-initial-password", f"@{staged}", heap=128, timeout=300)
        # Only now: an interruption before this line sets another one the next time.
        staged.replace(self.password_file)

    def _launch(self, command: Sequence[str], chosen: Ports, mark: str) -> None:
        log = Log.mark(self.home)
        process = spawn(command, tool.build_environment(self.home), console_log(self.home), mark)
        try:
            ServerState(process, chosen, version(), self.gds).write(self.home)
            self._wait(process, chosen, log)
        except BaseException:
            process.end(10)
            forget_state(self.home)
            raise

    def _wait(self, process: Process, chosen: Ports, log: Log) -> None:
        until = time.monotonic() + self._timeout
        while (readiness := self._check_readiness(chosen)) is not Readiness.READY:
            if readiness is Readiness.REFUSED:
                raise ServerError(
                    f"The server refuses the password in {self.password_file}: it was changed in Neo4j; "
                    "write the new one into that file."
                )
            if not process.alive:
                raise ServerError(log.explain(), log.tail())
            if time.monotonic() > until:
                raise ServerError(
                    f"Neo4j did not answer within {self._timeout:.0f} s and was ended: give it longer with "
                    f"--timeout, or look into {self.home / 'logs'}.",
                    log.tail(),
                )
            time.sleep(0.2)
