"""What an edge or neuron is drawn as: for or against the target; kept, lost or gained by an attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

EDGE = ("source", "target", "layer")
NEURON = ("neuron", "name", "layer", "channel", "y", "x")


def mark_signs(rows: pd.DataFrame) -> pd.DataFrame:
    """Edges or neurons with ``tone``: "for" or "against" the target, by the sign of their score."""
    return rows.assign(tone=np.where(rows.score >= 0, "for", "against"))


def split_signs(edges: pd.DataFrame) -> pd.DataFrame:
    """Sums of edges (score, and weight, the sum of absolute scores) as what is "for" and what "against".

    Of the two rows that come of one, score is the sum of its positive and of its negative scores:
    (weight + score) / 2 and (score - weight) / 2.
    """
    gain = edges.assign(score=(edges.weight + edges.score) / 2, tone="for")
    loss = edges.assign(score=(edges.score - edges.weight) / 2, tone="against")
    both = pd.concat([gain, loss], ignore_index=True)
    return both[both.score != 0]


def mark_edge_changes(original: pd.DataFrame, derived: pd.DataFrame) -> pd.DataFrame:
    """The edges of both sides once each, ``tone`` being "kept", "lost" or "gained"."""
    return _mark_changes(original, derived, EDGE)


def mark_neuron_changes(original: pd.DataFrame, derived: pd.DataFrame) -> pd.DataFrame:
    """The neurons of both sides once each, ``tone`` likewise."""
    return _mark_changes(original, derived, NEURON)


def _mark_changes(original: pd.DataFrame, derived: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    both = original[[*keys, "score"]].merge(
        derived[[*keys, "score"]], on=[*keys], how="outer", suffixes=("", "_derived"), indicator=True
    )
    tones = {"both": "kept", "left_only": "lost", "right_only": "gained"}
    score = both.score.fillna(both.score_derived)
    return both[[*keys]].assign(score=score, tone=both._merge.astype(str).map(tones))
