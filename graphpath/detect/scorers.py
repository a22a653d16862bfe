"""Fitted classifiers as plain numbers: stored as JSON, computed with numpy.

A pickle, as scikit-learn writes, runs code when it is read; these hold none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAF = -1


class Scorer(Protocol):
    """Larger means: more likely attacked."""

    def score(self, values: Floats) -> Floats:
        """(n,) from features (n, f)."""
        ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, eq=False)
class Linear:
    """A hyperplane: ``values @ weights + offset``."""

    weights: Floats
    offset: float

    def score(self, values: Floats) -> Floats:
        scored: Floats = values @ self.weights + self.offset
        return scored

    def as_json(self) -> dict[str, Any]:
        return {"type": "linear", "weights": self.weights.tolist(), "offset": self.offset}


@dataclass(frozen=True, eq=False)
class Trees:
    """A sum over decision trees: every leaf's ``value`` already has its tree's weight.

    All nodes are in one row, children by their place in it, ``LEAF`` for none; ``roots`` are the trees.
    A node sends a sample to ``left`` where its feature, as float32, is at most ``threshold``.
    """

    roots: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    threshold: Floats
    value: Floats
    offset: float

    def score(self, values: Floats) -> Floats:
        rounded = values.astype(np.float32)  # as scikit-learn's trees do
        at = np.tile(self.roots, (len(values), 1))
        sample = np.arange(len(values))[:, None]
        while (inner := self.left[at] != LEAF).any():
            lower = rounded[sample, self.feature[at]] <= self.threshold[at]
            at = np.where(inner, np.where(lower, self.left[at], self.right[at]), at)
        scored: Floats = self.value[at].sum(1) + self.offset
        return scored

    def as_json(self) -> dict[str, Any]:
        arrays = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()
        }
        return {"type": "trees", **arrays}


def from_json(stored: dict[str, Any]) -> Scorer:
    """The scorer that ``as_json`` gave. Raises KeyError, ValueError or TypeError where it is none."""
    if stored["type"] == "linear":
        return Linear(np.array(stored["weights"], np.float64), float(stored["offset"]))
    if stored["type"] != "trees":
        raise ValueError(f"unknown scorer {stored['type']!r}")
    roots, left, right, feature = (
        np.array(stored[name], np.int64) for name in ("roots", "left", "right", "feature")
    )
    threshold, value = (np.array(stored[name], np.float64) for name in ("threshold", "value"))
    trees = Trees(roots, left, right, feature, threshold, value, float(stored["offset"]))
    _check_trees(trees)
    return trees


def _check_trees(trees: Trees) -> None:
    """Refuse nodes that point outside or back, on which scoring would fail or never end."""
    place = np.arange(len(trees.left))
    inner = trees.left != LEAF
    for child in (trees.left[inner], trees.right[inner]):
        if not ((child > place[inner]) & (child < len(place))).all():
            raise ValueError("a tree's node points outside of its tree")
    lengths = {len(trees.left), len(trees.right), len(trees.feature), len(trees.threshold), len(trees.value)}
    if len(lengths) > 1 or not ((trees.roots >= 0) & (trees.roots < len(place))).all():
        raise ValueError("its trees' arrays do not fit together")
