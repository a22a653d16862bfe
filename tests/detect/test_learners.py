"""What scikit-learn's classifiers decide, computed from plain numbers, and kept without pickle."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import ensemble, linear_model

from graphpath.detect import KINDS
from graphpath.detect.learners import learn
from graphpath.detect.scorers import Trees, from_json
from graphpath.errors import MethodError

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.random((150, 6))
VALUES[:, 5] = 0.25
ATTACKED = VALUES[:, 0] + VALUES[:, 1] ** 2 + 0.4 * RANDOM.normal(size=150) > 0.9
WEIGHTS = np.where(ATTACKED, 2.0, 0.5)
UNSEEN = np.concatenate([RANDOM.random((300, 6)), VALUES])


def theirs(kind: str) -> np.ndarray:
    """scikit-learn's own decision on ``UNSEEN``."""
    if kind in ("linear", "hinge"):
        center, scale = VALUES.mean(0), np.where(VALUES.std(0) == 0, 1, VALUES.std(0))
        model: Any = linear_model.LogisticRegression(max_iter=1000)
        if kind == "hinge":
            model = linear_model.SGDClassifier(
                loss="hinge", penalty="elasticnet", max_iter=10_000, average=True, random_state=3
            )
        model.fit((VALUES - center) / scale, ATTACKED, sample_weight=WEIGHTS)
        return model.decision_function((UNSEEN - center) / scale)
    if kind == "forest":
        forest = ensemble.RandomForestClassifier(100, random_state=3)
        return forest.fit(VALUES, ATTACKED, WEIGHTS).predict_proba(UNSEEN)[:, 1]
    made = {"boosted": ensemble.GradientBoostingClassifier, "adaptive": ensemble.AdaBoostClassifier}[kind]
    return made(random_state=3).fit(VALUES, ATTACKED, WEIGHTS).decision_function(UNSEEN)


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_decide_as_scikit_learn_does(kind: str) -> None:
    expected = theirs(kind)
    scorer = learn(kind, VALUES, ATTACKED, WEIGHTS, 3)
    np.testing.assert_allclose(scorer.score(UNSEEN), expected, rtol=1e-9, atol=1e-9)
    again = from_json(json.loads(json.dumps(scorer.as_json())))
    np.testing.assert_array_equal(again.score(UNSEEN), scorer.score(UNSEEN))
    assert np.corrcoef(expected, UNSEEN[:, 0])[0, 1] > 0.3


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(MethodError, match="'magic' is unknown; there are linear, hinge"):
        learn("magic", VALUES, ATTACKED, WEIGHTS, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left": [0, -1, -1]}, "outside of its tree"),  # a circle: scoring would not end
        ({"right": [7, -1, -1]}, "outside of its tree"),
        ({"roots": [3]}, "do not fit"),
        ({"value": [0.0]}, "do not fit"),
        ({"type": "code"}, "unknown scorer"),
    ],
)
def test_trees_that_are_none_are_refused(change: dict[str, Any], message: str) -> None:
    stump = Trees(
        np.array([0]),
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.array([0, 0, 0]),
        np.array([0.5, 0, 0]),
        np.array([0, -1.0, 1.0]),
        0.0,
    )
    np.testing.assert_array_equal(stump.score(np.array([[0.2], [0.7]])), [-1, 1])
    with pytest.raises(ValueError, match=message):
        from_json({**stump.as_json(), **change})
