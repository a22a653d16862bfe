"""Where neurons of different images hardly meet, an answer between them says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import graphpath as gp
from graphpath import queries
from graphpath.queries import meeting
from graphpath.queries.units import MAP, NEURON, has_units
from graphpath.queries.variants import NOTES
from graphpath.stores import Store
from tests.synthetic import write_trace

WITH_UNITS = [name for name, query in queries.catalogue().items() if has_units(query.parameters)]
OF_CLASSES = [name for name in WITH_UNITS if name.startswith("categories/") and name != meeting.LEVELS]


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Few edges in wide layers: two pathways share hardly one, but their feature maps."""
    folder = tmp_path_factory.mktemp("apart")
    trace = write_trace(folder / "trace", run="clean", samples=12, side=12, edges_per_pathway=40)
    with gp.open(folder / "store.lbdb") as store:
        store.load(trace)
        yield store


def read_notes(store: Store, name: str, **parameters: object) -> str:
    return " ".join(store.query(name, run="clean", **parameters).attrs[NOTES])


@pytest.mark.parametrize("name", [meeting.LEVELS, *OF_CLASSES])
def test_it_is_said_between_neurons_alone(name: str, apart: Store) -> None:
    said = read_notes(apart, name)
    assert "Neurons of different images hardly meet" in said and "unit=map" in said
    assert "meet" not in read_notes(apart, name, unit="map")


@pytest.mark.parametrize("name", [meeting.LEVELS, *OF_CLASSES])
def test_it_is_not_said_where_they_meet(name: str, store: Store) -> None:
    assert "meet" not in read_notes(store, name)


def test_what_is_said_are_the_answers_own_numbers(apart: Store) -> None:
    frame = apart.query(meeting.LEVELS, run="clean")
    row = frame[frame.layer == -1].iloc[0]
    assert f"share {row.J_within:.1%} of their edges" in read_notes(apart, meeting.LEVELS)
    assert row.J_within < meeting.FEW
    maps = apart.query(meeting.LEVELS, run="clean", unit="map")
    assert maps[maps.layer == -1].J_within.iloc[0] > 3 * row.J_within


def test_one_image_a_category_says_nothing_of_them() -> None:
    frame = pd.DataFrame(
        {"layer": [-1], "pairs_within": [0], "J_within": [float("nan")], "J_between": [0.001]}
    )
    assert meeting.describe_pathways(frame) == []


def test_a_report_of_such_a_store_asks_feature_maps(apart: Store, store: Store) -> None:
    from graphpath.report.reader import RunReader
    from graphpath.report.sections.classes import describe_answer

    reader = RunReader(apart)
    assert reader.unit == MAP
    assert reader.ask("categories/similarity", run=reader.run).parameters["unit"] == MAP
    assert "So pathways are compared by their feature maps" in describe_answer(reader)
    assert RunReader(store, "clean").unit == NEURON


def test_a_text_for_feature_maps_names_no_neuron() -> None:
    for name in WITH_UNITS:
        for dialect in ("ladybug", "neo4j"):
            body = queries.find(name).text_for(dialect, MAP).split(":params")[1]
            code = "\n".join(line for line in body.splitlines() if not line.startswith("//"))
            code = code.replace("(:Neuron)-[:IN_MAP]->", "")  # from a route's neurons to their maps
            assert ":Neuron" not in code and ":FLOWS_TO]" not in code and "'neuron'" not in code, name
            assert any(kind in code for kind in ("FLOWS_TO", "RESEMBLES", "SHARES", "STEP")), name


def test_a_printed_query_is_between_what_was_asked(apart: Store) -> None:
    text = apart.explain("categories/sharing", run="clean", unit="map")
    assert ":MAP_FLOWS_TO]" in text and "unit:" not in text.splitlines()[0]
    assert ":CLASS_FLOWS_TO]" in apart.explain("categories/sharing", run="clean")


def test_queries_of_ones_own_may_have_a_parameter_of_that_name(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "sizes.cypher").write_text(
        """// Neurons of a size
//
// param unit string = "px": how it is called
// returns: neurons int, unit string
// :params {unit: "px"}

MATCH (n:Neuron)
RETURN count(*) AS neurons, $unit AS unit
"""
    )
    with gp.open(tmp_path / "store.lbdb", queries=tmp_path) as store:
        store.load(write_trace(tmp_path / "trace"))
        assert store.query("mine/sizes", unit="mm").unit.tolist() == ["mm"]
