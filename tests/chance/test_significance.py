"""Queries' tables with what chance gives beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import graphpath as gp
from graphpath.chance.ask import HUBS, NULLS, _compare_rows
from graphpath.chance.hubs import Hubs
from graphpath.chance.independent import hypergeometric
from graphpath.chance.overlap import NullDistribution
from graphpath.chance.rows import ComparedRows, compare_by_draws, compare_by_formula
from graphpath.chance.sets import SETS, RunTraces, count_passing
from graphpath.data import open_images
from graphpath.errors import QueryFileError, QueryParameterError, RecordError
from graphpath.models import LoadedModel
from graphpath.queries import bind_parameters
from graphpath.stores import Store
from tests.queries.facts import GROUPED, grouping
from tests.synthetic import write_trace

ADDED = ["expected", "z", "p", "q"]
NO_HUBS = Hubs(np.empty(0, np.int64), np.empty(0, np.int64), 0, drop=True, share=1.0)
QUICK: dict[str, Any] = {"draws": 19, "sweeps": 10}


@dataclass(frozen=True)
class World:
    store: Store
    pair: dict[str, int]

    def given(self, name: str) -> dict[str, Any]:
        return self.pair if name == "adversarial/divergence" else {"run": "clean"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("significance")
    clean = write_trace(folder / "clean", run="clean", samples=24, side=3, routes=6)
    attacked = write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, side=3)
    with gp.open(folder / "store.lbdb") as store:
        for trace in (clean, attacked):
            store.load(trace, min_support=2, categories=grouping())
        first = store.query("adversarial/pairs", limit=1).iloc[0]
        yield World(store, {"original": int(first.original), "derived": int(first.derived)})


@pytest.mark.parametrize("hubs", [None, *HUBS])
@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("name", SETS)
def test_the_table_is_the_querys_with_columns_more(
    name: str, null: str, hubs: str | None, world: World
) -> None:
    given = world.given(name)
    plain = world.store.query(name, **given)
    table = gp.significance(world.store, name, null=null, hubs=hubs, hub_share=1.0, **QUICK, **given)
    pd.testing.assert_frame_equal(table[plain.columns.tolist()], plain)
    assert table.columns.tolist() == [*plain.columns, *(["overlap"] if hubs else []), *ADDED]
    tested = table[table.p.notna()]
    assert len(tested)
    assert tested.p.between(0, 1).all() and tested.q.between(0, 1).all()
    assert (tested.q >= tested.p - 1e-12).all()


OVERLAP = {
    "categories/similarity": "J",
    "categories/consistency": "J_within",
    "adversarial/divergence": "J",
    "pathways/largest_overlap": "J",
    "categories/shared_edges": "categories",
}


ASKED = [
    *((name, unit) for unit in ({}, {"unit": "map"}) for name in SETS),
    *((name, {"scheme": GROUPED}) for name in SETS if name != "adversarial/divergence"),
]


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize(("name", "more"), ASKED)
def test_what_is_tested_is_what_the_query_says(
    name: str, more: dict[str, str], null: str, world: World
) -> None:
    given = {**world.given(name), **more}
    bound = bind_parameters(world.store, name, **given)
    sets, table = SETS[name](RunTraces(world.store), bound), world.store.query(name, **given)
    tested = _compare_rows(name, table, sets, NO_HUBS, NullDistribution(null, 3, 1, 0))
    known = ~np.isnan(tested.overlap)
    assert known.any()
    np.testing.assert_allclose(tested.overlap[known], table[OVERLAP[name]][known])


def hubs_of(world: World, name: str, given: dict[str, Any]) -> Hubs:
    bound = bind_parameters(world.store, name, **given)
    return Hubs(*count_passing(RunTraces(world.store), bound), drop=True, share=1.0)


@pytest.mark.parametrize("unit", ["neuron", "map"])
@pytest.mark.parametrize("name", ["categories/similarity", "adversarial/divergence"])
def test_the_independent_null_of_one_layer_is_the_hypergeometric(name: str, unit: str, world: World) -> None:
    given = {**world.given(name), "unit": unit}
    table = gp.significance(world.store, name, null="independent", **given)
    sets = SETS[name](RunTraces(world.store), bind_parameters(world.store, name, **given))
    one, two = ("edges1", "edges2") if "edges1" in table else ("edges_original", "edges_derived")
    layers = table[table.layer > 0]
    assert len(layers) > 3
    for row in layers.to_dict("records"):
        law = stats.hypergeom(sets.reach[row["layer"]].count, row[one], row[two])
        assert row["p"] == pytest.approx(law.sf(row["shared"] - 1), rel=1e-6)
        mean = row[one] * row[two] / sets.reach[row["layer"]].count
        chance = mean / (row[one] + row[two] - mean)
        assert row["expected_J"] == pytest.approx(chance)
        assert row["expected"] == pytest.approx(chance, rel=0.05, abs=0.02)
    first = table[table.layer == -1].iloc[0]
    mine = layers.iloc[: len(sets.reach)]
    law = np.ones(1)
    for row in mine.to_dict("records"):
        chances = stats.hypergeom(sets.reach[row["layer"]].count, row[one], row[two])
        law = np.convolve(law, chances.pmf(np.arange(min(row[one], row[two]) + 1)))
    assert (mine.shared.sum(), mine[one].sum()) == (first.shared, first[one])
    assert first.p == pytest.approx(law[first.shared :].sum(), rel=1e-6)


def test_formula_and_draws_agree(world: World) -> None:
    """The independent null by its formula, and by drawing: dividing by 1 is no discount."""
    for name in ("categories/similarity", "categories/consistency", "pathways/largest_overlap"):
        bound = bind_parameters(world.store, name, run="clean")
        sets, table = SETS[name](RunTraces(world.store), bound), world.store.query(name, run="clean")
        rows = ComparedRows.from_table(name, table, sets)
        exact = compare_by_formula(rows, sets, NO_HUBS)
        drawn = compare_by_draws(rows, sets, NO_HUBS, NullDistribution("independent", 250, 1, 3))
        np.testing.assert_allclose(exact.overlap, drawn.overlap)
        known = ~np.isnan(exact.z) & ~np.isnan(drawn.z)
        assert known.any()
        spread = (drawn.overlap - drawn.expected)[known] / drawn.z[known]
        assert (abs(exact.expected - drawn.expected)[known] < 5 * spread / np.sqrt(250) + 1e-3).all()
        deviation = (exact.overlap - exact.expected)[known] / exact.z[known]
        often = exact.expected[known] > deviation  # of rare events 250 draws tell too little
        assert often.any()
        np.testing.assert_allclose(deviation[often], spread[often], rtol=0.25)


def test_an_edge_that_all_share_is_unlikely(world: World) -> None:
    table = gp.significance(world.store, "categories/shared_edges", null="independent", run="clean")
    sets = SETS["categories/shared_edges"](
        RunTraces(world.store), bind_parameters(world.store, "categories/shared_edges", run="clean")
    )
    row = table.iloc[0]
    rates = sets.count_edges(row.layer) / sets.reach[row.layer].count
    if row.categories == len(rates):
        assert row.p == pytest.approx(np.prod(rates))
    assert row.expected == pytest.approx(rates.sum())
    assert table.p.is_monotonic_increasing or table.layer.nunique() > 1


def test_q_counts_the_pairs_that_are_not_shown(world: World) -> None:
    asked: dict[str, Any] = {"run": "clean", "null": "independent", "by_layer": False}
    every = gp.significance(world.store, "categories/similarity", **asked)
    least = float(every.weighted_J.sort_values().iloc[-2])
    some = gp.significance(world.store, "categories/similarity", min_weighted_J=least, **asked)
    assert len(some) == 2 < len(every) == 6
    shown = some.sort_values("p")
    np.testing.assert_allclose(shown.q.iloc[-1], min(1.0, shown.p.iloc[-1] * 6 / 2))


def test_possible_edges_without_hubs_are_counted_between_maps_too(world: World) -> None:
    given = {"run": "clean", "unit": "map"}
    hubs = hubs_of(world, "categories/similarity", given)
    few = replace(hubs, neurons=hubs.neurons[1::3], categories=hubs.categories[1::3])
    assert len(few.hubs) > 0
    sets = SETS["categories/similarity"](
        RunTraces(world.store), bind_parameters(world.store, "categories/similarity", **given)
    )
    kept, every = 0, 0
    for layer in sets.reach.values():
        source, target = layer.list_all()
        assert few.count_possible(layer) == few.mark_kept(source, target).sum()
        kept, every = kept + few.count_possible(layer), every + layer.count
    assert 0 < kept < every


def test_dropped_hubs_are_in_neither_overlap_nor_null(world: World) -> None:
    given = {"run": "clean"}
    hubs = hubs_of(world, "categories/similarity", given)
    assert len(hubs.hubs) > 0
    sets = SETS["categories/similarity"](
        RunTraces(world.store), bind_parameters(world.store, "categories/similarity", **given)
    )
    for layer in sets.reach.values():
        source, target = layer.list_all()
        assert hubs.count_possible(layer) == hubs.mark_kept(source, target).sum()
    table = gp.significance(
        world.store, "categories/similarity", null="independent", hubs="drop", hub_share=1.0, **given
    )
    left = hubs.drop_hubs(sets)
    first = table[table.layer == 1].iloc[0]
    names = sets.owners.name.tolist()
    pair = [names.index(first.category1), names.index(first.category2)]
    edges = [
        {
            (s, t)
            for o, la, s, t in zip(left.owner, left.layer, left.source, left.target, strict=True)
            if o == i and la == 1
        }
        for i in pair
    ]
    law = hypergeometric(len(edges[0]), len(edges[1]), hubs.count_possible(sets.reach[1]))
    assert first.p == pytest.approx(law.tail_probability(len(edges[0] & edges[1])))
    either = len(edges[0] | edges[1])
    assert (
        np.isnan(first.overlap)
        if not either
        else first.overlap == pytest.approx(len(edges[0] & edges[1]) / either)
    )


def test_the_same_seed_gives_the_same_answer(world: World) -> None:
    asked: dict[str, Any] = {"run": "clean", **QUICK}
    one, two = (gp.significance(world.store, "categories/similarity", **asked) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    other = gp.significance(world.store, "categories/similarity", seed=1, **asked)
    assert not one.expected.equals(other.expected)


@pytest.mark.parametrize("name", ["categories/similarity", "categories/shared_edges"])
def test_progress_counts_the_draws(name: str, world: World) -> None:
    seen: list[tuple[int, int]] = []
    gp.significance(
        world.store,
        name,
        **QUICK,
        progress=lambda done, total: seen.append((done, total)),
        **world.given(name),
    )
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(set(done)) and len(set(totals)) == 1
    # Layers without an edge that is shown are not drawn.
    assert done[-1] == totals[0] if name == "categories/similarity" else done[-1] <= totals[0]
    assert totals[0] % QUICK["draws"] == done[-1] % QUICK["draws"] == 0


def test_a_trace_is_asked_as_a_store_is(world: World) -> None:
    trace = RunTraces(world.store).open_trace("clean")
    table = gp.significance(trace, "categories/similarity", **QUICK)
    assert table.p.notna().any()


@pytest.fixture(scope="module")
def digits(
    digits_model: Callable[[int], LoadedModel], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], gp.Trace]:
    folder = tmp_path_factory.mktemp("digits")

    def traced(method: str) -> gp.Trace:
        images = open_images("digits", split="test", limit=100)
        return gp.trace(digits_model(0), images, method=method, max_edges=2000, out=folder / method)

    return traced


@pytest.mark.slow
def test_pathways_of_one_class_overlap_by_more_than_chance(digits: Callable[[str], gp.Trace]) -> None:
    """J within classes .169, by shuffles .074; of class pathways .115, .039. All p are the least there is."""
    options: dict[str, Any] = {"draws": 39, "sweeps": 20}
    with_shuffles = gp.significance(digits("effective_path"), "categories/consistency", **options)
    hidden = with_shuffles[with_shuffles.layer < 4]
    assert (hidden.p == 1 / 40).all() and (hidden.q < 0.05).all()
    assert (hidden.J_within > hidden.expected).all()
    assert with_shuffles[with_shuffles.layer == 4].p.item() == 1  # a logit's edges cannot be shuffled
    between = gp.significance(digits("effective_path"), "categories/similarity", layers=[1, 2], **options)
    assert (between.q < 0.05).mean() > 0.9


@pytest.mark.slow
def test_pathways_of_random_neurons_do_not(digits: Callable[[str], gp.Trace]) -> None:
    """Against shuffles none of 45 pairs of classes is significant, against independent sets 71 %: neurons in
    common bring edges in common, which the null of independent edges does not know.
    """
    with gp.open(digits("random").path.parent / "random.lbdb") as store:
        store.load(digits("random"))
        asked: dict[str, Any] = {"by_layer": False}
        shuffled = gp.significance(store, "categories/similarity", draws=39, sweeps=20, **asked)
        free = gp.significance(store, "categories/similarity", null="independent", **asked)
    assert len(shuffled) == 45
    assert (shuffled.q < 0.05).sum() == 0 and (shuffled.p > 0.05).mean() > 0.85
    assert (free.q < 0.05).mean() > 0.4


@pytest.mark.parametrize(
    "given",
    [
        {"null": "uniform"},
        {"hubs": "remove"},
        {"correction": "bonferroni"},
        {"draws": 0},
        {"sweeps": 0},
        {"hub_share": 0.0},
    ],
)
def test_options_that_are_none_are_refused(given: dict[str, Any], world: World) -> None:
    with pytest.raises(QueryParameterError, match=next(iter(given))):
        gp.significance(world.store, "categories/similarity", run="clean", **given)


def test_queries_without_sets_are_refused(world: World) -> None:
    with pytest.raises(QueryParameterError, match="compares no sets"):
        gp.significance(world.store, "pathways/hubs", run="clean")
    with pytest.raises(QueryFileError, match="did you mean"):
        gp.significance(world.store, "categories/similar", run="clean")


def test_a_trace_that_went_away_is_named(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "there", samples=8)
    with gp.open(tmp_path / "store.lbdb") as store:
        store.load(trace)
        (tmp_path / "there").rename(tmp_path / "elsewhere")
        with pytest.raises(RecordError, match="no longer"):
            gp.significance(store, "categories/similarity")
        write_trace(tmp_path / "there", run="another", samples=8)
        with pytest.raises(RecordError, match="now holds run 'another'"):
            gp.significance(store, "categories/similarity")


def test_a_trace_that_does_not_say_what_is_possible_is_refused(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "old", samples=8, reach=False)
    for null in NULLS:
        with pytest.raises(RecordError, match="trace again"):
            gp.significance(trace, "categories/similarity", null=null)


def test_an_empty_answer_stays_empty(world: World) -> None:
    table = gp.significance(world.store, "categories/shared_edges", run="clean", min_categories=99)
    assert table.empty and table.columns.tolist()[-4:] == ADDED
