"""The method ``lrp``: what it selects, against its twin."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import graphpath as gp
from graphpath.errors import MethodError
from graphpath.tracing.batch import Batch
from graphpath.tracing.methods import lrp
from graphpath.tracing.targets import Target
from tests.tracing import harness, nets, twins
from tests.tracing.test_methods import same

NAMES = ("plain", "norm_folded", "residual", "concatenations", "max_pool_overlapping", "norm_alone", "sums")


@cache
def case(name: str, target: Target = "predicted") -> tuple[Batch, list[twins.Twin], list[dict[int, float]]]:
    model, shape = nets.made(name, seed=7)
    batch, _ = harness.held(model, nets.images(shape, 2, seed=3), target)
    seeds = [harness.numbers(batch, image).seed for image in range(2)]
    asked = [{int(n): float(seed[n]) for n in np.flatnonzero(seed)} for seed in seeds]
    return batch, [twins.take_apart(model, image) for image in batch.images], asked


@pytest.mark.parametrize("share", (0.2, 0.5, 0.9))
@pytest.mark.parametrize("rule", ("epsilon", "z_plus"))
@pytest.mark.parametrize("name", NAMES)
def test_the_fewest_edges_that_carry_the_share(name: str, rule: str, share: float) -> None:
    batch, pair, asked = case(name)
    found = [twins.relevant_edges(twin, q, rule, 1e-6, share) for twin, q in zip(pair, asked, strict=True)]
    assert min(min(gaps) for _, gaps in found) > 1e-9  # no choice hangs on rounding
    same(batch, lrp.select(batch, rule=rule, share=share), [selected for selected, _ in found])


@pytest.mark.parametrize("target", [(0, 2), gp.at("2", 1), gp.at("6", 3)], ids=["contrast", "map", "neuron"])
def test_other_targets(target: Target) -> None:
    batch, pair, asked = case("plain", target)
    wanted = [
        twins.relevant_edges(twin, q, "epsilon", 1e-6, 0.7)[0] for twin, q in zip(pair, asked, strict=True)
    ]
    same(batch, lrp.select(batch, share=0.7), wanted)


@pytest.mark.parametrize("rule", ("epsilon", "z_plus"))
@pytest.mark.parametrize("name", NAMES)
def test_many_edges_are_sifted_first(name: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, _, _ = case(name)
    for share in (0.1, 0.5, 0.99):
        wanted = harness.selected(batch, lrp.select(batch, rule=rule, share=share))
        with monkeypatch.context() as patch:
            patch.setattr(lrp, "CANDIDATES", 0)
            found = harness.selected(batch, lrp.select(batch, rule=rule, share=share))
        assert [edges.by_ends() for edges in found] == [edges.by_ends() for edges in wanted]


def test_a_share_of_1_takes_every_edge_that_carries_something() -> None:
    batch, _, _ = case("residual")
    selection = lrp.select(batch, share=1.0)
    every = harness.every_edge(batch)
    for image, (mine, whole) in enumerate(zip(harness.selected(batch, selection), every, strict=True)):
        ours = harness.numbers(batch, image)
        carrying = np.abs(whole.flow * ours.before[whole.target]) > 0
        wanted = set(zip(whole.source[carrying].tolist(), whole.target[carrying].tolist(), strict=True))
        # Rounding may leave out the last: what it carries is less than a sum of so many can tell.
        left = wanted - set(mine.by_ends())
        size = sum(abs(score) for score in (whole.flow * ours.before[whole.target]))
        flows = whole.by_ends()
        assert set(mine.by_ends()) <= wanted
        assert all(abs(flows[edge] * ours.before[edge[1]]) < 1e-12 * size for edge in left)


def test_shares_of_the_last_layer_are_nested() -> None:
    batch, _, _ = case("plain")
    last = batch.compiled.sites[-1].offset
    smaller: list[set] = [set()] * 2
    for share in (0.1, 0.3, 0.6, 1.0):
        paths = harness.selected(batch, lrp.select(batch, share=share))
        larger = [{edge for edge in path.by_ends() if edge[1] >= last} for path in paths]
        assert all(few <= many for few, many in zip(smaller, larger, strict=True))
        smaller = larger
    assert smaller[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "gamma"}, "rule='gamma' is unknown; expected one of epsilon, z_plus"),
        ({"share": 0.0}, r"share=0.0 is out of range"),
        ({"share": 1.5}, r"share=1.5 is out of range"),
        ({"share": float("nan")}, r"share=nan is out of range"),
        ({"epsilon": -1.0}, r"epsilon=-1.0 is out of range"),
    ],
)
def test_options_that_are_refused(options: dict, message: str) -> None:
    with pytest.raises(MethodError, match=message):
        lrp.select(case("plain")[0], **options)
