"""The classifiers, fitted by scikit-learn, and what they learned as plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graphpath.detect.scorers import LEAF, Linear, Scorer, Trees
from graphpath.errors import MethodError
from graphpath.extras import needs_extra

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Learner = Callable[[Floats, Bools, Floats, int], Scorer]
"""From features (n, f), whether each sample is attacked (n,), its weight (n,), and a seed."""


def learn(kind: str, values: Floats, attacked: Bools, weights: Floats, seed: int) -> Scorer:
    """The scorer that the classifier called ``kind`` learns.

    Raises MethodError for an unknown one, MissingExtra without scikit-learn.
    """
    if kind not in KINDS:
        raise MethodError(f"detector {kind!r} is unknown; there are {', '.join(KINDS)}")
    with needs_extra("A detector that is fitted", "trace"):
        return KINDS[kind](values, attacked, weights, seed)


def _fit_logistic(values: Floats, attacked: Bools, weights: Floats, seed: int) -> Linear:
    from sklearn.linear_model import LogisticRegression

    return _fit_standardised(LogisticRegression(max_iter=1000), values, attacked, weights)


def _fit_hinge(values: Floats, attacked: Bools, weights: Floats, seed: int) -> Linear:
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(
        loss="hinge", penalty="elasticnet", max_iter=10_000, average=True, random_state=seed
    )
    return _fit_standardised(model, values, attacked, weights)


def _fit_standardised(model: Any, values: Floats, attacked: Bools, weights: Floats) -> Linear:
    """A linear model of standardised features, rescaled to the features themselves."""
    center, scale = values.mean(0), values.std(0)
    scale[scale == 0] = 1.0
    model.fit((values - center) / scale, attacked, sample_weight=weights)
    slopes = model.coef_[0] / scale
    return Linear(slopes, float(model.intercept_[0] - center @ slopes))


def _fit_forest(values: Floats, attacked: Bools, weights: Floats, seed: int) -> Trees:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(100, random_state=seed, n_jobs=1).fit(values, attacked, weights)
    trees = [tree.tree_ for tree in model.estimators_]
    return _join_trees(trees, [tree.value[:, 0, 1] / tree.value[:, 0].sum(1) / len(trees) for tree in trees])


def _fit_boosted(values: Floats, attacked: Bools, weights: Floats, seed: int) -> Trees:
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(random_state=seed).fit(values, attacked, weights)
    trees = [tree.tree_ for tree in model.estimators_[:, 0]]
    made = _join_trees(trees, [model.learning_rate * tree.value[:, 0, 0] for tree in trees])
    # What it starts from is private; it is what its trees leave.
    start = model.decision_function(values[:1])[0] - made.score(values[:1])[0]
    return _join_trees(trees, [model.learning_rate * tree.value[:, 0, 0] for tree in trees], float(start))


def _fit_adaptive(values: Floats, attacked: Bools, weights: Floats, seed: int) -> Trees:
    from sklearn.ensemble import AdaBoostClassifier

    model = AdaBoostClassifier(random_state=seed).fit(values, attacked, weights)
    said = model.estimator_weights_[: len(model.estimators_)]
    trees = [tree.tree_ for tree in model.estimators_]
    # Each stump votes for one class with its whole weight.
    votes = [np.where(tree.value[:, 0, 1] > tree.value[:, 0, 0], 1.0, -1.0) for tree in trees]
    return _join_trees(trees, [2 * w / said.sum() * vote for w, vote in zip(said, votes, strict=True)])


def _join_trees(trees: Sequence[Any], values: Sequence[Floats], offset: float = 0.0) -> Trees:
    """scikit-learn's trees in one row, with these values of their nodes."""
    sizes = [tree.node_count for tree in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    first = np.repeat(roots, sizes)

    def shift_children(name: str) -> npt.NDArray[np.int64]:
        within = np.concatenate([getattr(tree, name) for tree in trees])
        return np.where(within == LEAF, LEAF, within + first).astype(np.int64)

    feature = np.concatenate([tree.feature for tree in trees]).astype(np.int64)
    return Trees(
        roots,
        shift_children("children_left"),
        shift_children("children_right"),
        np.maximum(feature, 0),
        np.concatenate([tree.threshold for tree in trees]),
        np.concatenate(values),
        offset,
    )


KINDS: Final[dict[str, Learner]] = {
    "linear": _fit_logistic,
    "hinge": _fit_hinge,
    "forest": _fit_forest,
    "boosted": _fit_boosted,
    "adaptive": _fit_adaptive,
}
"""Logistic regression (the default), a hinge-loss elastic net as Qiu et al. have it, a random forest of 100
trees, gradient boosting, and AdaBoost."""
