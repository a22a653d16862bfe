"""The network's outputs for the images, untouched and ablated, and how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from graphpath.shares import Interval
from graphpath.verifying.controls import NULLS
from graphpath.verifying.estimates import (
    Estimate,
    Floats,
    bounded_interval,
    difference_interval,
    estimate_over_draws,
    estimate_over_images,
    share_interval,
    student_interval,
)
from graphpath.verifying.statistics import p_value

MEASURES: Final = ("logit", "confidence", "flipped", "accuracy")
COUNTED: Final = MEASURES[2:]
"""The measures that are shares of the images."""
ANSWER: Final = "answer"


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of each image (N,): the target's logit and softmax, the class predicted, and how much was ablated."""

    logit: Floats
    confidence: Floats
    predicted: npt.NDArray[np.int64]
    size: Floats

    @classmethod
    def from_logits(cls, logits: Tensor, target: Tensor, size: Tensor) -> Outcome:
        """From logits (N, classes) and targets (N,); ``size`` (N or 1,)."""
        logits, at = logits.double(), target[:, None]
        found = (logits.gather(1, at)[:, 0], logits.softmax(1).gather(1, at)[:, 0], logits.argmax(1))
        each = size.expand(len(logits)).double()
        return cls(*(column.cpu().numpy() for column in (*found, each)))

    @classmethod
    def join(cls, parts: Sequence[Outcome]) -> Outcome:
        """The outcomes of all batches, concatenated."""
        columns = zip(*((p.logit, p.confidence, p.predicted, p.size) for p in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Of N images: untouched, with the answer ablated, and with each draw of each control.

    ``labels`` (N,), -1 for none. ``shared`` says that a draw is the same for all images, as the answer is.
    """

    clean: Outcome
    answer: Outcome
    controls: dict[str, tuple[Outcome, ...]]
    labels: npt.NDArray[np.int64]
    shared: bool

    @property
    def images(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that can be computed: accuracy needs labels."""
        return MEASURES if bool((self.labels >= 0).all()) else MEASURES[:-1]

    def change(self, ablated: Outcome, measure: str) -> Floats:
        """The change by ablation for each image (N,), after less before; of "flipped" 1 or 0."""
        if measure == "flipped":
            return np.asarray(ablated.predicted != self.clean.predicted, dtype=np.float64)
        if measure == "accuracy":
            return self.mark_right(ablated) - self.mark_right(self.clean)
        return np.asarray(getattr(ablated, measure) - getattr(self.clean, measure))

    def mark_right(self, outcome: Outcome) -> Floats:
        """Which images are classified as labelled (N,): 1 or 0."""
        return np.asarray(outcome.predicted == self.labels, dtype=np.float64)

    def estimate(self, values: Floats) -> Estimate:
        """The mean of values (N,), or of those of draws (draws, N), and how far off it may be."""
        if values.ndim == 1:
            return estimate_over_images(values)
        return estimate_over_draws(values) if self.shared else estimate_over_images(values.mean(0))

    def interval(self, change: Floats, ablated: Sequence[Outcome], measure: str) -> Interval:
        """The 95 % interval of the mean of changes (N,) or (draws, N), which are those of ``ablated``."""
        if measure == "flipped":
            return share_interval(self.estimate(change))
        if measure == "accuracy":
            after = np.stack([self.mark_right(one) for one in ablated]).reshape(change.shape)
            return difference_interval(
                self.estimate(after), estimate_over_images(self.mark_right(self.clean))
            )
        if measure == "confidence":
            return bounded_interval(*(self.estimate(np.maximum(sign * change, 0.0)) for sign in (1, -1)))
        return student_interval(self.estimate(change))

    def interval_of_more(self, answer: Floats, drawn: Floats, measure: str, *, kept: bool) -> Interval:
        """The 95 % interval of how much larger the answer's changes (N,) are than those of draws (draws, N),
        or how much smaller where sets are ``kept``; no change is below 0.
        """
        if measure not in COUNTED:
            return student_interval(self.estimate((drawn - answer) if kept else (answer - drawn)))
        pair = (self.estimate(answer), self.estimate(drawn))
        return difference_interval(*(reversed(pair) if kept else pair))


@dataclass(frozen=True)
class Row:
    """One line of a verdict's table.

    ``change`` is the mean change of the measure over images, and of a control over its draws, with its 95 %
    interval, as of other images and other draws; ``size`` the mean number of neurons or edges. The ``p`` of a
    control that is a null is the share of draws that change the measure as much as the answer does, or where
    sets are kept as little, by the mean absolute change, and ``more`` by how much more (kept: less) the
    answer does, with its interval.
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


def make_table(outcomes: Outcomes, mode: str) -> pd.DataFrame:
    """The table of a verdict: a :class:`Row` for each set and measure."""
    rows = [_make_answer_row(outcomes, measure) for measure in outcomes.measures]
    for control in outcomes.controls:
        rows += [_make_control_row(outcomes, control, measure, mode) for measure in outcomes.measures]
    return pd.DataFrame([vars(row) for row in rows])


def _make_answer_row(outcomes: Outcomes, measure: str) -> Row:
    change = outcomes.change(outcomes.answer, measure)
    interval = outcomes.interval(change, [outcomes.answer], measure)
    return Row(ANSWER, measure, float(outcomes.answer.size.mean()), float(change.mean()), *interval)


def _make_control_row(outcomes: Outcomes, control: str, measure: str, mode: str) -> Row:
    draws = outcomes.controls[control]
    change = np.stack([outcomes.change(draw, measure) for draw in draws])  # (draws, N)
    answer, drawn = np.abs(outcomes.change(outcomes.answer, measure)), np.abs(change)
    kept = mode == "keep"
    p = p_value(float(answer.mean()), drawn.mean(1), less=kept) if control in NULLS else float("nan")
    return Row(
        control,
        measure,
        float(np.mean([draw.size.mean() for draw in draws])),
        float(change.mean()),
        *outcomes.interval(change, draws, measure),
        p,
        float(drawn.mean() - answer.mean()) if kept else float(answer.mean() - drawn.mean()),
        *outcomes.interval_of_more(answer, drawn, measure, kept=kept),
    )
