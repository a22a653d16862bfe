"""What the driver returns as Arrow columns, nodes and relationships as mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import Point
from neo4j.time import Date, DateTime, Duration, Time

from graphpath.errors import QueryFailed
from graphpath.schema import NODE, NODES, RELATIONSHIPS

_WIDE: Final = {
    "INT64": pa.int64(),
    "INT32": pa.int64(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float64(),
    "STRING": pa.string(),
    "BOOL": pa.bool_(),
    "INT64[]": pa.list_(pa.int64()),
}
COLUMNS: Final[dict[str, pa.DataType]] = {
    **{name: _WIDE[kind] for node in NODES for name, kind in node.properties.items()},
    **{name: _WIDE[kind] for relation in RELATIONSHIPS for name, kind in relation.properties.items()},
    "id": pa.int64(),
    "source": pa.int64(),
    "target": pa.int64(),
    "member": pa.bool_(),
}
"""The type of a column that is called like a property."""


def to_table(columns: Mapping[str, Sequence[object]]) -> pa.Table:
    """``columns`` as Arrow infers them, whole numbers among others as floats.

    Raises:
        QueryFailed: one holds values of several types.
    """
    return pa.table({name: _to_array(name, values) for name, values in columns.items()})


def to_typed_table(columns: Mapping[str, Sequence[object]]) -> pa.Table:
    """``columns`` with the types of ``COLUMNS``, also where there are no rows."""
    return pa.table({name: pa.array(values, COLUMNS.get(name)) for name, values in columns.items()})


def _to_array(name: str, values: Sequence[object]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        if all(value is None or type(value) in (int, float) for value in values):
            return pa.array(values, pa.float64())
        raise QueryFailed(f"The column {name} of the answer holds values of several types.") from error


def to_plain(value: Any) -> Any:
    """``value`` as Python's own types; nodes and relationships as in :mod:`graphpath.queries.graph`."""
    if value is None or isinstance(value, int | float | str | bytes):
        return value
    if isinstance(value, Node):
        known = sorted(value.labels, key=lambda label: (label not in NODE, label))
        label = next(iter(known), "")
        return {"_ID": value.element_id, "_LABEL": label, **_list_items(value)}
    if isinstance(value, Relationship):
        ends = [node.element_id if node is not None else None for node in value.nodes]
        return {"_SRC": ends[0], "_DST": ends[1], "_LABEL": value.type, **_list_items(value)}
    if isinstance(value, Path):
        return {"_NODES": to_plain(list(value.nodes)), "_RELS": to_plain(list(value.relationships))}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Date | DateTime | Time):
        return value.to_native()
    if isinstance(value, Duration | Point):
        return str(value)
    return [to_plain(item) for item in value]


def _list_items(entity: Node | Relationship) -> dict[str, Any]:
    return {name: to_plain(value) for name, value in entity.items()}
