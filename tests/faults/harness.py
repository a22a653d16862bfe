"""Loops that do one faulty thing after another and count what came of it.

``prepare(folder)`` of a ``Loop`` makes what all attempts share and returns the attempt, which is called with
a random generator of its own, so that input 4711 of seed 3 can be repeated without the 4,710 before it.
"""

from __future__ import annotations

import signal
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

from graphpath.errors import GraphpathError

OUTCOMES = ("ok", "refused", "traceback", "hang", "wrong")
BAD = ("traceback", "hang", "wrong")
SECONDS = 30.0
"""An attempt that takes longer hangs."""

Attempt = Callable[[np.random.Generator], object]
"""Does one faulty thing: returns where it went well, raises GraphpathError where it was refused."""


class Wrong(AssertionError):
    """An answer that is not the right one, given without a word; or something lost."""


class _Hang(BaseException):
    """Not an Exception, so that nothing under test takes it for one of its own."""


@dataclass(frozen=True)
class Loop:
    """``count`` is how many attempts the short run makes, ``what`` one line for the table.

    An attempt that takes more than ``seconds`` hangs.
    """

    what: str
    prepare: Callable[[Path], Attempt]
    count: int
    seconds: float = SECONDS


@dataclass
class Tally:
    """How often each outcome came, and each bad one with its input's number and what was raised."""

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, number: int, outcome: str, said: str) -> None:
        self.counts[outcome] += 1
        if outcome in BAD:
            self.bad.append((number, outcome, said))


def repeat(loop: Loop, count: int, seed: int, first: int = 0, seconds: float | None = None) -> Tally:
    """``count`` attempts of ``loop``, numbered from ``first``, in a folder that is removed afterwards."""
    tally = Tally()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        attempt = loop.prepare(Path(folder))
        for number in range(first, first + count):
            tally.add(
                number, *outcome(attempt, np.random.default_rng([seed, number]), seconds or loop.seconds)
            )
    return tally


def outcome(attempt: Attempt, random: np.random.Generator, seconds: float = SECONDS) -> tuple[str, str]:
    """One of ``OUTCOMES``, and what was said. A warning that reaches the user is as bad as a traceback."""
    try:
        with _limited(seconds), warnings.catch_warnings():
            warnings.simplefilter("error")
            attempt(random)
    except GraphpathError as error:
        return ("refused", str(error)) if str(error).strip() else ("traceback", f"{error!r} says nothing")
    except Wrong as error:
        return "wrong", str(error)
    except _Hang:
        return "hang", f"more than {seconds:g} s"
    except Exception:
        return "traceback", traceback.format_exc()
    return "ok", ""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def table(tallies: dict[str, tuple[Loop, Tally]]) -> str:
    """The counts as Markdown for tests/README.md, a loop a row."""
    head = ["loop", "what", "inputs", *OUTCOMES]
    rows = [
        [name, loop.what, f"{tally.counts.total():,}", *(f"{tally.counts[o]:,}" for o in OUTCOMES)]
        for name, (loop, tally) in tallies.items()
    ]
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
