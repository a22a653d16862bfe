"""The table of all coverages and error rates.

python -m tests.calibration [--rounds N] [--seed N] [--write]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import numpy as np

from tests.calibration import chance, detecting, studies, verifying
from tests.calibration.results import Row, table
from tests.documents import CHECKOUT, write

Rows = Callable[[np.random.Generator, int], Iterator[Row]]
PARTS: dict[str, tuple[Rows, int]] = {
    "verify": (verifying.rows, 4),
    "studies": (studies.rows, 1),
    "detect": (detecting.rows, 1),
    "significance": (chance.rows, 4),
}
"""By part, its simulation, and of how many rounds it runs one: some are dear."""
MARKS = ("<!-- calibration -->\n", "<!-- end of calibration -->")
DOCUMENT = CHECKOUT / "tests" / "README.md"
ROUNDS = 1000


def found(rounds: int, seed: int) -> list[Row]:
    """The rows of every part."""
    return [
        row
        for number, (rows, dear) in enumerate(PARTS.values())
        for row in rows(np.random.default_rng([seed, number]), max(10, rounds // dear))
    ]


def main() -> int:
    """Print the table; 1 where a row is out of bounds."""
    asked = argparse.ArgumentParser(prog="python -m tests.calibration", description=__doc__)
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--write", action="store_true", help="put the table into tests/README.md")
    given = asked.parse_args()
    rows = found(given.rounds, given.seed)
    made = table(rows)
    print(made)
    for row in (row for row in rows if not row.good):
        print(f"out of bounds: {row.part}, {row.what}, {row.setting}: {row.share:.3f}")
    if given.write:
        write(made, DOCUMENT, MARKS)
    return int(not all(row.good for row in rows))


if __name__ == "__main__":
    sys.exit(main())
