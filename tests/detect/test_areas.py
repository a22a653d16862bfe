"""Areas under ROC curves and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from graphpath.detect.areas import area_under_curve, compare_areas
from tests.calibration import detecting

RANDOM = np.random.default_rng(0)


def slow(score: np.ndarray, attacked: np.ndarray) -> float:
    """Every pair of an attacked and a clean sample."""
    pairs = [(score[i], score[j]) for i in np.flatnonzero(attacked) for j in np.flatnonzero(~attacked)]
    return float(np.mean([(one > two) + 0.5 * (one == two) for one, two in pairs]))


@pytest.mark.parametrize("digits", [1, 9])
def test_an_area_is_the_share_of_pairs_in_order(digits: int) -> None:
    """Also with ties, which one digit brings."""
    score, attacked = RANDOM.normal(size=60).round(digits), RANDOM.random(60) < 0.4
    found = area_under_curve(score, attacked)
    assert found.value == pytest.approx(slow(score, attacked), rel=1e-12)
    assert found.shifts.sum() == pytest.approx(0, abs=1e-12)


def test_a_sample_s_moves_are_those_of_leaving_it_out() -> None:
    """Of the attacked ones (m): without one, the area is what it was, less its move times m / (m - 1)."""
    score, attacked = RANDOM.normal(size=30), np.arange(30) < 12
    found = area_under_curve(score, attacked)
    for place in range(12):
        rest = np.arange(30) != place
        without = area_under_curve(score[rest], attacked[rest]).value
        assert without == pytest.approx(found.value - found.shifts[place] * 12 / 11)


def test_it_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    score, attacked = RANDOM.normal(size=200).round(1), RANDOM.random(200) < 0.5
    assert area_under_curve(score, attacked).value == pytest.approx(
        metrics.roc_auc_score(attacked, score), abs=1e-12
    )


def test_the_interval_is_as_wide_as_the_bootstrap_s_and_moves_with_its_originals() -> None:
    attacked, groups = np.arange(200) < 100, np.arange(200) % 100
    score = attacked + RANDOM.normal(size=100)[groups] + 0.5 * RANDOM.normal(size=200)
    found = compare_areas(score, RANDOM.normal(size=200), attacked, groups)
    drawn = []
    for _ in range(400):
        chosen = (RANDOM.integers(0, 100, 100)[:, None] + [0, 100]).ravel()
        drawn.append(area_under_curve(score[chosen], attacked[chosen]).value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    apart = compare_areas(score, score, attacked, np.arange(200))
    assert apart.high - apart.low > 1.3 * (found.high - found.low)
    assert apart.gain_low < 0 < apart.gain_high and apart.verdict == "undecided"


def test_of_scores_that_are_all_in_order_the_interval_is_none_of_one_point() -> None:
    found = compare_areas(np.arange(40.0), np.arange(40.0), np.arange(40) >= 20, np.arange(40))
    assert found.area == found.high == 1 and 0.8 < found.low < 0.87


def test_intervals_hold_the_area_and_verdicts_are_right() -> None:
    """A few rounds of ``python -m tests.calibration``."""
    found = list(detecting.rows(np.random.default_rng(1), 60))
    assert not [row for row in found if not row.good]


def test_a_verdict_needs_the_whole_interval_of_the_difference() -> None:
    attacked = np.arange(200) < 100
    good, bad = attacked + RANDOM.normal(size=200) * 0.3, RANDOM.normal(size=200)
    groups = np.arange(200) % 100
    assert compare_areas(good, bad, attacked, groups).verdict == "better"
    assert compare_areas(bad, good, attacked, groups).verdict == "worse"
    assert compare_areas(good, good, attacked, groups).verdict == "undecided"
