"""Whether pathways that are compared have kept so little that this changes how alike they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

COVERAGE: Final = "pathways/coverage"
ENOUGH: Final = 0.75
"""The share of abs(score) above which likeness is about that of whole pathways
("What a budget does to likeness" in graphpath/tracing/README.md)."""


def describe_coverage(frame: pd.DataFrame) -> list[str]:
    """A sentence where ``pathways/coverage`` answers that pathways have kept less than enough."""
    if frame.empty:
        return []
    share = float((frame.coverage * frame.pathways).sum() / frame.pathways.sum())
    if not share < ENOUGH:
        return []
    return [
        f"These pathways have kept {share:.0%} of the absolute score that their method chose "
        f"({COVERAGE}): whole ones are more alike, and which are the most alike can differ. A larger budget "
        "keeps more (trace with max_edges, influence and floor)."
    ]
