"""The one validated table type: what every file of a record is made of and checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphpath.errors import RecordError
from graphpath.record.schema import TABLES

Columns: TypeAlias = Mapping[str, Any] | pa.Table


@dataclass(frozen=True)
class Table:
    """Rows of the record table ``name``: columns, order, dtypes and nulls as the schema has them."""

    name: str
    data: pa.Table

    def __post_init__(self) -> None:
        if not self.data.schema.equals(TABLES[self.name]):
            raise RecordError(
                f"Table {self.name!r} does not have its schema; build it with Table.from_columns()."
            )

    @classmethod
    def from_columns(cls, name: str, columns: Columns) -> Table:
        """The table made of ``columns`` (arrays by column name, or an Arrow table).

        Integers are widened or narrowed, and floats narrowed, where every value survives it.

        Raises:
            RecordError: a table or column that is missing, unknown, of another length, of a dtype that
                would lose values, or null where the schema has no nulls.
        """
        if name not in TABLES:
            raise RecordError(f"There is no table {name!r} in a record; there are {', '.join(TABLES)}.")
        return cls(name, conform(name, columns, TABLES[name]))

    @classmethod
    def empty(cls, name: str) -> Table:
        """The table without rows."""
        return cls(name, TABLES[name].empty_table())

    def __len__(self) -> int:
        return int(self.data.num_rows)


def conform(name: str, columns: Columns, schema: pa.Schema) -> pa.Table:
    """``columns`` as an Arrow table of ``schema``; ``name`` is what messages call it."""
    given = set(columns.column_names if isinstance(columns, pa.Table) else columns)
    if missing := [column for column in schema.names if column not in given]:
        raise RecordError(f"Table {name!r} lacks the column(s) {', '.join(missing)}.")
    if unknown := sorted(given - set(schema.names)):
        raise RecordError(
            f"Table {name!r} has no column(s) {', '.join(unknown)}; it has {', '.join(schema.names)}."
        )
    arrays = [_conform_column(name, field, columns[field.name]) for field in schema]
    lengths = {field.name: len(array) for field, array in zip(schema, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        raise RecordError(f"The columns of table {name!r} differ in length: {lengths}.")
    return pa.Table.from_arrays(arrays, schema=schema)


def _conform_column(table: str, field: pa.Field, values: object) -> pa.ChunkedArray:
    try:
        array = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([_to_array(values)])
        cast = array.cast(field.type)
        kept = _keeps_values(array, cast)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise RecordError(f"Column {table}.{field.name} is not {field.type}: {error}") from error
    if not kept:
        raise RecordError(
            f"Column {table}.{field.name} would lose values as {field.type}; it came as {array.type}. "
            "Round it before recording it."
        )
    if cast.null_count and not field.nullable:
        raise RecordError(f"Column {table}.{field.name} holds {cast.null_count} null(s); it may hold none.")
    return cast


def _to_array(values: object) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"it has {values.ndim} dimensions, one is wanted")
    return pa.array(values)


def _keeps_values(array: pa.ChunkedArray, cast: pa.ChunkedArray) -> bool:
    """Whether ``cast`` holds the values of ``array``: Arrow itself refuses all but rounding of floats."""
    if array.type == cast.type or not pa.types.is_floating(cast.type) or not pa.types.is_floating(array.type):
        return True
    if pa.types.is_float64(cast.type):
        return True
    same = pc.equal(cast.cast(array.type), array)
    both_nan = pc.and_(pc.is_nan(cast), pc.is_nan(array))
    return pc.all(pc.or_(same, both_nan)).as_py() is not False
