"""Intervals and p-values: known values, coverage, and validity under the null."""

from __future__ import annotations

import numpy as np
import pytest

from graphpath.verifying.statistics import bootstrap, p_value, wilson


@pytest.mark.parametrize(
    ("successes", "images", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 29, 0.0061, 0.1718), (81, 263, 0.2553, 0.3662), (10, 10, 0.7225, 1.0)],
)
def test_wilson_as_published(successes: int, images: int, low: float, high: float) -> None:
    """81 of 263 and 1 of 29: Newcombe 1998, table I, method 3; the ends from the formula's closed form."""
    assert wilson(successes, images) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("share", "images"), [(0.1, 40), (0.5, 15)])
def test_wilson_bounds_are_the_shares_that_a_score_test_just_rejects(share: float, images: int) -> None:
    successes = round(share * images)
    for bound in wilson(successes, images):
        score = abs(successes / images - bound) / np.sqrt(bound * (1 - bound) / images)
        assert score == pytest.approx(1.96, abs=1e-3)


def test_a_bootstrap_of_one_value_is_that_value_and_otherwise_lies_around_the_mean() -> None:
    assert bootstrap(np.full(7, 2.5), seed=0) == pytest.approx((2.5, 2.5))
    values = np.random.default_rng(0).normal(3, 2, size=400)
    low, high = bootstrap(values, seed=1)
    assert (low, high) == bootstrap(values, seed=1) != bootstrap(values, seed=2)
    reach = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.1 * reach)


def test_nineteen_of_twenty_bootstrap_intervals_hold_the_mean() -> None:
    random = np.random.default_rng(3)
    held = [low <= 1 <= high for low, high in (bootstrap(random.exponential(1, 60), 0) for _ in range(300))]
    assert 0.9 < np.mean(held) < 0.98  # of a skewed distribution


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
