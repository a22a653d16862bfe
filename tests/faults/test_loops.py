"""A short run of every loop: nothing but answers and refusals. ``python -m tests.faults`` runs them long."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from graphpath.errors import DataError
from tests.faults.children import none_left, start
from tests.faults.harness import Loop, Wrong, outcome, repeat, table
from tests.faults.loops import LOOPS

SEED = 0


@pytest.mark.parametrize("name", LOOPS)
def test_nothing_but_answers_and_refusals(name: str) -> None:
    tally = repeat(LOOPS[name], LOOPS[name].count, SEED)
    assert not tally.bad, "\n".join(f"{name} {n}: {came}\n{said}" for n, came, said in tally.bad[:3])


def test_each_outcome_is_told_from_the_others() -> None:
    def raising(error: BaseException) -> str:
        def attempt(_: np.random.Generator) -> None:
            raise error

        return outcome(attempt, np.random.default_rng(0))[0]

    assert raising(DataError("a.png: not an image")) == "refused"
    assert raising(DataError(" ")) == "traceback"
    assert raising(KeyError("shape")) == raising(UserWarning("noise")) == "traceback"
    assert raising(Wrong("3 of 4 rows")) == "wrong"
    assert outcome(lambda _: None, np.random.default_rng(0))[0] == "ok"
    assert outcome(lambda _: time.sleep(5), np.random.default_rng(0), seconds=0.05)[0] == "hang"


def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Else it would write on beside the next attempt."""
    numbers = tmp_path / "numbers"

    @none_left()
    def hanging(_: np.random.Generator) -> None:
        child = start(["hang", str(numbers)], tmp_path / "said")
        while not numbers.is_file() or " " not in numbers.read_text(encoding="utf-8"):
            time.sleep(0.01)
        signal.setitimer(signal.ITIMER_REAL, 0.05)  # the attempt's time is over
        child.ended()

    assert outcome(hanging, np.random.default_rng(0), seconds=60)[0] == "hang"
    for number in numbers.read_text(encoding="utf-8").split():
        assert not _runs(int(number))


def _runs(number: int) -> bool:
    """Whether a process runs; one that ended and was not asked for yet does not."""
    status = Path(f"/proc/{number}/stat")
    if status.is_file() and ") Z " in status.read_text(encoding="utf-8"):
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_input_can_be_repeated_alone() -> None:
    drawn: list[float] = []
    loop = Loop("draws", lambda _: lambda random: drawn.append(float(random.random())), 0)
    repeat(loop, 5, seed=7)
    repeat(loop, 1, seed=7, first=3)
    assert drawn[5] == drawn[3]


def test_the_table_has_a_row_a_loop(tmp_path: Path) -> None:
    def refused(_: np.random.Generator) -> None:
        raise DataError("no")

    loop = Loop("says no", lambda _: refused, 2)
    row = table({"no": (loop, repeat(loop, 2, 0))}).splitlines()[2]
    assert row == "| no | says no | 2 | 0 | 2 | 0 | 0 | 0 |"
