"""An engine's answer as a data frame with the columns and dtypes that the query's header promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from graphpath.errors import QueryFailed


def to_frame(table: pa.Table, returns: Mapping[str, str], query: str) -> pd.DataFrame:
    """``table`` as a frame whose columns are exactly ``returns``: int64, Int64 where nullable, float64,
    string, bool, and lists as Python lists.

    Raises:
        QueryFailed: the engine returned other columns, or null where the header promises a value.
    """
    if table.column_names != list(returns):
        raise QueryFailed(
            f"Query {query} returned the columns {', '.join(table.column_names)}; "
            f"its header promises {', '.join(returns)}."
        )
    columns: dict[str, Any] = {}
    for name, kind in returns.items():
        column = table.column(name)
        if kind in ("int", "bool") and column.null_count:
            raise QueryFailed(f"Query {query} returned null in column {name}, which its header calls {kind}.")
        columns[name] = _READERS[kind](column)
    return pd.DataFrame(columns, columns=list(returns))


def _to_ints(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(column.cast(pa.int64()).to_numpy(), dtype=np.int64)


def _to_nullable_ints(column: pa.ChunkedArray) -> pd.Series[Any]:
    return pd.Series(column.cast(pa.int64()).to_pylist(), dtype="Int64")


def _to_floats(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _to_strings(column: pa.ChunkedArray) -> pd.Series[Any]:
    return pd.Series(column.to_pylist(), dtype="str")


def _to_bools(column: pa.ChunkedArray) -> pd.Series[Any]:
    return pd.Series(column.to_pylist(), dtype="bool")


def _to_objects(column: pa.ChunkedArray) -> pd.Series[Any]:
    return pd.Series(column.to_pylist(), dtype="object")


def _to_sets(column: pa.ChunkedArray) -> pd.Series[Any]:
    return pd.Series([sorted(items or ()) for items in column.to_pylist()], dtype="object")


_READERS: Final[dict[str, Callable[[pa.ChunkedArray], Any]]] = {
    "int": _to_ints,
    "int?": _to_nullable_ints,
    "float": _to_floats,
    "string": _to_strings,
    "bool": _to_bools,
    "list<string>": _to_objects,
    "set<string>": _to_sets,
    "set<int>": _to_sets,
    "node": _to_objects,
    "relationship": _to_objects,
}
