"""Whether neurons of different images meet often enough to be compared, or feature maps should be asked.

Images that are not aligned (photographs) show the same thing in different places: their pathways then share
hardly a neuron, though they pass the same feature maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphpath.queries.units import MAP, UNIT
from graphpath.spoken import format_argument

if TYPE_CHECKING:
    import pandas as pd

FEW: Final = 0.05
"""The J of two pathways of one category below which they are said to hardly meet."""
LITTLE: Final = 0.1
"""The same of the coverage of class pathways, to which any two of their samples add."""
LEVELS: Final = "categories/consistency"
CLASSES: Final = "categories/class_pathways"


def describe_pathways(frame: pd.DataFrame) -> list[str]:
    """A sentence where ``categories/consistency`` between neurons answers that these hardly meet."""
    total = frame[(frame.layer == -1) & (frame.pairs_within > 0)]
    if total.empty:
        return []
    within, between = float(total.J_within.iloc[0]), float(total.J_between.iloc[0])
    if within >= FEW:
        return []
    others = "" if between != between else f", two of different categories {between:.1%}"
    return [
        f"Neurons of different images hardly meet here: two pathways of one category share {within:.1%} of "
        f"their edges{others}."
    ]


def describe_classes(frame: pd.DataFrame) -> list[str]:
    """The same where ``categories/class_pathways`` answers it, of those of several samples."""
    coverage = float(frame[frame.samples > 1].coverage.mean())
    if not coverage < LITTLE:  # nor where there are none
        return []
    return [
        f"Neurons of different images hardly meet here: the edges that enough samples share have "
        f"{coverage:.1%} of the absolute score of these class pathways."
    ]


def advise(sentences: list[str]) -> list[str]:
    """``sentences``, with what to ask instead."""
    return [
        f"{sentence} Feature maps need not be aligned: ask with {format_argument(UNIT, MAP)}."
        for sentence in sentences
    ]
