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
from tests.queries.answers import ANSWERS
from tests.queries.facts import Facts
from tests.queries.test_answers import assert_same
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


def compared(
    held: tuple[Store, Store, Trace, Trace], run: str, unit: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    one, two, clean, attacked = held
    trace = clean if run == "clean" else attacked
    here = resemblance(one, trace, "clean", unit=unit).set_index(["pathway", "layer"])
    there = two.query("adversarial/class_similarity", references=["clean"], runs=[run], unit=unit)
    return here, there.set_index(["pathway", "layer"])


@pytest.mark.parametrize("unit", ["neuron", "map"])
@pytest.mark.parametrize("run", ["clean", "attacked"])
def test_it_is_what_the_query_says(held: tuple[Store, Store, Trace, Trace], run: str, unit: str) -> None:
    """Members of the classes, which are left out of them first, and others."""
    here, there = compared(held, run, unit)
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
    one, two, clean, attacked = held
    found = outside_class(one, attacked, "clean")
    parents = attacked.samples().to_table().to_pandas().set_index("sample").parent
    edges = attacked.edges().to_table().to_pandas()
    pathways = attacked.pathways().to_table().to_pandas().set_index("sample").pathway
    named = attacked.categories().to_table().to_pandas().set_index("category").name
    predictions = attacked.predictions().to_table().to_pandas()
    first = predictions[predictions["rank"] == 1].set_index("sample").category.map(named)
    members = members_of(clean, named)
    least = int(one.query("categories/class_edges", run="clean").min_support[0])
    assert set(found["sample"]) <= set(pathways.index)
    for sample, pathway in pathways.items():
        others = members[members["sample"] != parents[sample]].groupby(["name", "source", "target"]).size()
        kept = others[others >= least].reset_index()
        on = kept.groupby(["source", "target"]).name.agg(lambda names: sorted(set(names)))
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
    assert (few.attrs["limit_reached"], found.attrs["limit_reached"]) == (True, False)


def members_of(trace: Trace, named: pd.Series) -> pd.DataFrame:
    """The edges of the class pathways' members: sample, name (of the class), source, target."""
    tables = {
        name: getattr(trace, name)().to_table().to_pandas() for name in ("samples", "pathways", "edges")
    }
    predictions = trace.predictions().to_table().to_pandas()
    first = predictions[predictions["rank"] == 1].set_index("sample").category
    frame = tables["pathways"].merge(tables["samples"][["sample", "label"]], on="sample")
    categories = trace.categories().to_table().to_pandas().set_index("label").category
    frame = frame[(frame.target == frame.label) & (frame["sample"].map(first) == frame.label.map(categories))]
    frame["name"] = frame.label.map(categories).map(named)
    return tables["edges"][["pathway", "source", "target"]].merge(frame[["pathway", "sample", "name"]])


def family_of_three(folder: Path) -> list[Trace]:
    """An original, two attacks on it, and an attack on the first of these: each a run of its own."""
    size = {"edges_per_pathway": 40, "layers": 5, "side": 2}
    clean = write_trace(folder / "clean", run="clean", samples=8, **size)
    first = write_trace(folder / "first", run="first", seed=1, adversarial_of=clean, **size)
    again = write_trace(folder / "again", run="again", seed=2, adversarial_of=first, **size)
    return [clean, first, again]


def test_all_that_derives_from_one_original_is_left_out(tmp_path: Path) -> None:
    """Whatever is loaded first, but an attack on attacked images after these; and of a trace not loaded."""
    clean, first, again = family_of_three(tmp_path)
    facts = Facts((clean, first, again), 1)
    expected = ANSWERS["adversarial/class_similarity"](facts, references=["clean"])
    for number, order in enumerate([(clean, first, again), (first, again, clean)]):
        with open_store(tmp_path / f"{number}.lbdb") as store:
            for trace in order:
                store.load(trace, min_support=1)
            answer = store.query("adversarial/class_similarity", references=["clean"])
            assert_same(answer, expected, f"order {number}")
            if number == 0:
                own = expected.set_index(["pathway", "layer"])
                for trace in (first, again):
                    here = resemblance(store, trace, "clean").set_index(["pathway", "layer"])
                    wanted = own.reindex(here.index)
                    np.testing.assert_allclose(here[SHARES].fillna(0), wanted[SHARES].fillna(0), atol=1e-9)


def test_a_reference_that_is_not_there_is_named(
    held: tuple[Store, Store, Trace, Trace], tmp_path: Path
) -> None:
    with pytest.raises(RunNotFound, match="'elsewhere'"):
        resemblance(held[0], held[2], "elsewhere")
