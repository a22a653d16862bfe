"""What a graph's layers say of themselves beside their shapes: titles, and the fields of their neurons."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import pyarrow as pa

from graphpath.record import Trace
from graphpath.stores.session import Session
from graphpath.titles import name_layers

FIELDS: Final = {
    ("y", "first"): "first_rows",
    ("y", "last"): "last_rows",
    ("x", "first"): "first_columns",
    ("x", "last"): "last_columns",
}
"""The property of ``Layer`` for an axis and an end."""

INCOMPLETE: Final = """
MATCH (l:Layer) WHERE l.model = $model AND l.first_rows IS NULL RETURN l.number AS layer
"""
SAY: Final = "MATCH (l:Layer) WHERE l.model = $model AND l.number = $layer SET "


def describe_layers(trace: Trace) -> pa.Table:
    """The columns layer, title and the four of ``FIELDS``, lists of int64, null where the trace has none."""
    layers = trace.layers().to_table(columns=["layer", "name", "kind"]).to_pydict()
    fields = _list_fields(trace)
    columns = {"layer": pa.array(layers["layer"], pa.int32())}
    columns["title"] = pa.array(name_layers(layers["name"], layers["kind"]), pa.string())
    for name in FIELDS.values():
        ends = [fields.get((layer, name)) for layer in layers["layer"]]
        columns[name] = pa.array(ends, pa.list_(pa.int64()))
    return pa.table(columns)


def complete_layers(session: Session, trace: Trace, model: int) -> None:
    """Give the layers of a model the fields that a trace which knew less left out."""
    if not trace.files("fields"):
        return
    lacking = set(session.read_column(INCOMPLETE, {"model": model}))
    if not lacking:
        return
    for row in describe_layers(trace).to_pylist():
        if row["layer"] in lacking:
            said = {name: value for name, value in row.items() if value is not None and name != "layer"}
            asked = {"model": model, "layer": row["layer"], **said}
            session.execute(SAY + ", ".join(f"l.{name} = ${name}" for name in said), asked)


def _list_fields(trace: Trace) -> dict[tuple[int, str], list[int]]:
    """The places of an axis' ends in the image, by layer and property."""
    rows = (
        trace.fields()
        .to_table()
        .sort_by([("layer", "ascending"), ("axis", "ascending"), ("place", "ascending")])
    )
    found = {}
    for (layer, axis), some in groupby(rows.to_pylist(), key=lambda row: (row["layer"], row["axis"])):
        ends = list(some)
        for end in ("first", "last"):
            found[layer, FIELDS[axis, end]] = [row[end] for row in ends]
    return found
