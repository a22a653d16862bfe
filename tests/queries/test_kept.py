"""Where pathways have kept little of their score, an answer that compares them says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import graphpath as gp
from graphpath import queries
from graphpath.queries import kept
from graphpath.queries.units import MAP, NEURON, has_units
from graphpath.queries.variants import NOTES
from graphpath.stores import Store
from tests.synthetic import write_trace

COMPARING = [
    name
    for name, query in queries.catalogue().items()
    if has_units(query.parameters) and "run" in query.parameters
]


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run whose pathways have kept a quarter."""
    folder = tmp_path_factory.mktemp("cut")
    with gp.open(folder / "store.lbdb") as store:
        store.load(write_trace(folder / "trace", run="clean", samples=4))
        store.cypher("MATCH (p:Pathway) SET p.coverage = 0.25", write=True)
        yield store


def read_notes(store: Store, name: str, **parameters: object) -> str:
    return " ".join(store.query(name, run="clean", **parameters).attrs[NOTES])


@pytest.mark.parametrize("unit", [NEURON, MAP])
@pytest.mark.parametrize("name", COMPARING)
def test_it_is_said_at_both_grains(name: str, unit: str, cut: Store) -> None:
    assert "have kept 25% of the absolute score" in read_notes(cut, name, unit=unit)


@pytest.mark.parametrize("name", COMPARING)
def test_it_is_not_said_of_pathways_that_are_nearly_whole(name: str, store: Store) -> None:
    assert "have kept" not in read_notes(store, name)


def test_queries_that_compare_nothing_do_not_say_it(cut: Store) -> None:
    assert "have kept" not in read_notes(cut, "pathways/of_run")


def test_it_is_the_mean_over_pathways_of_all_variants() -> None:
    frame = pd.DataFrame({"pathways": [1, 3], "coverage": [0.9, 0.5]})
    assert "have kept 60% " in kept.describe_coverage(frame)[0]
    assert kept.describe_coverage(frame.assign(coverage=kept.ENOUGH)) == []
    assert kept.describe_coverage(frame[:0]) == []


def test_a_budget_is_said(tmp_path: Path) -> None:
    """Of a traced network: the share that its record states."""
    pytest.importorskip("torch")
    from tests.tracing import nets

    make, shape = nets.NETS["plain"]
    images = nets.images(shape, 3, seed=1)
    with gp.open(tmp_path / "store.lbdb") as store:
        for name, edges in (("little", 10), ("whole", None)):
            network = nets.randomised(make(), 0)
            trace = gp.trace(network, images, theta=0.95, max_edges=edges, name=name, out=tmp_path / name)
            store.load(trace)
            share = trace.pathways().to_table()["coverage"].to_numpy().astype(float).mean()
            said = " ".join(store.query("categories/consistency", run=name).attrs[NOTES])
            assert (f"have kept {share:.0%} of" in said) == (edges is not None)
