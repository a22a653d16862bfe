"""From a quantity measured with several seeds to a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphpath.studies.conditions import LEFT_OUT, MEASURED, RANDOM, SEED, TRAINED
from graphpath.studies.intervals import (
    Floats,
    Interval,
    describe_seeds,
    format_number,
    least_layer,
    least_layer_bounds,
)
from graphpath.studies.study import Claim, Study

if TYPE_CHECKING:
    import pandas as pd

HOLDS, FAILS, UNSURE = "holds", "does not hold here", "cannot tell"
Grid = Mapping[str, "pd.DataFrame"]
"""By condition, the values of a quantity: a row a seed, a column a layer."""


@dataclass(frozen=True)
class ClaimVerdict:
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
    over: str = SEED
    """What the seeds are."""


def select_conditions(effects: pd.DataFrame) -> pd.DataFrame:
    """The effects that claims are judged by: the trained networks', and the random ones' as a control.

    The controls of a network with random weights (its shuffled labels, say) are no control of anything.
    """
    random = (effects.network == RANDOM) & (effects.condition == MEASURED)
    return effects[(effects.network == TRAINED) | random].assign(
        condition=effects.condition.where(~random, RANDOM)
    )


def judge(claim: Claim, effects: pd.DataFrame, part: str = "", over: str = SEED) -> ClaimVerdict:
    """The verdict on a claim, by the rows of :func:`select_conditions` (one part's, all seeds').

    The quantity is compared with null, and seed by seed with every control. A claim about every layer holds
    if each layer's own interval lies above, in every comparison. It does not hold where one layer's interval,
    corrected for the number of layers and comparisons, lies wholly at or below. ``intervals.least_layer``
    gives both ends. Otherwise one cannot tell. A claim about the layers' mean is judged in the same way, as
    one layer. Layers of the condition ``LEFT_OUT`` are left out, and named.
    """
    grid = group_by_condition(effects, claim.quantity)
    names = _list_names(effects[effects.quantity == claim.quantity])
    compared = _subtract_controls(claim, grid)
    found, *leads = (least_layer(values, len(compared)) for values in compared.values())
    ahead = dict(zip(claim.controls, leads, strict=True))
    own = Interval(found.mean - claim.null, found.low - claim.null, found.high - claim.null, found.seeds)
    word = choose_word([own, *leads])
    seeds = describe_seeds(found.seeds, over)
    why = _explain(claim, found, ahead, grid, names, seeds) + _describe_failures(
        claim, word, compared, grid, names
    )
    return ClaimVerdict(
        claim.text, part, word, found.mean, found.low, found.high, claim.null, found.seeds, why, over
    )


def choose_word(leads: Sequence[Interval]) -> str:
    """The verdict, from how far the quantity lies above null and above each control."""
    if all(lead.low > 0 for lead in leads):
        return HOLDS
    return FAILS if any(lead.high <= 0 for lead in leads) else UNSURE


def group_by_condition(effects: pd.DataFrame, quantity: str) -> Grid:
    """By condition, the values of a quantity: a row a seed, a column a layer. ``LEFT_OUT`` layers are out of
    all others."""
    chosen = effects[effects.quantity == quantity]
    out = chosen.condition == LEFT_OUT
    judged = chosen[~chosen.layer.isin(chosen[out].layer)]
    return {
        str(condition): some.pivot_table(
            index="seed", columns="layer", values="value", aggfunc="mean", dropna=False
        )
        for condition, some in judged.groupby("condition", sort=False)
    }


def make_table(study: Study, effects: pd.DataFrame) -> pd.DataFrame:
    """The verdicts on all claims of a study: a row for each claim and part."""
    import pandas as pd

    judged = select_conditions(effects)
    found = [
        judge(claim, judged[judged.part == part], part, study.over)
        for part in study.parts
        for claim in study.claims
    ]
    return pd.DataFrame([{"study": study.name, **asdict(one)} for one in found])


def _subtract_controls(claim: Claim, grid: Grid) -> dict[str, Floats]:
    """What must exceed null ("", the quantity itself) or 0 (its lead over a control): (seeds, layers)."""
    nothing = np.empty((0, 0))
    if MEASURED not in grid:
        return dict.fromkeys(("", *claim.controls), nothing)
    own = grid[MEASURED]
    found = {"": _join_layers(claim, own)}
    for control in claim.controls:
        found[control] = _join_layers(claim, own - grid[control]) if control in grid else nothing
    return found


def _join_layers(claim: Claim, values: pd.DataFrame) -> Floats:
    """A column a layer, or one of the layers' mean. NaN stays NaN."""
    array: Floats = values.to_numpy(float)
    return array if claim.over == "every" else array.mean(1, keepdims=True)


def _list_names(rows: pd.DataFrame) -> dict[str, dict[int, str]]:
    """By condition, the layers' names."""
    return {
        str(condition): dict(zip(some.layer, some["name"], strict=True))
        for condition, some in rows.groupby("condition", sort=False)
    }


def _explain(
    claim: Claim,
    found: Interval,
    ahead: Mapping[str, Interval],
    grid: Grid,
    names: Mapping[str, Mapping[int, str]],
    seeds: str,
) -> str:
    """The sentence that says what the verdict rests on."""
    if not found.seeds:
        return "It was not measured."
    where = _describe_lowest(claim, grid[MEASURED], names[MEASURED])
    said = [f"{found} over {seeds}{where}, against {format_number(claim.null)} for no effect"]
    said += [f"{_describe_relation(lead)} {control} (by {lead})" for control, lead in ahead.items()]
    if left := names.get(LEFT_OUT):
        said.append(
            f"{', '.join(left.values())} left out, where it cannot but be {format_number(claim.null)}"
        )
    return "; ".join(said) + "."


def _describe_lowest(claim: Claim, values: pd.DataFrame, names: Mapping[int, str]) -> str:
    """Which layers the number is about."""
    many = values.shape[1]
    if many == 1:
        return ""
    if claim.over == "mean":
        return f" on the mean of its {claim.layers}"
    means = values.mean().to_numpy()
    lowest = "" if np.isnan(means).all() else f" in {names[int(values.columns[int(np.nanargmin(means))])]},"
    return f"{lowest} the lowest of its {many} {claim.layers}"


def _describe_failures(
    claim: Claim,
    word: str,
    compared: Mapping[str, Floats],
    grid: Grid,
    names: Mapping[str, Mapping[int, str]],
) -> str:
    """The layers in which a claim about every layer does not hold."""
    if word != FAILS or claim.over == "mean" or grid[MEASURED].shape[1] == 1:
        return ""
    layers, found = [int(layer) for layer in grid[MEASURED].columns], dict[str, None]()
    for control, values in compared.items():
        # Each layer alone, with the correction for all of them.
        alone = values.T[:, :, None]
        high = least_layer_bounds(alone, len(layers) * len(compared))[2] if values.size else np.empty(0)
        below = np.flatnonzero(high <= (0 if control else claim.null))
        found |= dict.fromkeys(names[MEASURED][layers[place]] for place in below)
    return f" Not so in {', '.join(found)}."


def _describe_relation(lead: Interval) -> str:
    if math.isnan(lead.low):
        return "not to be compared with"
    if lead.low > 0:
        return "above"
    return "no more than" if lead.high <= 0 else "not distinguished from"
