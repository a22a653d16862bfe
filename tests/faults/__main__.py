"""``python -m tests.faults [NAME...] [--count N] [--seed S] [--first I]``: the long run of the loops."""

from __future__ import annotations

import argparse
import sys

from tests.faults.harness import Tally, repeat, table
from tests.faults.loops import LOOPS


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(LOOPS)}; all by default")
    asked.add_argument(
        "--count", type=int, help="attempts of each; by default as many as the short run makes"
    )
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--first", type=int, default=0, help="the number of the first, to repeat one alone")
    asked.add_argument("--shown", type=int, default=5, help="how many bad ones of each loop to show")
    given = asked.parse_args()
    if unknown := set(given.names) - LOOPS.keys():
        asked.error(f"no loop {', '.join(sorted(unknown))}; there are {', '.join(LOOPS)}")
    told = {}
    for name in given.names or LOOPS:
        tally = repeat(LOOPS[name], given.count or LOOPS[name].count, given.seed, given.first)
        told[name] = LOOPS[name], tally
        _show(name, tally, given.shown)
    sys.stdout.write(table(told) + "\n")
    return any(tally.bad for _, tally in told.values())


def _show(name: str, tally: Tally, most: int) -> None:
    for number, outcome, said in tally.bad[:most]:
        sys.stderr.write(f"{name} {number}: {outcome}\n{said}\n")


if __name__ == "__main__":
    sys.exit(main())
