"""Areas under ROC curves and their bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from graphpath.detect.areas import areas, compared, draws_of

RANDOM = np.random.default_rng(0)


def slow(score: np.ndarray, attacked: np.ndarray, weight: np.ndarray) -> float:
    """Every pair of an attacked and a clean sample."""
    won = total = 0.0
    for i in np.flatnonzero(attacked):
        for j in np.flatnonzero(~attacked):
            total += weight[i] * weight[j]
            won += weight[i] * weight[j] * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    return won / total


@pytest.mark.parametrize("digits", [1, 9])
def test_an_area_is_the_share_of_pairs_in_order(digits: int) -> None:
    """Also with ties, which one digit brings, and with samples drawn several times."""
    score, attacked = RANDOM.normal(size=60).round(digits), RANDOM.random(60) < 0.4
    weights = RANDOM.integers(0, 4, (60, 3)).astype(float)
    expected = [slow(score, attacked, weights[:, draw]) for draw in range(3)]
    np.testing.assert_allclose(areas(score, attacked, weights), expected, rtol=1e-12)


def test_it_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    score, attacked = RANDOM.normal(size=200).round(1), RANDOM.random(200) < 0.5
    found = areas(score, attacked, np.ones((200, 1)))[0]
    assert found == pytest.approx(metrics.roc_auc_score(attacked, score), abs=1e-12)


def test_an_original_and_its_attack_are_drawn_together() -> None:
    groups = np.array([7, 3, 9, 7, 3, 9])
    drawn = draws_of(groups, 500, seed=1)
    assert (drawn[:3] == drawn[3:]).all()
    assert (drawn[:3].sum(0) == 3).all() and drawn.std() > 0


def test_intervals_cover_what_they_should() -> None:
    """Of 200 experiments whose true area is known (normal scores one apart: .760), 95 % cover it."""
    covered, true = 0, 0.7602
    for seed in range(200):
        random = np.random.default_rng(seed)
        attacked = np.arange(120) < 60
        score = random.normal(size=120) + attacked
        found = compared(score, random.normal(size=120), attacked, np.arange(120), draws=200, seed=seed)
        covered += found.low <= true <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_a_verdict_needs_the_whole_interval_of_the_difference() -> None:
    attacked = np.arange(200) < 100
    good, bad = attacked + RANDOM.normal(size=200) * 0.3, RANDOM.normal(size=200)
    groups = np.arange(200) % 100
    assert compared(good, bad, attacked, groups).verdict == "better"
    assert compared(bad, good, attacked, groups).verdict == "worse"
    assert compared(good, good, attacked, groups).verdict == "undecided"
