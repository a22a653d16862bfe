"""A trace held against a store's class pathways: what the store says of it once it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graphpath.analysis import outside_class, resemblance
from graphpath.errors import RunNotFound
from graphpath.record import Trace
from graphpath.stores import Store, open_store
from tests.synthetic import write_trace

SHARES = ["in_first", "in_second", "weighted_first", "weighted_second"]


@pytest.fixture(scope="module", params=[2, 1], ids=["min_support 2", "min_support 1"])
def held(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store, Trace, Trace]]:
    """A store with the clean run, one with the attacked run too, and both traces."""
    folder = tmp_path_factory.mktemp("it's here")
    size = {"edges_per_pathway": 40, "layers": 5, "side": 2}
    clean = write_trace(folder / "clean", run="clean", samples=16, **size)
    attacked = write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, **size)
    with open_store(folder / "one.lbdb") as one, open_store(folder / "two.lbdb") as two:
        for store, traces in ((one, [clean]), (two, [clean, attacked])):
            for trace in traces:
                store.load(trace, min_support=request.param)
        yield one, two, clean, attacked


def compared(held: tuple[Store, Store, Trace, Trace], run: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    one, two, clean, attacked = held
    trace = clean if run == "clean" else attacked
    here = resemblance(one, trace, "clean").set_index(["pathway", "layer"])
    there = two.query("adversarial/class_similarity", references=["clean"], runs=[run])
    return here, there.set_index(["pathway", "layer"])


@pytest.mark.parametrize("run", ["clean", "attacked"])
def test_it_is_what_the_query_says(held: tuple[Store, Store, Trace, Trace], run: str) -> None:
    """Members of the classes, which are left out of them first, and others."""
    here, there = compared(held, run)
    assert len(here) > 50
    both = there.reindex(here.index)
    np.testing.assert_allclose(here[SHARES].fillna(0), both[SHARES].fillna(0), atol=1e-12)
    assert (here.edges == both.edges).all()
    known = here["first"].notna()  # a class without an edge: no name here, no share there
    assert known.mean() > 0.5 and (here["first"] == both["first"])[known].all()
    gone = there.drop(here.index)
    assert (gone[SHARES].fillna(0) == 0).all(axis=None)
    assert here[SHARES].std().gt(0.02).all()


def test_edges_outside_are_those_that_the_class_lacks(held: tuple[Store, Store, Trace, Trace]) -> None:
    one, two, _, attacked = held
    found = outside_class(one, attacked, "clean")
    classes = two.query("categories/class_edges", run="clean", limit=10**6)
    edges = attacked.edges().to_table().to_pandas()
    pathways = attacked.pathways().to_table().to_pandas().set_index("sample").pathway
    named = attacked.categories().to_table().to_pandas().set_index("category").name
    predictions = attacked.predictions().to_table().to_pandas()
    first = predictions[predictions["rank"] == 1].set_index("sample").category.map(named)
    on = classes.groupby(["source", "target"]).category.agg(lambda names: sorted(set(names)))
    assert set(found["sample"]) <= set(pathways.index)
    for sample, pathway in pathways.items():
        mine = edges[edges.pathway == pathway]
        where = [on.get((e.source, e.target), []) for e in mine.itertuples()]
        lacking = mine[[first[sample] not in names for names in where]]
        told = found[found["sample"] == sample]
        assert set(zip(told.source, told.target, strict=True)) == set(
            zip(lacking.source, lacking.target, strict=True)
        )
        assert told.score.abs().is_monotonic_decreasing
        for row in told.itertuples():
            assert row.classes == on.get((row.source, row.target), [])
    neurons = two.cypher("MATCH (n:Neuron) RETURN n.id AS id, n.name AS name").set_index("id").name
    assert (found.source_name == found.source.map(neurons)).all()
    assert (found.target_name == found.target.map(neurons)).all()
    few = outside_class(one, attacked, "clean", [int(found["sample"].iloc[0])], limit=2)
    pd.testing.assert_frame_equal(few, found.head(2))


def test_a_reference_that_is_not_there_is_named(
    held: tuple[Store, Store, Trace, Trace], tmp_path: Path
) -> None:
    with pytest.raises(RunNotFound, match="'elsewhere'"):
        resemblance(held[0], held[2], "elsewhere")
