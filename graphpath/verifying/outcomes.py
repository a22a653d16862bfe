"""What the network says of the images, untouched and ablated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from graphpath.verifying.controls import NULLS
from graphpath.verifying.statistics import Floats, Interval, bootstrap, p_value, wilson

MEASURES: Final = ("logit", "confidence", "flipped", "accuracy")
ANSWER: Final = "answer"


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of each image (N,): the target's logit and softmax, the class predicted, and how much was ablated."""

    logit: Floats
    confidence: Floats
    predicted: npt.NDArray[np.int64]
    size: Floats

    @classmethod
    def of(cls, logits: Tensor, target: Tensor, size: Tensor) -> Outcome:
        """From logits (N, classes) and targets (N,); ``size`` (N or 1,)."""
        logits, at = logits.double(), target[:, None]
        found = (logits.gather(1, at)[:, 0], logits.softmax(1).gather(1, at)[:, 0], logits.argmax(1))
        each = size.expand(len(logits)).double()
        return cls(*(column.cpu().numpy() for column in (*found, each)))

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Those of all batches, one after the other."""
        columns = zip(*((p.logit, p.confidence, p.predicted, p.size) for p in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Of N images: untouched, with the answer ablated, and with each draw of each control.

    ``labels`` (N,), -1 for none.
    """

    clean: Outcome
    answer: Outcome
    controls: dict[str, tuple[Outcome, ...]]
    labels: npt.NDArray[np.int64]

    @property
    def images(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def measures(self) -> tuple[str, ...]:
        """Those that can be had: accuracy needs labels."""
        return MEASURES if bool((self.labels >= 0).all()) else MEASURES[:-1]

    def change(self, ablated: Outcome, measure: str) -> Floats:
        """What ablating changes for each image (N,), after less before; of "flipped" 1 or 0."""
        if measure == "flipped":
            return np.asarray(ablated.predicted != self.clean.predicted, dtype=np.float64)
        if measure == "accuracy":
            right = [(one.predicted == self.labels).astype(np.float64) for one in (ablated, self.clean)]
            return np.asarray(right[0] - right[1])
        return np.asarray(getattr(ablated, measure) - getattr(self.clean, measure))

    def interval(self, change: Floats, measure: str, seed: int) -> Interval:
        """The 95 % interval of the mean of changes (N,)."""
        if measure == "flipped" and set(np.unique(change)) <= {0.0, 1.0}:
            return wilson(int(change.sum()), self.images)
        return bootstrap(change, seed)


@dataclass(frozen=True)
class Row:
    """One line of a verdict's table.

    ``change`` is the mean change of the measure over images, and of a control over its draws, with its 95 %
    interval; ``size`` the mean number of neurons or edges. The ``p`` of a control that is a null is the share
    of draws that change the measure as much as the answer does, or where sets are kept as little, by the mean
    absolute change, and ``more`` by how much more (kept: less) the answer does, with its interval.
    """

    set: str
    measure: str
    size: float
    change: float
    low: float
    high: float
    p: float = float("nan")
    more: float = float("nan")
    more_low: float = float("nan")
    more_high: float = float("nan")


def tabled(outcomes: Outcomes, mode: str, seed: int) -> pd.DataFrame:
    """The table of a verdict: a :class:`Row` for each set and measure."""
    rows = [_answered(outcomes, measure, seed) for measure in outcomes.measures]
    for control in outcomes.controls:
        rows += [_held_against(outcomes, control, measure, mode, seed) for measure in outcomes.measures]
    return pd.DataFrame([vars(row) for row in rows])


def _answered(outcomes: Outcomes, measure: str, seed: int) -> Row:
    change = outcomes.change(outcomes.answer, measure)
    interval = outcomes.interval(change, measure, seed)
    return Row(ANSWER, measure, float(outcomes.answer.size.mean()), float(change.mean()), *interval)


def _held_against(outcomes: Outcomes, control: str, measure: str, mode: str, seed: int) -> Row:
    draws = outcomes.controls[control]
    change = np.stack([outcomes.change(draw, measure) for draw in draws])  # (draws, N)
    answer = np.abs(outcomes.change(outcomes.answer, measure))
    kept = mode == "keep"
    drawn = np.abs(change).mean(1)
    p = p_value(float(answer.mean()), drawn, less=kept) if control in NULLS else float("nan")
    more = (answer - np.abs(change).mean(0)) * (-1 if kept else 1)
    size = float(np.mean([draw.size.mean() for draw in draws]))
    mean = change.mean(0)
    return Row(
        control,
        measure,
        size,
        float(mean.mean()),
        *outcomes.interval(mean, measure, seed),
        p,
        float(more.mean()),
        *bootstrap(more, seed),
    )
