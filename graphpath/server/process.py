"""One process of ours: started apart from this one, recognised again, ended.

A pid alone proves nothing: after a crash or a restart of the machine it may be anyone's. A process is ours
when it began at the recorded moment and its command line names our home.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphpath.errors import ServerError

STATE, THREADS, STARTED = 0, 17, 19
"""Fields of /proc/PID/stat behind the process's name: proc(5) numbers them from 3."""


@dataclass(frozen=True)
class Process:
    """A process by its number, the moment at which it began (opaque), and a word of its command line."""

    pid: int
    began: str
    mark: str

    @property
    def alive(self) -> bool:
        """Whether this very process runs still (a zombie does not), with all it holds: ports, files."""
        _reap(self.pid)
        if not self.began or read_start(self.pid) != self.began:
            return False
        words = read_command_line(self.pid)
        # One that was killed loses its memory first, its command line with it, and its ports last.
        return self.mark in words or not any(words)

    def end(self, timeout: float) -> bool:
        """Asks it to end, and kills it when it has not within ``timeout`` seconds; whether that was needed.

        Raises:
            ServerError: it is there still, or belongs to another user.
        """
        self._signal(signal.SIGTERM)
        if self._wait_until_gone(timeout):
            return False
        self._signal(signal.SIGKILL)
        if not self._wait_until_gone(10):
            raise ServerError(f"Process {self.pid} does not end, even killed: it waits for a disk, maybe.")
        return True

    def _signal(self, number: signal.Signals) -> None:
        if not self.alive:
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise ServerError(f"Process {self.pid} is another user's: end it as that user.") from error

    def _wait_until_gone(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while self.alive:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True


def spawn(command: Sequence[str], environment: Mapping[str, str], log: Path, mark: str) -> Process:
    """Starts ``command`` in a session of its own, its output into ``log`` (made new, mode 0600).

    Raises:
        ServerError: it cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        pid = os.posix_spawn(command[0], list(command), dict(environment), file_actions=actions, setsid=True)
    except OSError as error:
        raise ServerError(f"{command[0]} cannot be started ({error.strerror}).") from error
    return Process(pid, read_start(pid) or "", mark)


def read_start(pid: int) -> str | None:
    """When process ``pid`` began, in words that no later one of that number has; None if there is none."""
    try:
        fields = _read_stat(pid)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _run_ps(pid, "lstart=")
    return None if fields[STATE] in "ZX" and not _is_ending(pid) else f"{boot}/{fields[STARTED]}"


def read_command_line(pid: int) -> list[str]:
    """The words of the command line of process ``pid``; empty if there is none."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return [] if Path("/proc/self/stat").exists() else (_run_ps(pid, "command=") or "").split()
    return text.split("\0")


def _read_stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the process's name."""
    # The name, in parentheses, may hold anything.
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _is_ending(pid: int) -> bool:
    """Whether the first thread of ``pid`` has ended and others have not yet: they keep its ports open."""
    try:
        fields = _read_stat(pid)
    except OSError:
        return False
    return fields[STATE] == "Z" and int(fields[THREADS]) > 1


def _run_ps(pid: int, column: str) -> str | None:
    """What ``ps`` says, where there is no /proc (macOS)."""
    done = subprocess.run(  # noqa: S603 - a fixed program and a number
        ["/bin/ps", "-ww", "-o", "state=", "-o", column, "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, said = done.stdout.strip().partition(" ")
    return said.strip() if said and not state.startswith("Z") else None


def _reap(pid: int) -> None:
    """A server that this very process started stays behind as a zombie until it is waited for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
