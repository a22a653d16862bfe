"""From effects over seeds to words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import pytest

pytest.importorskip("torch")

from graphpath.studies import AREA, MEASURED, RANDOM, Claim, Effects
from graphpath.studies.verdicts import FAILS, HOLDS, UNSURE, conditions, interval, judge

T_2 = 4.302652729911275  # Student's t, 97.5 %, two degrees of freedom: from a printed table, 4.303


def effects(values: dict[str, Sequence[Sequence[float]]]) -> pd.DataFrame:
    """By condition, a list a seed of values by layer."""
    frames = []
    for condition, seeds in values.items():
        for seed, layers in enumerate(seeds):
            found = Effects()
            for layer, value in enumerate(layers, start=1):
                found.add("lift", condition, value, layer=layer, name=f"conv {layer}")
            frames.append(found.frame().assign(network="trained", seed=seed, part=""))
    return pd.concat(frames, ignore_index=True)


def test_the_interval_is_students() -> None:
    found = interval([1.0, 2.0, 6.0])
    half = T_2 * math.sqrt(7.0) / math.sqrt(3)
    assert (found.mean, found.low, found.high) == pytest.approx((3, 3 - half, 3 + half))
    assert interval([5.0]).mean == 5 and math.isnan(interval([5.0]).low)
    assert (str(interval([5.0])), str(interval([1.0, 2.0, 6.0]))) == ("5", "3 [-3.57, 9.57]")
    assert math.isnan(interval([1.0, math.nan]).mean)


@pytest.mark.parametrize(
    ("own", "control", "word"),
    [
        ([[1.5], [1.6], [1.55]], [[1.1], [1.2], [1.1]], HOLDS),
        ([[1.5], [1.6], [1.55]], [[1.6], [1.8], [1.7]], FAILS),  # the control does as well
        ([[1.5], [1.6], [1.55]], [[1.4], [1.7], [1.5]], UNSURE),
        ([[0.5], [0.6], [0.55]], [[0.1], [0.2], [0.1]], FAILS),  # below what no effect gives
        ([[1.5], [0.6], [1.05]], [[0.1], [0.2], [0.1]], UNSURE),
        ([[1.5]], [[1.1]], UNSURE),  # one seed proves nothing
        ([[1.5], [math.nan], [1.5]], [[1.1], [1.2], [1.1]], UNSURE),
    ],
)
def test_words(own: Sequence[Sequence[float]], control: Sequence[Sequence[float]], word: str) -> None:
    claim = Claim("it does", quantity="lift", null=1.0, controls=(AREA,))
    found = judge(claim, effects({MEASURED: own, AREA: control}))
    assert found.verdict == word, found.why
    assert AREA in found.why and found.seeds == len(own)


def test_the_worst_layer_decides_or_the_mean() -> None:
    layers = effects({MEASURED: [[3.0, 0.9], [3.1, 0.8], [3.2, 0.85]]})
    worst = judge(Claim("in every layer", quantity="lift", null=1.0), layers)
    mean = judge(Claim("on the whole", quantity="lift", null=1.0, over="mean"), layers)
    assert (worst.verdict, mean.verdict) == (FAILS, HOLDS)
    assert (worst.effect, mean.effect) == pytest.approx((0.85, (1.95 + 1.95 + 2.025) / 3))


def test_it_is_told_what_the_worst_is_of() -> None:
    some = effects({MEASURED: [[3.0, 0.9], [3.1, 0.8]]})
    claim = Claim("of every attack", quantity="lift", null=1.0, layers="attacks")
    assert "over 2 seeds in the worst of its attacks, against 1" in judge(claim, some).why
    assert "on the mean of its layers" in judge(Claim("", "lift", null=1.0, over="mean"), some).why
    single = effects({MEASURED: [[3.0], [3.1]]})
    assert "over 2 seeds, against 1" in judge(claim, single).why


def test_a_control_is_compared_seed_by_seed() -> None:
    """Seeds that differ among themselves by more than from their controls do not hide the difference."""
    own, control = [[2.0], [4.0], [9.0]], [[1.0], [2.9], [8.0]]
    claim = Claim("it does", quantity="lift", null=-20.0, controls=(AREA,))
    assert judge(claim, effects({MEASURED: own, AREA: control})).verdict == HOLDS
    shuffled = effects({MEASURED: own, AREA: control[::-1]})
    assert judge(claim, shuffled).verdict == UNSURE


def test_a_control_that_was_not_measured_leaves_it_open() -> None:
    claim = Claim("it does", quantity="lift", null=0.0, controls=(RANDOM,))
    assert judge(claim, effects({MEASURED: [[1.0], [1.1]]})).verdict == UNSURE
    assert judge(claim, effects({AREA: [[1.0], [1.1]]})).why == "It was not measured."


def test_random_networks_are_a_control_and_their_own_controls_none() -> None:
    trained = effects({MEASURED: [[2.0]], AREA: [[1.0]]})
    random = trained.assign(network=RANDOM, value=[5.0, 6.0])
    found = conditions(pd.concat([trained, random], ignore_index=True))
    assert dict(zip(found.condition, found.value, strict=True)) == {MEASURED: 2.0, AREA: 1.0, RANDOM: 5.0}
