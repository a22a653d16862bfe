"""Intervals and p-values: known values, coverage, and validity under the null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from graphpath.shares import score_interval
from graphpath.verifying.estimates import (
    difference_interval,
    estimate_over_draws,
    estimate_over_images,
    share_interval,
    student_interval,
)
from graphpath.verifying.statistics import p_value, surely_above
from tests.calibration import verifying as calibration


@pytest.mark.parametrize(
    ("successes", "images", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 29, 0.0061, 0.1718), (81, 263, 0.2553, 0.3662), (10, 10, 0.7225, 1.0)],
)
def test_wilson_as_published(successes: int, images: int, low: float, high: float) -> None:
    """81 of 263 and 1 of 29: Newcombe 1998, table I, method 3; the ends from the formula's closed form."""
    assert score_interval(successes / images, images) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("share", "images"), [(0.1, 40), (0.5, 15)])
def test_wilson_bounds_are_the_shares_that_a_score_test_just_rejects(share: float, images: int) -> None:
    successes = round(share * images)
    for bound in score_interval(successes / images, images):
        tested = abs(successes / images - bound) / np.sqrt(bound * (1 - bound) / images)
        assert tested == pytest.approx(1.96, abs=1e-3)


@pytest.mark.parametrize(
    ("both", "first", "second", "neither", "low", "high"),
    [(36, 12, 2, 0, 0.0569, 0.3404), (0, 30, 0, 0, 0.8395, 1.0)],
)
def test_newcombe_s_as_published(
    both: int, first: int, second: int, neither: int, low: float, high: float
) -> None:
    """Newcombe 1998, "Improved confidence intervals for the difference [...] based on paired data", method
    10; without correlation, where each share is 0 or 1, the square root of both squares."""
    one = np.repeat([1.0, 1.0, 0.0, 0.0], [both, first, second, neither])
    two = np.repeat([1.0, 0.0, 1.0, 0.0], [both, first, second, neither])
    assert difference_interval(estimate_over_images(one), estimate_over_images(two)) == pytest.approx(
        (low, high), abs=2e-3
    )


def test_of_images_alone_a_mean_has_student_s_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=40)
    expected = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))
    assert student_interval(estimate_over_images(values)) == pytest.approx(expected)
    assert student_interval(estimate_over_images(np.full(7, 2.5))) == (2.5, 2.5)
    assert np.isnan(student_interval(estimate_over_images(np.ones(1)))).all()


def test_of_draws_and_images_the_variance_is_that_of_the_two_way_layout() -> None:
    """Unbiased over experiments; and one draw, that all images share, tells nothing of others."""
    random, found, means = np.random.default_rng(1), [], []
    for _ in range(3_000):
        draw, image, rest = (random.normal(size=size) for size in ((8, 1), (1, 12), (8, 12)))
        estimate = estimate_over_draws(1 + 0.7 * draw + 0.5 * image + rest)
        found.append(estimate.variance)
        means.append(estimate.mean)
    assert np.mean(found) == pytest.approx(0.49 / 8 + 0.25 / 12 + 1 / 96, rel=0.05)
    assert np.mean(found) == pytest.approx(np.var(means), rel=0.1)
    assert np.isnan(student_interval(estimate_over_draws(np.ones((1, 30))))).all()


def test_no_flip_of_any_draw_is_no_proof_of_none() -> None:
    low, high = share_interval(estimate_over_draws(np.zeros((20, 100))))
    assert low == 0 and 0.03 < high < 0.1
    assert share_interval(estimate_over_images(np.zeros(100))) == score_interval(0, 100)


def test_draws_that_all_images_share_are_resampled_too() -> None:
    """Random controls' intervals held the truth in 12 to 20 % of cases when draws were averaged first."""
    toy, random, held = calibration.Toy(0.7, 0.3, of_draw=0.4), np.random.default_rng(2), []
    truth = toy.truth(random)["random", "flipped", "change"]
    for _ in range(150):
        made = toy.outcomes(random, 100, 20)
        change = np.stack([made.change(draw, "flipped") for draw in made.controls["random"]])
        low, high = share_interval(made.estimate(change))
        held.append(low <= truth <= high)
    assert np.mean(held) > 0.88


@pytest.mark.parametrize("rate", (0.01, 0.3))
def test_every_row_holds_the_truth(rate: float) -> None:
    """A few rounds of ``python -m tests.calibration``, which has the table."""
    found = list(calibration.rows(np.random.default_rng(3), 20, (rate,)))
    assert not [row for row in found if not row.good]
    assert {row.what for row in found if row.what.startswith("random")} == {
        f"random, {column} of {measure}" for column in ("change", "more") for measure in calibration.MEASURES
    }


def test_more_than_one_in_twenty_is_said_only_where_it_is_sure() -> None:
    """Of 20 draws four as extreme: a probability of .016 at .05 each; three, of .075."""
    assert surely_above(5 / 21, 20, tests=2) and not surely_above(4 / 21, 20, tests=2)
    assert not surely_above(1 / 21, 20, tests=2) and surely_above(1.0, 19, tests=2)


def test_p_values_count_ties_against_the_answer() -> None:
    draws = np.array([1.0, 2.0, 3.0, 4.0])
    assert p_value(5.0, draws, less=False) == pytest.approx(1 / 5)
    assert p_value(4.0, draws, less=False) == pytest.approx(2 / 5)
    assert p_value(0.5, draws, less=True) == pytest.approx(1 / 5)
    assert p_value(3.0, draws, less=True) == pytest.approx(4 / 5)
    assert p_value(0.0, np.zeros(19), less=False) == 1


@pytest.mark.parametrize("less", (False, True))
def test_p_values_of_draws_among_draws_are_uniform(less: bool) -> None:
    values = np.random.default_rng(5).normal(size=(4_000, 20))
    found = np.array([p_value(row[0], row[1:], less=less) for row in values])
    for level in (0.05, 0.25, 0.5):
        assert (found <= level + 1e-9).mean() == pytest.approx(level, abs=0.02)
