"""From a quantity measured with several seeds to a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphpath.studies.conditions import MEASURED, RANDOM, TRAINED
from graphpath.studies.study import Claim, Study

if TYPE_CHECKING:
    import pandas as pd

HOLDS, FAILS, UNSURE = "holds", "does not hold here", "cannot tell"
LEVEL = 0.95
OVER = {"worst": "in the worst", "mean": "on the mean"}


@dataclass(frozen=True)
class Interval:
    """The mean over seeds, and Student's interval about it: NaN ends where there is one seed only."""

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        ends = "" if math.isnan(self.low) else f" [{number(self.low)}, {number(self.high)}]"
        return f"{number(self.mean)}{ends}"


@dataclass(frozen=True)
class Verdict:
    """What is said of one claim. ``effect``, ``low`` and ``high`` are of the quantity itself."""

    claim: str
    part: str
    verdict: str
    effect: float
    low: float
    high: float
    null: float
    seeds: int
    why: str


def interval(values: Sequence[float] | np.ndarray) -> Interval:
    """The mean with its 95 % interval, from Student's t with n - 1 degrees of freedom.

    A value that is NaN makes all of it NaN: a seed that could not be measured is not left out in silence.
    """
    from scipy import stats

    known = np.asarray(values, float)
    if len(known) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(known.mean())
    if len(known) == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    return Interval(mean, mean - half, mean + half, len(known))


def conditions(effects: pd.DataFrame) -> pd.DataFrame:
    """The effects that claims are judged by: the trained networks', and the random ones' as a control.

    The controls of a network with random weights (its shuffled labels, say) are no control of anything.
    """
    random = (effects.network == RANDOM) & (effects.condition == MEASURED)
    return effects[(effects.network == TRAINED) | random].assign(
        condition=effects.condition.where(~random, RANDOM)
    )


def judge(claim: Claim, effects: pd.DataFrame, part: str = "") -> Verdict:
    """The verdict on a claim, by the rows of :func:`conditions` (one part's, all seeds').

    It holds if the interval of the quantity lies above null and that of its difference from every control,
    taken seed by seed, above 0; it does not if one of them lies wholly at or below; else one cannot tell.
    """
    grid = by_condition(effects, claim.quantity)
    own = _together(claim, grid.get(MEASURED))
    found = interval(own)
    ahead = {"": interval(own - claim.null)}
    ahead |= {control: _lead(claim, grid, control) for control in claim.controls}
    word = _word(list(ahead.values()))
    why = _why(claim, found, ahead, grid)
    return Verdict(claim.text, part, word, found.mean, found.low, found.high, claim.null, found.seeds, why)


def by_condition(effects: pd.DataFrame, quantity: str) -> dict[str, pd.DataFrame]:
    """By condition, the values of a quantity: a row a seed, a column a layer."""
    chosen = effects[effects.quantity == quantity]
    return {
        str(condition): some.pivot_table(
            index="seed", columns="layer", values="value", aggfunc="mean", dropna=False
        )
        for condition, some in chosen.groupby("condition", sort=False)
    }


def table(study: Study, effects: pd.DataFrame) -> pd.DataFrame:
    """The verdicts on all claims of a study: a row for each claim and part."""
    import pandas as pd

    judged = conditions(effects)
    found = [
        judge(claim, judged[judged.part == part], part) for part in study.parts for claim in study.claims
    ]
    return pd.DataFrame([{"study": study.name, **asdict(one)} for one in found])


def _together(claim: Claim, values: pd.DataFrame | None) -> np.ndarray:
    """A value a seed: of the worst layer, or the layers' mean. NaN stays NaN."""
    if values is None:
        return np.empty(0)
    array = values.to_numpy(float)
    result: np.ndarray = array.min(1) if claim.over == "worst" else array.mean(1)
    return result


def _lead(claim: Claim, grid: dict[str, pd.DataFrame], control: str) -> Interval:
    if MEASURED not in grid or control not in grid:
        return interval([])
    return interval(_together(claim, grid[MEASURED] - grid[control]))


def _word(leads: Sequence[Interval]) -> str:
    if all(lead.low > 0 for lead in leads):
        return HOLDS
    return FAILS if any(lead.high <= 0 for lead in leads) else UNSURE


def _why(claim: Claim, found: Interval, ahead: dict[str, Interval], grid: dict[str, pd.DataFrame]) -> str:
    """The sentence that says what the verdict rests on."""
    if not found.seeds:
        return "It was not measured."
    many = grid[MEASURED].shape[1] > 1
    where = f" {OVER[claim.over]} of its {claim.layers}" if many else ""
    said = [f"{found} over {seeded(found.seeds)}{where}, against {number(claim.null)} for no effect"]
    for control, lead in ahead.items():
        if control:
            said.append(f"{_relation(lead)} {control} (by {lead})")
    return "; ".join(said) + "."


def _relation(lead: Interval) -> str:
    if math.isnan(lead.low):
        return "not to be compared with"
    if lead.low > 0:
        return "above"
    return "no more than" if lead.high <= 0 else "not told apart from"


def seeded(count: int) -> str:
    """How many seeds, in words."""
    return "1 seed" if count == 1 else f"{count} seeds"


def number(value: float) -> str:
    """Three digits, or a dash where it is not known."""
    return "–" if math.isnan(value) else f"{value:.3g}"
