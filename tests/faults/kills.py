"""SIGKILL at a random moment of every verb that writes; then the same command again makes it whole."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.children import done, start
from tests.faults.harness import Attempt, Loop
from tests.faults.mutate import Random
from tests.faults.verbs import VERBS, check_same, make_inputs, place_for


def _prepare(folder: Path) -> Attempt:
    make_inputs(folder)
    names = list(VERBS)
    taken: dict[str, float] = {}

    def undisturbed(name: str) -> float:
        """How long the verb takes alone; its result stays in whole-NAME."""
        if name not in taken:
            verb, began = VERBS[name], time.monotonic()
            done(verb.words(place_for(folder, f"whole-{name}", verb)), folder / "said")
            taken[name] = time.monotonic() - began
        return taken[name]

    def attempt(random: Random) -> None:
        name = names[int(random.integers(len(names)))]
        verb, longest = VERBS[name], undisturbed(name)
        place = place_for(folder, "killed", verb)
        words = verb.words(place)
        for _ in range(1 + int(random.integers(2))):
            start(words, folder / "said").killed_after(float(random.random()) * longest)
        done(words, folder / "said")
        check_same(verb, place, folder / f"whole-{name}")

    return attempt


LOOPS = {
    "kills": Loop("SIGKILL at random moments of verbs that write, and the same command again", _prepare, 4)
}
