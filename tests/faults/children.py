"""Command lines in processes that can be killed: forked from one that has imported everything already."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.faults.harness import Wrong

LONGEST = 120.0
"""Seconds after which a command hangs."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.faults.warm"])
_started: list[BaseProcess] = []
"""What ``none_left`` has to end."""


@dataclass
class Child:
    """A command that runs; ``said`` is where it leaves its exit status and what it printed."""

    process: BaseProcess
    said: Path

    def killed_after(self, seconds: float) -> bool:
        """Wait so long, then SIGKILL it. Whether it was still there."""
        self.process.join(seconds)
        alive = self.process.is_alive()
        self.process.kill()
        self.process.join()
        return alive

    def ended(self) -> tuple[int, str]:
        """Its exit status and what it printed, at the end. Raises Wrong where it hangs or crashes."""
        self.process.join(LONGEST)
        if self.process.is_alive():
            self.killed_after(0)
            raise Wrong(f"hangs: {self.said.name}")
        if not self.said.is_file():
            raise Wrong(f"ended with {self.process.exitcode} and said nothing: {self.said.name}")
        status, printed = json.loads(self.said.read_text(encoding="utf-8"))
        self.said.unlink()
        return int(status), str(printed)


@contextmanager
def none_left() -> Iterator[None]:
    """However the block ends, nothing that it started runs on: neither a command nor a process of it."""
    before = len(_started)
    try:
        yield
    finally:
        for process in _started[before:]:
            _end(process)
        del _started[before:]


def _end(process: BaseProcess) -> None:
    """SIGKILL a command and its process group, of which it is the first (see ``warm.run``)."""
    with suppress(ProcessLookupError):
        os.killpg(int(process.pid or 0), signal.SIGKILL)
    process.kill()
    process.join()


def start(words: list[str], said: Path) -> Child:
    """Begin a command line of graphpath, or one of ``tests.faults.warm.OTHERS``."""
    from tests.faults.warm import run

    said.unlink(missing_ok=True)
    process = _context.Process(target=run, args=(words, said))
    process.start()
    _started.append(process)
    return Child(process, said)


def done(words: list[str], said: Path) -> str:
    """What a command prints. Raises Wrong where it is not well."""
    status, printed = start(words, said).ended()
    if status:
        raise Wrong(f"{' '.join(words)}\nended with {status}: {printed}")
    return printed
