"""From effects over seeds to words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from graphpath.studies import AREA, MEASURED, RANDOM, Claim, Effects
from graphpath.studies.conditions import LEFT_OUT
from graphpath.studies.intervals import interval, least_layer, least_layer_bounds
from graphpath.studies.verdicts import FAILS, HOLDS, UNSURE, judge, select_conditions
from tests.calibration import studies as calibration

T_2 = 4.302652729911275  # Student's t, 97.5 %, two degrees of freedom: from a printed table, 4.303
T_2_QUARTER = 8.8602000346543  # 1 - .025 / 4, two degrees of freedom


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
        ([[1.5], [1.6], [1.55]], [[1.65], [1.76], [1.7]], FAILS),  # the control does as well
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


def test_every_layer_decides_or_the_mean() -> None:
    layers = effects({MEASURED: [[3.0, 0.9], [3.1, 0.86], [3.2, 0.88]]})
    every = judge(Claim("in every layer", quantity="lift", null=1.0), layers)
    mean = judge(Claim("on the whole", quantity="lift", null=1.0, over="mean"), layers)
    assert (every.verdict, mean.verdict) == (FAILS, HOLDS)
    assert (every.effect, mean.effect) == pytest.approx((0.88, (1.95 + 1.98 + 2.04) / 3))
    assert every.why.endswith("Not so in conv 2.") and "Not so" not in mean.why


def test_the_interval_of_the_lowest_layer() -> None:
    """Below, the layers' own intervals; above, corrected for the number of layers and comparisons."""
    found = least_layer(np.array([[1.0, 0.0], [2.0, 1.0], [6.0, 2.0]]), comparisons=2)
    error = np.array([math.sqrt(7 / 3), 1 / math.sqrt(3)])
    assert found.mean == 1 and found.low == pytest.approx(min(np.array([3, 1]) - T_2 * error))
    assert found.high == pytest.approx(1 + T_2_QUARTER * error[1])
    many = np.random.default_rng(1).standard_normal((7, 4, 3))
    for values, *ends in zip(many, *least_layer_bounds(many), strict=True):
        one = least_layer(values)
        assert (one.mean, one.low, one.high) == pytest.approx(ends)


def test_a_claim_true_in_all_thirteen_layers_is_not_denied() -> None:
    """.52 against .50, as in consistency: each seed's least layer lies below .50 more often than not."""
    claim, random = Claim("in every layer", quantity="lift", null=0.5), np.random.default_rng(2)
    words = [
        judge(
            claim, effects({MEASURED: (0.52 + 0.03 * random.standard_normal((seeds, 13))).tolist()})
        ).verdict
        for seeds in (3, 10)
        for _ in range(25)
    ]
    assert (
        words.count(FAILS) <= 4 and words.count(HOLDS) <= 4
    )  # 2.5 % at most; 38 when all seeds' leasts count
    sure = 0.52 + 0.003 * random.standard_normal((10, 13))
    assert judge(claim, effects({MEASURED: sure.tolist()})).verdict == HOLDS


def test_one_layer_that_fails_denies_and_is_named() -> None:
    values = 0.6 + 0.01 * np.random.default_rng(3).standard_normal((5, 13))
    values[:, 4] -= 0.2
    found = judge(Claim("in every layer", quantity="lift", null=0.5), effects({MEASURED: values.tolist()}))
    assert found.verdict == FAILS and found.why.endswith("Not so in conv 5.")
    lead = effects({MEASURED: (values + 0.3).tolist(), AREA: np.full((5, 13), 0.75).tolist()})
    against = judge(Claim("in every layer", quantity="lift", null=0.5, controls=(AREA,)), lead)
    assert against.verdict == FAILS and against.why.endswith("Not so in conv 5.")


def test_a_layer_that_cannot_but_be_null_is_left_out_and_named() -> None:
    some = effects({MEASURED: [[0.0, 0.9], [0.0, 0.8], [0.0, 0.85]]})
    some.loc[some.layer == 1, "condition"] = LEFT_OUT
    found = judge(Claim("in every layer", quantity="lift", null=0.0), some)
    assert found.verdict == HOLDS and found.effect == pytest.approx(0.85)
    assert "conv 1 left out, where it cannot but be 0" in found.why
    own = Effects()
    own.leave_out("lift", 1, "conv 1")
    assert own.frame().condition.tolist() == [LEFT_OUT]


def test_a_layer_that_was_not_measured_leaves_it_open_unless_another_denies() -> None:
    claim, unknown = Claim("in every layer", quantity="lift", null=0.0), math.nan
    assert judge(claim, effects({MEASURED: [[unknown, 0.9], [1, 0.8], [1, 0.85]]})).verdict == UNSURE
    denied = judge(claim, effects({MEASURED: [[unknown, -0.9], [1, -0.88], [1, -0.89]]}))
    assert denied.verdict == FAILS and "in conv 2, the lowest" in denied.why


def test_it_is_told_what_the_lowest_is_of() -> None:
    some = effects({MEASURED: [[3.0, 0.9], [3.1, 0.8]]})
    claim = Claim("of every attack", quantity="lift", null=1.0, layers="attacks")
    assert "over 2 seeds in conv 2, the lowest of its 2 attacks, against 1" in judge(claim, some).why
    assert "on the mean of its layers" in judge(Claim("", "lift", null=1.0, over="mean"), some).why
    single = effects({MEASURED: [[3.0], [3.1]]})
    assert "over 2 seeds, against 1" in judge(claim, single).why


@pytest.mark.parametrize("seed", [0, 1])
def test_both_error_rates(seed: int) -> None:
    """With 3, 5 and 10 seeds and 1, 5 and 13 layers, correlated ones too; more rounds by the command."""
    found = list(calibration.rows(np.random.default_rng(seed), 200))
    assert len(found) == 18 * 6 + 2 and not [row for row in found if not row.good]


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
    found = select_conditions(pd.concat([trained, random], ignore_index=True))
    assert dict(zip(found.condition, found.value, strict=True)) == {MEASURED: 2.0, AREA: 1.0, RANDOM: 5.0}
