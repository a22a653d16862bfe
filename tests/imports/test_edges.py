"""Edge lists: whatever their columns are called, the graph is the one that their rows say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.errors import DataError
from graphpath.imports import EdgeMapping, import_edges
from graphpath.record import Trace
from graphpath.stores import open_store

MAPPING = """
name = "toy"
[columns]
category = "class"
source_layer = "from"
source_channel = "unit"
target_layer = "to"
target_channel = "into"
weight = "w"
"""
ROWS = pd.DataFrame(
    [
        ("cat", "conv2", 7, "fc", "ears", 0.5),
        ("cat", "conv1", 3, "conv2", 7, -2.0),
        ("dog", "conv1", 3, "conv2", 7, 1.5),
        ("dog", "conv1", 3, "fc", "tail", 4.0),
    ],
    columns=["class", "from", "unit", "to", "into", "w"],
)


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING)
    return path


def read_back(trace: Trace) -> set[tuple[Any, ...]]:
    """(class, layer, channel, layer, channel, weight) of every edge recorded, channels by name."""
    layers = trace.layers().to_table().to_pandas()
    named = trace.dataset("maps").to_table().to_pandas().set_index("map").name

    def called(neuron: int) -> tuple[str, str]:
        layer = layers[layers.offset <= neuron].iloc[-1]
        own = str(named.get(neuron, f"{layer['name']} {neuron - layer.offset}"))
        return layer["name"], own.removeprefix(f"{layer['name']} ")

    classes = trace.categories().to_table().to_pandas().set_index("label").name
    pathways = trace.pathways().to_table().to_pandas().set_index("pathway").target
    return {
        (classes[pathways[row.pathway]], *called(row.source), *called(row.target), row.score)
        for row in trace.edges().to_table().to_pandas().itertuples(index=False)
    }


def expected(rows: pd.DataFrame) -> set[tuple[Any, ...]]:
    texts = rows.astype({"unit": str, "into": str})
    return {(*row[:5], np.float32(row[5])) for row in texts.itertuples(index=False, name=None)}


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_every_row_is_an_edge(ending: str, mapping: Path, tmp_path: Path) -> None:
    file, rows = tmp_path / f"edges{ending}", ROWS.astype({"into": str})
    if ending == ".parquet":
        rows.to_parquet(file)
    else:
        rows.to_csv(file, index=False, sep="\t" if ending == ".tsv" else ",")
    trace = import_edges([file], mapping, out=tmp_path / "trace")
    assert read_back(trace) == expected(ROWS)
    assert trace.layers().to_table()["name"].to_pylist() == ["conv1", "conv2", "fc"]
    assert trace.run["min_support"] == 1


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_edges_come_back(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("edges")
    layer = st.integers(0, 3)
    channel = data.draw(
        st.sampled_from([st.integers(0, 5), st.integers(-9, 2**40), st.text("ab ,é", min_size=1)])
    )
    ends = st.tuples(layer, layer).filter(lambda pair: pair[0] < pair[1])
    edge = st.tuples(st.sampled_from(["a", "b"]), ends, channel, channel)
    found = data.draw(st.lists(edge, min_size=1, max_size=30, unique=True))
    weights = data.draw(
        st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=len(found), max_size=len(found))
    )
    rows = pd.DataFrame(
        [(c, f"L{a}", s, f"L{b}", t, w) for (c, (a, b), s, t), w in zip(found, weights, strict=True)],
        columns=ROWS.columns,
    )
    rows.to_parquet(folder / "edges.parquet")
    trace = import_edges([folder / "edges.parquet"], EdgeMapping.from_value(tomled()), out=folder / "trace")
    assert read_back(trace) == expected(rows)
    assert trace.counts["edges"] == len(rows)


def tomled() -> dict[str, Any]:
    import tomllib

    return tomllib.loads(MAPPING)


def test_names_are_in_the_graph_and_queries_answer(mapping: Path, tmp_path: Path) -> None:
    ROWS.astype({"into": str}).to_csv(tmp_path / "edges.csv", index=False)
    trace = import_edges([tmp_path / "edges.csv"], mapping, out=tmp_path / "trace")
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        shared = store.query("categories/shared_maps")
        assert (shared.source_name[0], shared.target_name[0]) == ("conv1 3", "conv2 7")
        assert shared.weight[0] == pytest.approx((2.0 + 1.5) / 2)
        names = set(store.cypher("MATCH (n:Neuron) RETURN n.name AS name").name)
        assert names == {"conv1 3", "conv2 7", "fc ears", "fc tail"}
        likeness = store.query("categories/similarity", by_layer=False).iloc[0]
        assert (likeness.shared, likeness.edges1, likeness.edges2, likeness.J) == (1, 2, 2, 1 / 3)
        # By layer: conv2 is all of both (1 of 1); fc shares nothing (0 of 2).
        assert likeness.weighted_J == pytest.approx(1 / 3)


def test_samples_are_pathways_and_support_counts_them(tmp_path: Path) -> None:
    rows = [("cat", sample, "a", 0, "b", unit, 1.0) for sample in ("x", "y", "z") for unit in range(3)]
    names = ["class", "image", "from", "unit", "to", "into", "w"]
    frame = pd.DataFrame(rows, columns=names).iloc[:-1]  # z lacks the edge to 2
    frame.to_csv(tmp_path / "edges.csv", index=False)
    given = tomled()
    given["columns"]["sample"] = "image"
    trace = import_edges([tmp_path / "edges.csv"], given, out=tmp_path / "trace")
    assert trace.counts["pathways"] == 3 and "min_support" not in trace.run
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace, min_support=3)
        support = store.query("categories/shared_edges", min_categories=1)
        assert support.support.tolist() == [3, 3]
        assert store.query("categories/consistency").pairs_within.tolist() == [3, 3]


def test_numbers_are_labels_and_names_get_them(mapping: Path, tmp_path: Path) -> None:
    rows = ROWS.astype({"into": str}).assign(**{"class": [3, 3, 8, 8]})
    rows.to_csv(tmp_path / "edges.csv", index=False)
    first = import_edges([tmp_path / "edges.csv"], mapping, out=tmp_path / "first")
    assert first.categories().to_table()["label"].to_pylist() == [3, 8]
    given = {**tomled(), "classes": ["bird", "dog", "cat"], "network": "net", "scheme": "animals"}
    ROWS.astype({"into": str}).to_csv(tmp_path / "named.csv", index=False)
    second = import_edges([tmp_path / "named.csv"], given, out=tmp_path / "second")
    assert second.samples().to_table()["label"].to_pylist() == [2, 1]
    assert second.categories().to_table()["scheme"].to_pylist() == ["animals"] * 3
    assert second.run["model"]["name"] == "net"


def _set(*keys: str, to: object):
    def change(value: dict[str, Any]) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to

    return change


WRONG = {
    "unknown key": (_set("colums", to={}), r"unknown key 'colums'; did you mean 'columns'\?"),
    "unknown column key": (
        _set("columns", "wieght", to="w"),
        r"columns has the unknown key 'wieght'; did you",
    ),
    "no columns": (lambda value: value.pop("columns"), "lacks 'columns'"),
    "an end less": (lambda value: value["columns"].pop("target_layer"), "columns lacks 'target_layer'"),
    "no text": (_set("columns", "weight", to=3), "'weight' should be a text, not 3"),
    "no list": (_set("layers", to="conv1"), "'layers' should be a list of different texts"),
    "an unknown column": (
        _set("columns", "weight", to="strength"),
        "no column 'strength', .* 'weight'; it has class",
    ),
    "a layer less": (_set("layers", to=["conv1", "fc"]), "'layers' lacks 'conv2'"),
    "backward": (_set("layers", to=["fc", "conv2", "conv1"]), "from 'conv2' to 'fc' do not run forward"),
    "a class less": (_set("classes", to=["cat"]), "'classes' lacks 'dog'"),
    "text for a weight": (
        _set("columns", "weight", to="class"),
        "line 2 has the 'weight' 'cat', which is no number",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("kind", ["toml", "json"])
def test_a_wrong_mapping_is_named_and_nothing_is_left(wrong: str, kind: str, tmp_path: Path) -> None:
    change, said = WRONG[wrong]
    value = tomled()
    change(value)
    ROWS.astype({"into": str}).to_csv(tmp_path / "edges.csv", index=False)
    mapping = tmp_path / f"mapping.{kind}"
    mapping.write_text(json.dumps(value) if kind == "json" else tomled_text(value))
    with pytest.raises(DataError, match=said) as error:
        import_edges([tmp_path / "edges.csv"], mapping, out=tmp_path / "out" / "trace")
    assert mapping.name in str(error.value) or "edges.csv" in str(error.value)
    assert not (tmp_path / "out").exists()


def tomled_text(value: dict[str, Any]) -> str:
    """``value`` as TOML: JSON's texts, lists and numbers are TOML's too."""
    columns = value.get("columns", {})
    top = [f"{key} = {json.dumps(one)}" for key, one in value.items() if not isinstance(one, dict)]
    tables = [f"[{key}]" for key, one in value.items() if isinstance(one, dict) and key != "columns"]
    rows = (
        ["[columns]", *(f"{key} = {json.dumps(one)}" for key, one in columns.items())]
        if "columns" in value
        else []
    )
    return "\n".join([*top, *tables, *rows])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.assign(w=[1, None, 2, 3]), "line 3 has no 'weight'"),
        (lambda rows: rows.assign(w=[1, 2, 1e300, 3]), "line 4 has the 'weight' '1e"),
        (
            lambda rows: pd.concat([rows, rows.iloc[[2]]]),
            r"line 6 has the edge conv1 \[3\] -> conv2 \[7\] .*'dog' again",
        ),
        (lambda rows: rows.assign(to=["conv1", "conv2", "conv2", "fc"]), "circle of layers"),
        (lambda rows: rows.iloc[:0], "there are no edges"),
        (lambda rows: rows.assign(**{"class": [-1, 2, 3, 4]}), "number is from 0"),
    ],
)
def test_a_wrong_list_is_named(change, said: str, mapping: Path, tmp_path: Path) -> None:
    change(ROWS.astype({"into": str})).to_csv(tmp_path / "edges.csv", index=False)
    with pytest.raises(DataError, match=said):
        import_edges([tmp_path / "edges.csv"], mapping, out=tmp_path / "trace")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("name", ["edges.xls", "edges.parquet", "none.csv"])
def test_a_file_of_another_kind_is_refused(name: str, mapping: Path, tmp_path: Path) -> None:
    if name != "none.csv":
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=name):
        import_edges([tmp_path / name], mapping, out=tmp_path / "trace")
