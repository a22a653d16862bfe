"""What chance gives independent sets, against scipy and against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from graphpath.chance.correction import correct
from graphpath.chance.independent import (
    LEAST,
    convolve,
    hypergeometric,
    hypergeometric_moments,
    jaccard_moments,
    poisson_binomial_tail,
)

sizes = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n)))


@given(sizes)
def test_shared_is_scipys_hypergeometric(size: tuple[int, int, int]) -> None:
    one, two, possible = size
    ours, theirs = hypergeometric(one, two, possible), stats.hypergeom(possible, one, two)
    np.testing.assert_allclose(np.exp(ours.log_p), theirs.pmf(ours.values), rtol=1e-9, atol=1e-14)
    numbers = np.arange(min(one, two) + 1)
    average = theirs.pmf(numbers) @ numbers
    square = theirs.pmf(numbers) @ (numbers - average) ** 2
    assert ours.mean() == pytest.approx(average, abs=1e-9)
    assert ours.deviation() == pytest.approx(np.sqrt(square), abs=1e-6)
    for number in range(min(one, two) + 2):
        assert ours.tail_probability(number) == pytest.approx(theirs.sf(number - 1), rel=1e-8, abs=1e-14)
    mean, variance = hypergeometric_moments(*(np.array([float(n)]) for n in size))
    assert mean[0] == pytest.approx(average)
    assert variance[0] == pytest.approx(square, abs=1e-9)


def test_tails_of_large_layers_do_not_underflow() -> None:
    """2,000 edges each of 10^8, 900 shared, where .04 are expected: scipy's logarithm of it."""
    ours = hypergeometric(2000, 2000, 10**8)
    beyond = ours.log_p[ours.values >= 900]
    assert np.logaddexp.reduce(beyond) == pytest.approx(
        stats.hypergeom(10**8, 2000, 2000).logsf(899), rel=1e-6
    )


def test_layers_together_are_the_sum() -> None:
    parts = [(5, 7, 20), (3, 3, 4), (0, 2, 9), (6, 4, 30)]
    law = convolve([hypergeometric(*part) for part in parts])
    wanted = np.zeros(40)
    supports = [range(min(a, b) + 1) for a, b, _ in parts]
    for numbers in product(*supports):
        terms = zip(numbers, parts, strict=True)
        wanted[sum(numbers)] += np.prod([stats.hypergeom(n, a, b).pmf(k) for k, (a, b, n) in terms])
    for number in range(18):
        assert law.tail_probability(number) == pytest.approx(wanted[number:].sum(), rel=1e-8, abs=2 * LEAST)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_poisson_binomial_is_that_of_all_outcomes(rates: list[float]) -> None:
    wanted = np.zeros(len(rates) + 1)
    for outcome in product((0, 1), repeat=len(rates)):
        chance = [rate if happened else 1 - rate for rate, happened in zip(rates, outcome, strict=True)]
        wanted[sum(outcome)] += np.prod(chance)
    count = np.arange(len(rates) + 2)
    found = poisson_binomial_tail(np.tile(rates, (len(count), 1)), count)
    expected = [wanted[k:].sum() for k in count]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_mean_likeness_is_close_to_the_exact_one() -> None:
    for one, two, possible in [(40, 60, 500), (300, 300, 10_000), (2000, 1500, 300_000)]:
        law = hypergeometric(one, two, possible)
        exact = law.values / (one + two - law.values)
        a, b, n = (np.array([float(x)]) for x in (one, two, possible))
        mean, variance = jaccard_moments(a, b, *hypergeometric_moments(a, b, n))
        assert mean[0] == pytest.approx(law.mean(exact), rel=2e-4)
        assert np.sqrt(variance[0]) == pytest.approx(law.deviation(exact), rel=2e-2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_corrections(p: list[float]) -> None:
    values = np.array(p)
    np.testing.assert_allclose(correct(values), stats.false_discovery_control(values), atol=1e-12)
    order, worst, wanted = np.argsort(values, kind="stable"), 0.0, np.empty(len(p))
    for rank, place in enumerate(order):  # Holm (1979), step by step
        worst = max(worst, min(1.0, values[place] * (len(p) - rank)))
        wanted[place] = worst
    np.testing.assert_allclose(correct(values, "holm"), wanted, atol=1e-12)


def test_corrections_leave_out_what_was_not_tested_and_count_what_is_not_shown() -> None:
    p = np.array([0.01, np.nan, 0.04])
    np.testing.assert_allclose(correct(p), [0.02, np.nan, 0.04])
    np.testing.assert_allclose(correct(p, comparisons=10), [0.1, np.nan, 0.2])
    np.testing.assert_allclose(correct(p, "holm", comparisons=10), [0.1, np.nan, 0.36])
