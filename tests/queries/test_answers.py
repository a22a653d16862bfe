"""Every named query's answer equals the one that pandas computes from the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from graphpath import ids, queries
from graphpath.errors import QueryParameterError
from graphpath.stores import Store
from tests.queries.answers import ANSWERS
from tests.queries.facts import Facts

Parameters = dict[str, Any]
CLEAN: Parameters = {"run": "clean"}
ATTACKED: Parameters = {"run": "attacked"}
GROUPED: Parameters = {"run": "clean", "scheme": "grouped"}
MAPS: Parameters = {"run": "clean", "unit": "map"}


def category(label: int) -> int:
    return ids.category_id("toy", label)


def pairs(facts: Facts) -> list[Parameters]:
    parents = facts.samples.parent.dropna()
    return [{"original": int(o), "derived": int(d)} for d, o in list(parents.items())[:3]]


def of_pairs(*more: Parameters) -> Callable[[Facts], Iterator[Parameters]]:
    return lambda facts: ({**pair, **extra} for pair in pairs(facts) for extra in more)


def of_samples(*more: Parameters) -> Callable[[Facts], Iterator[Parameters]]:
    return lambda facts: ({"sample": int(s), **extra} for s in facts.samples.index[[0, -1]] for extra in more)


def of_pathways(facts: Facts) -> Iterator[Parameters]:
    for pathway in facts.pathways.pathway.iloc[[0, -1]]:
        yield {"pathway": int(pathway)}
        yield {"pathway": int(pathway), "layers": [0, 3]}


def of_maps(facts: Facts) -> Iterator[Parameters]:
    visited = facts.place(facts.visits.neuron)["map"].value_counts().index
    for number in visited[[0, len(visited) // 2, -1]]:
        for more in ({}, {"by": "score"}, {"by": "score", "per": "visit"}, {"variant": "shifted"}):
            yield {**CLEAN, "map": int(number), **more}
        yield {**ATTACKED, "map": int(number), "per": "visit"}


def of_neurons(facts: Facts) -> Iterator[Parameters]:
    busiest = facts.visits.neuron.value_counts().index
    for neuron in busiest[[0, len(busiest) // 2, -1]]:
        yield {"neuron": int(neuron)}
        yield {"neuron": int(neuron), "variants": ["adversarial"]}


def of_routes(facts: Facts) -> Iterator[Parameters]:
    first = facts.steps[(facts.steps.position == 0) & (facts.steps.run == "clean")].neuron.iloc[0]
    third = facts.steps[(facts.steps.position == 2) & (facts.steps.run == "clean")].neuron.iloc[[0]]
    maps = [int(facts.place(third)["map"].iloc[0])]
    yield from (CLEAN, ATTACKED, {**CLEAN, "variants": ["adversarial"]})
    yield {**CLEAN, "pixels": [int(first)]}
    yield {**CLEAN, "maps": maps}
    yield {**CLEAN, "pixels": [int(first)], "maps": maps}


Cases = list[Parameters] | Callable[[Facts], Iterator[Parameters]]
CASES: dict[str, Cases] = {
    "runs/all": [{}],
    "verdicts/all": [{}, {"query": "categories/shared_edges"}, {"query": "pathways/hubs"}],
    "categories/shared_edges": [
        CLEAN,
        {**CLEAN, "min_categories": 1},
        {**CLEAN, "min_categories": 3, "layers": [2, 4]},
        {**CLEAN, "min_categories": 99},
        {**CLEAN, "variant": "adversarial"},
        ATTACKED,
        GROUPED,
        {**GROUPED, "min_categories": 1, "layers": [2, 4]},
        MAPS,
        {**MAPS, "scheme": "grouped", "min_categories": 1, "layers": [2, 4]},
    ],
    "categories/shared_maps": [
        CLEAN,
        {**CLEAN, "min_categories": 1, "layers": [2, 4]},
        {**CLEAN, "variant": "adversarial"},
        ATTACKED,
        {**GROUPED, "min_categories": 1},
    ],
    "categories/exclusive_edges": [
        CLEAN,
        {**CLEAN, "categories": [category(1), category(3)], "layers": [1, 4]},
        {**CLEAN, "min_share": 0.9},
        ATTACKED,
        GROUPED,
        {**MAPS, "min_share": 0.3},
        {**MAPS, "scheme": "grouped"},
    ],
    "categories/sharing": [CLEAN, ATTACKED, GROUPED, MAPS],
    "categories/class_pathways": [CLEAN, ATTACKED, GROUPED],
    "categories/schemes": [{}, {"scheme": "grouped"}],
    "categories/class_edges": [
        CLEAN,
        {**CLEAN, "labels": [1, 3], "layers": [1, 4]},
        {**ATTACKED, "variant": "adversarial"},
        ATTACKED,
        GROUPED,
        {**GROUPED, "labels": [1]},
        MAPS,
        {**MAPS, "scheme": "grouped", "layers": [2]},
    ],
    "categories/shared_neurons": [
        CLEAN,
        {**CLEAN, "min_categories": 4, "layers": [1, 3]},
        {**CLEAN, "min_categories": 1},
        ATTACKED,
        GROUPED,
        {**MAPS, "min_categories": 1},
    ],
    "categories/similarity": [
        CLEAN,
        {**CLEAN, "weights": "raw"},
        {**CLEAN, "layers": [1, 2], "categories": [category(0), category(2), category(3)]},
        {**CLEAN, "categories": [category(0)]},
        {**CLEAN, "by_layer": False},
        {**CLEAN, "min_weighted_J": 0.05},
        ATTACKED,
        GROUPED,
        MAPS,
        {**MAPS, "scheme": "grouped", "weights": "raw"},
    ],
    "categories/consistency": [
        CLEAN,
        {**CLEAN, "weights": "raw", "layers": [2, 4]},
        {**ATTACKED, "variant": "adversarial"},
        ATTACKED,
        GROUPED,
        {**GROUPED, **ATTACKED, "variant": "adversarial"},
        MAPS,
        {**MAPS, "scheme": "grouped", "weights": "raw"},
        {**ATTACKED, "variant": "adversarial", "unit": "map"},
    ],
    "adversarial/pairs": [{}],
    "adversarial/divergence": of_pairs(
        {},
        {"ratio": 1.2, "layers": [1, 3]},
        {"weights": "raw", "ratio": 10.0},
        {"derived": 1},
        {"unit": "map"},
    ),
    "adversarial/first_diverging_layer": [
        {},
        {"threshold": 0.1},
        {"threshold": 0.2, "measure": "J"},
        {"threshold": 0.0},
        {"unit": "map", "threshold": 0.3},
        {"unit": "map", "threshold": 0.5, "measure": "J"},
    ],
    "adversarial/gained_edges": of_pairs(
        {}, {"layers": [4]}, {"original": 1}, {"scheme": "grouped"}, {"unit": "map"}
    ),
    "adversarial/lost_edges": of_pairs(
        {}, {"layers": [1, 4]}, {"derived": 1}, {"scheme": "grouped"}, {"unit": "map"}
    ),
    "adversarial/class_similarity": [
        {},
        {"layers": [1, 2]},
        {"references": ["clean"]},
        {"scheme": "grouped"},
        {"scheme": "grouped", "references": ["clean"]},
        {"unit": "map"},
        {"unit": "map", "scheme": "grouped", "layers": [1, 2]},
    ],
    "pathways/layers": [CLEAN, ATTACKED],
    "pathways/neurons": of_pathways,
    "pathways/maps": of_pathways,
    "maps/examples": of_maps,
    "pathways/of_run": [CLEAN, ATTACKED, {**CLEAN, "variants": ["adversarial"]}],
    "pathways/samples": [CLEAN, ATTACKED, {**CLEAN, "variant": "adversarial"}],
    "pathways/coverage": [CLEAN, ATTACKED, {**CLEAN, "variant": "adversarial"}],
    "pathways/edges": [CLEAN, ATTACKED, {**CLEAN, "variants": ["adversarial"]}],
    "pathways/of_sample": of_samples({}),
    "pathways/largest": of_samples({}, {"k": 2}, {"k": 0}),
    "pathways/largest_overlap": [
        CLEAN,
        {**CLEAN, "k": 1},
        {**CLEAN, "by": "categories"},
        {**ATTACKED, "variant": "adversarial", "k": 3},
        {**GROUPED, "by": "categories"},
        {**MAPS, "by": "categories"},
        {**MAPS, "scheme": "grouped", "k": 3},
    ],
    "pathways/counts": [
        CLEAN,
        {**CLEAN, "by": "sample"},
        {**CLEAN, "layers": [2], "variants": ["original"]},
        {**CLEAN, "variants": ["shifted"]},
        {**ATTACKED, "by": "sample", "layers": [1, 2]},
        GROUPED,
        {**GROUPED, "by": "sample"},
    ],
    "pathways/hubs": [
        {**CLEAN, "limit": 10_000},
        {**CLEAN, "layers": [0, 2], "with_ends": True, "limit": 10_000},
        {**ATTACKED, "variants": ["adversarial"], "limit": 10_000},
        {**ATTACKED, "variants": ["original"]},
    ],
    "pathways/through_neuron": of_neurons,
    "pathways/routes": of_routes,
}
"""Parameters to ask each query with."""

SHOWN = {name for name in queries.catalogue() if name.startswith("browse/")}  # test_graph.py
WITH_GDS = {name for name, query in queries.catalogue().items() if query.needs_gds}  # contract/test_gds.py


def test_every_query_has_an_answer_and_cases() -> None:
    assert CASES.keys() == ANSWERS.keys() == queries.catalogue().keys() - SHOWN - WITH_GDS


def known(name: str, parameters: Parameters) -> Parameters:
    """What pandas is asked with: all rows, and the only variant that the attacked run holds."""
    asked = {key: value for key, value in parameters.items() if key != "limit"}
    if "variant" in queries.find(name).parameters and parameters.get("run") == "attacked":
        asked.setdefault("variant", "adversarial")
    return asked


@pytest.mark.parametrize("name", CASES)
def test_answers_agree(name: str, store: Store, facts: Facts) -> None:
    cases = CASES[name]
    lengths = []
    for parameters in cases if isinstance(cases, list) else cases(facts):
        given = {"limit": 100_000} if "limit" in queries.find(name).parameters else {}
        answer = store.query(name, **given | parameters)
        expected = ANSWERS[name](facts, **known(name, parameters))
        assert_same(answer, expected, f"{name} {parameters}")
        assert_typed(answer, name)
        lengths.append(len(answer))
    assert max(lengths) > 0, "no case of this query has an answer"


@pytest.mark.parametrize(
    ("name", "parameters", "column"),
    [
        ("categories/shared_edges", CLEAN, "categories"),
        ("categories/shared_maps", CLEAN, "categories"),
        ("categories/exclusive_edges", CLEAN, "share"),
        ("categories/shared_neurons", CLEAN, "categories"),
        ("pathways/hubs", CLEAN, "pathways"),
        ("pathways/routes", CLEAN, "log10_abs"),
    ],
)
def test_a_limit_keeps_the_first_rows(name: str, parameters: Parameters, column: str, store: Store) -> None:
    everything = store.query(name, **parameters, limit=100_000)
    assert everything[column].is_monotonic_decreasing
    pd.testing.assert_frame_equal(store.query(name, **parameters, limit=7), everything.head(7))


def test_gained_edges_come_strongest_first(store: Store, facts: Facts) -> None:
    answer = store.query("adversarial/gained_edges", **pairs(facts)[0])
    assert answer.score.abs().is_monotonic_decreasing


def test_likenesses_are_symmetric_bounded_and_one_with_itself(store: Store, facts: Facts) -> None:
    pair = pairs(facts)[0]
    there = store.query("adversarial/divergence", **pair)
    back = store.query("adversarial/divergence", original=pair["derived"], derived=pair["original"])
    for measure in ("J", "weighted_J"):
        np.testing.assert_allclose(there[measure], back[measure], rtol=1e-12)
        assert there[measure].dropna().between(0, 1).all()
    np.testing.assert_array_equal(there.gained, back.lost)
    same = store.query("categories/similarity", **CLEAN, weights="raw")
    assert same[["J", "weighted_J"]].stack().dropna().between(0, 1).all()


def test_two_empty_layers_compare_as_null(sparse: tuple[Store, Facts]) -> None:
    store, facts = sparse
    answer = store.query("categories/similarity", **CLEAN)
    assert_same(answer, ANSWERS["categories/similarity"](facts, **CLEAN), "similarity")
    assert_null_where_empty(answer, answer.edges1 + answer.edges2)
    parents = facts.samples.parent.dropna()
    frames = []
    for derived, original in parents.items():
        pair = {"original": int(original), "derived": int(derived)}
        frames.append(store.query("adversarial/divergence", **pair))
        assert_same(frames[-1], ANSWERS["adversarial/divergence"](facts, **pair), str(pair))
    answer = pd.concat(frames)
    assert_null_where_empty(answer, answer.edges_original + answer.edges_derived)


def assert_null_where_empty(answer: pd.DataFrame, edges: pd.Series) -> None:
    assert (edges == 0).any() and (edges > 0).any()
    for measure in ("J", "weighted_J"):
        np.testing.assert_array_equal(answer[measure].isna(), edges == 0)


@pytest.mark.parametrize(
    "name", ["categories/consistency", "adversarial/first_diverging_layer", "adversarial/class_similarity"]
)
def test_sparse_pathways_agree_too(name: str, sparse: tuple[Store, Facts]) -> None:
    store, facts = sparse
    parameters = CLEAN if name == "categories/consistency" else {}
    assert_same(store.query(name, **parameters), ANSWERS[name](facts, **parameters), name)


def test_the_synthetic_traces_put_the_queries_to_the_test(store: Store) -> None:
    """Were nothing shared, exclusive or fooled, the comparisons above would show little."""
    similarity = store.query("categories/similarity", **CLEAN)
    assert (similarity.shared > 0).mean() > 0.25
    assert len(store.query("categories/shared_edges", **CLEAN, min_categories=3)) > 0
    assert store.query("adversarial/pairs").fooled.nunique() == 2
    first = store.query("adversarial/first_diverging_layer", threshold=0.2)
    assert first.layer.nunique() > 1
    gained = store.query("adversarial/gained_edges", **first.iloc[0][["original", "derived"]].astype(int))
    assert gained.classes.map(len).nunique() > 1


def test_too_many_samples_are_refused_with_the_other_way_named(store: Store) -> None:
    with pytest.raises(QueryParameterError, match=r"at most max_samples=11, and there are 12.*analysis"):
        store.query("pathways/largest_overlap", **CLEAN, max_samples=11)
    with pytest.raises(QueryParameterError, match=r"at most max_samples=3, and there are 12.*analysis"):
        store.query("categories/consistency", **CLEAN, max_samples=3)


def assert_same(answer: pd.DataFrame, expected: pd.DataFrame, case: str) -> None:
    """Equal as sets of rows, in the columns that the expected frame has; floats to 1e-9."""
    assert len(answer) == len(expected), case
    if expected.empty:
        return
    columns = [column for column in answer.columns if column in expected.columns]
    assert len(columns) >= min(4, len(answer.columns)), f"{case}: hardly anything is compared"
    keys = [c for c in columns if answer[c].dtype.kind in "iu" or answer[c].dtype in ("str", "Int64")]
    one, two = (_sorted(frame[columns], keys) for frame in (answer, expected))
    for column in columns:
        if answer[column].dtype.kind == "f":
            left, right = one[column].astype(float), two[column].astype(float)
            np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-9, err_msg=f"{case}: {column}")
        else:
            left, right = (
                frame[column].astype(object).where(frame[column].notna(), None) for frame in (one, two)
            )
            assert list(left) == list(right), f"{case}: {column}"


def _sorted(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    frame = frame.reset_index(drop=True)
    order = frame[keys].apply(lambda column: column.astype(object).where(column.notna(), -1))
    return frame.loc[order.sort_values(keys).index].reset_index(drop=True) if keys else frame


DTYPES = {"int": "int64", "int?": "Int64", "float": "float64", "string": "str", "bool": "bool"}


def assert_typed(answer: pd.DataFrame, name: str) -> None:
    returns = queries.find(name).returns
    assert list(answer.columns) == list(returns)
    for column, kind in returns.items():
        assert answer[column].dtype == DTYPES.get(kind, "object"), column
