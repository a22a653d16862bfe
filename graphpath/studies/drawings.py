"""A claim's figure: the quantity and its controls, by layer or at once, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graphpath.report.figures import Curve, Point, draw_curves, draw_forest
from graphpath.studies.conditions import ALL_LAYERS, LEFT_OUT, MEASURED, RANDOM, TRAINED
from graphpath.studies.intervals import interval
from graphpath.studies.study import Claim
from graphpath.studies.verdicts import group_by_condition

if TYPE_CHECKING:
    import pandas as pd


def draw_claim(claim: Claim, effects: pd.DataFrame) -> str:
    """The quantity of a claim with its controls, from the rows of ``verdicts.select_conditions``."""
    grid = group_by_condition(effects, claim.quantity)
    shown = [MEASURED, *claim.controls, *claim.beside]
    wanted = {name: grid[name] for name in shown if name in grid}
    known = effects[(effects.quantity == claim.quantity) & (effects.condition != LEFT_OUT)]
    names = known.drop_duplicates("layer").sort_values("layer")
    steps = [(int(layer), str(name)) for layer, name in zip(names.layer, names["name"], strict=True)]
    label = claim.unit or claim.quantity
    if [layer for layer, _ in steps] == [ALL_LAYERS]:
        return draw_forest(
            {name: make_point(frame[ALL_LAYERS]) for name, frame in wanted.items()},
            null=claim.null,
            label=label,
        )
    lines = {
        name: {layer: make_point(frame[layer]) for layer, _ in steps if layer in frame}
        for name, frame in wanted.items()
    }
    return draw_curves(steps, lines, null=claim.null, label=label)


def draw_lines_over(
    table: pd.DataFrame, step: str, line: str, value: str, *, null: float | None = None, label: str = ""
) -> str:
    """``value`` of the trained networks over the steps in the column ``step``, a line for each in ``line``.

    Every line's points are means over seeds (of each seed's mean), with their intervals.
    """
    own = table[table.network == TRAINED]
    known = sorted(own[step].unique())
    drawn: dict[str, Curve] = {
        str(name): {
            order: make_point(_mean_by_seed(some[some[step] == at], value)) for order, at in enumerate(known)
        }
        for name, some in own.groupby(line, sort=False)
    }
    return draw_curves([(order, f"{at:g}") for order, at in enumerate(known)], drawn, null=null, label=label)


def make_points(
    table: pd.DataFrame, column: str, value: str, *, null: float | None = None, label: str = ""
) -> str:
    """``value`` of the trained networks for each in ``column``, with intervals over seeds."""
    own = table[table.network == TRAINED]
    found = {
        str(name): make_point(_mean_by_seed(some, value)) for name, some in own.groupby(column, sort=False)
    }
    return draw_forest(found, null=null, strong=1, label=label)


def make_point(values: Sequence[float] | pd.Series) -> Point:
    """The mean of a value a seed, with its interval."""
    found = interval([float(value) for value in values])
    return Point(found.mean, found.low, found.high)


def _mean_by_seed(some: pd.DataFrame, value: str) -> list[float]:
    return [float(mean) for mean in some.groupby("seed")[value].mean()]


def describe_controls(grid: Mapping[str, object]) -> str:
    """What the controls are, in a sentence."""
    descriptions = {
        RANDOM: "the same networks with their weights drawn anew",
        "shuffled labels": "class labels dealt to other images",
        "active area": "maps ranked by how much of them is not zero",
    }
    known = [f"{name} ({descriptions[name]})" for name in grid if name in descriptions]
    return f"Controls: {', '.join(known)}." if known else ""
