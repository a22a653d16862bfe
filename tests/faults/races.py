"""Two identical commands into one place at once: each is well or refused, and the result is the right one."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.children import none_left, start
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random
from tests.faults.verbs import VERBS, check_same, place_for, whole

RACED = ("trace", "attack", "load", "import", "unit")


def _prepare(folder: Path) -> Attempt:
    @none_left()
    def attempt(random: Random) -> None:
        name = RACED[int(random.integers(len(RACED)))]
        right, place = whole(folder, name), place_for(folder, "raced", VERBS[name])
        words = VERBS[name].words(place)
        first = start(words, folder / "said-1")
        time.sleep(float(random.random()) * 0.3)
        ends = [child.ended() for child in (first, start(words, folder / "said-2"))]
        if all(status for status, _ in ends) or any(status > 1 for status, _ in ends):
            raise Wrong(f"{name}: {ends}")
        check_same(VERBS[name], place, right)

    return attempt


LOOPS = {"races": Loop("two identical commands into one place at once", _prepare, 2, 600.0)}
