"""SIGKILL at a random moment of every verb that writes; then the same command again makes it whole."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.children import done, none_left, start
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random
from tests.faults.verbs import VERBS, check_same, place_for, whole


def _prepare(folder: Path) -> Attempt:
    names = list(VERBS)
    taken: dict[str, float] = {}

    def longest(name: str) -> float:
        """Seconds that the verb takes alone."""
        if name not in taken:
            right, began = whole(folder, name), time.monotonic()
            done(VERBS[name].words(place_for(folder, right.name, VERBS[name])), folder / "said")
            taken[name] = time.monotonic() - began
        return taken[name]

    @none_left()
    def attempt(random: Random) -> None:
        name = names[int(random.integers(len(names)))]
        verb, seconds = VERBS[name], longest(name)
        place = place_for(folder, "killed", verb)
        words = verb.words(place)
        for _ in range(1 + int(random.integers(2))):
            start(words, folder / "said").killed_after(float(random.random()) * seconds)
        status, printed = start(words, folder / "said").ended()
        if status and not (name == "delete" and "holds no run" in printed):  # deleted before the kill
            raise Wrong(f"{name} ended with {status}: {printed}")
        check_same(verb, place, whole(folder, name))

    return attempt


LOOPS = {"kills": Loop("SIGKILL at a random moment of a verb that writes, then it again", _prepare, 3, 600.0)}
