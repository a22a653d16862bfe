"""A row of the table: what was simulated, how often it was so, and how often it may be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

COVERED = (0.90, 0.99)
"""How often an interval that is said to be of 95 % may hold the truth."""
SIMULTANEOUS = (0.90, 1.0)
"""The same where one interval must do for the least of many layers, whichever that is: it may hold more."""
SELDOM = (0.90, 1.0)
"""The same where fewer than five of the images are expected to change: hardly any interval can miss."""
WRONG = (0.0, 0.05)
"""How often a verdict may be wrong."""


@dataclass(frozen=True)
class Row:
    """A share of simulated cases, and the bounds that it has to lie within."""

    part: str
    what: str
    setting: str
    share: float
    rounds: int
    bounds: tuple[float, float]

    @property
    def good(self) -> bool:
        """Whether the share is within bounds, as far as so many rounds can tell (three standard errors)."""
        low, high = self.bounds
        return low - self.slack(low) <= self.share <= high + self.slack(high)

    def slack(self, bound: float) -> float:
        """Three standard errors of a share that is ``bound`` in truth."""
        return 3 * float(np.sqrt(bound * (1 - bound) / self.rounds))


def covered(
    part: str, what: str, setting: str, hits: np.ndarray, bounds: tuple[float, float] = COVERED
) -> Row:
    """A row of coverage: ``hits`` says of each round whether the interval held the truth."""
    return Row(part, what, setting, float(np.mean(hits)), len(hits), bounds)


def wrong(part: str, what: str, setting: str, errors: np.ndarray) -> Row:
    """A row of error rates: ``errors`` says of each round whether the verdict was wrong."""
    return Row(part, what, setting, float(np.mean(errors)), len(errors), WRONG)


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown, those of one part, kind and bounds in a line: least and largest share."""
    lines = ["| part | what | settings | least | largest | may be |", "|---|---|---|---:|---:|---|"]
    groups: dict[tuple[str, str, tuple[float, float]], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.part, row.what, row.bounds), []).append(row)
    for (part, what, (low, high)), some in groups.items():
        least, most = (extreme(some, key=lambda row: row.share) for extreme in (min, max))
        told = f"{len(some)}, of {some[0].rounds:,} rounds" if len(some) > 1 else some[0].setting
        ends = [f"{one.share:.3f}" + (f" ({one.setting})" if len(some) > 1 else "") for one in (least, most)]
        lines.append(f"| {part} | {what} | {told} | {ends[0]} | {ends[1]} | {low:g} to {high:g} |")
    return "\n".join(lines) + "\n"
