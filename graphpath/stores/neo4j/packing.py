"""The rows of one transaction as the parameters of its statement (see ``statements``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from graphpath.schema import NODE
from graphpath.stores.neo4j.statements import REPEATED, group_ends, list_columns

Parameters = dict[str, Any]


def pack_parameters(name: str, table: pa.Table) -> Parameters:
    """``table``, whose columns are called as ``columns(name)``, as parameters of ``statement(name)``.

    Relationships are sorted by their ends within what they repeat: locks are taken in one order, and
    neighbours are met together.
    """
    if name in NODE:
        return {"rows": table.num_rows, **_to_lists(table, list_columns(name))}
    repeated = REPEATED.get(name, ())
    keys = dict.fromkeys((*repeated, "stop", "start"))
    table, known = _number_ends(name, table.sort_by([(key, "ascending") for key in keys]))
    rest = [column for column in list_columns(name) if column not in repeated]
    if not repeated:
        return {"rows": table.num_rows, **known, **_to_lists(table, rest)}
    first = _find_first(table.select(list(repeated)))
    once = _to_lists(table.select(list(repeated)).take(first), list(repeated))
    return {"first": [*first.tolist(), table.num_rows], **known, **once, **_to_lists(table, rest)}


def _to_lists(table: pa.Table, names: list[str]) -> Parameters:
    return {name: table[name].to_pylist() for name in names}


def _number_ends(name: str, table: pa.Table) -> tuple[pa.Table, Parameters]:
    """``table`` with numbers of keys for its ends, and the keys, each once."""
    known: Parameters = {}
    for given, served in group_ends(name).items():
        both = pa.chunked_array([chunk for end in served for chunk in table[end].chunks])
        coded = both.combine_chunks().dictionary_encode()
        known[given] = coded.dictionary.to_pylist()
        for number, end in enumerate(served):
            codes = coded.indices.slice(number * table.num_rows, table.num_rows)
            table = table.set_column(table.column_names.index(end), end, codes)
    return table, known


def _find_first(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The rows that differ from the one above in any column."""
    changed = np.zeros(table.num_rows, bool)
    changed[:1] = True
    for column in table.columns:
        values = column.to_numpy()
        changed[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(changed)
