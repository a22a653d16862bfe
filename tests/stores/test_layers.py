"""What layers say of themselves: titles and fields; a later load brings fields that an earlier knew not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from graphpath.record import Trace
from graphpath.stores import Store, open_store
from graphpath.stores.layers import FIELDS, describe_layers
from tests.synthetic import write_trace

SAID = ", ".join(f"l.{name} AS {name}" for name in ("title", *FIELDS.values()))
READ = f"MATCH (l:Layer) RETURN l.number AS layer, {SAID}"


def read(store: Store) -> pd.DataFrame:
    return store.execute(f"{READ} ORDER BY layer").to_pandas()


def expected(trace: Trace) -> pd.DataFrame:
    """Read off the record's table one place at a time."""
    fields, rows = trace.fields().to_table().to_pandas(), []
    for layer in trace.layers().to_table().to_pylist():
        row: dict[str, object] = {"layer": layer["layer"]}
        for (axis, end), name in FIELDS.items():
            mine = fields[(fields.layer == layer["layer"]) & (fields.axis == axis)].set_index("place")[end]
            size = layer["height" if axis == "y" else "width"]
            row[name] = [int(mine[place]) for place in range(size)]
        rows.append(row)
    return pd.DataFrame(rows)


def check(found: pd.DataFrame, trace: Trace) -> None:
    assert found.title.tolist() == ["input", "conv 1", "conv 2", "conv 3", "logits"]
    wanted = expected(trace)
    for name in FIELDS.values():
        assert [*map(list, found[name])] == wanted[name].tolist()


def test_layers_say_what_their_neurons_see(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "a", run="a", samples=3)
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        check(read(store), trace)


def test_a_trace_that_knows_no_fields_has_titles_and_a_later_one_adds_them(tmp_path: Path) -> None:
    plain = write_trace(tmp_path / "a", run="a", samples=3, reach=False)
    assert describe_layers(plain).schema.field("first_rows").type == pa.list_(pa.int64())
    knows = write_trace(tmp_path / "b", run="b", samples=3, seed=5)
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(plain)
        found = read(store)
        assert found.title.tolist()[:2] == ["input", "conv 1"]
        assert found[[*FIELDS.values()]].isna().all(axis=None)
        store.load(knows)
        check(read(store), knows)
