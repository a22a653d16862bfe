"""A trace's Parquet files as DuckDB views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graphpath.errors import QueryParameterError
from graphpath.queries import variants
from graphpath.queries.units import NEURON
from graphpath.record import Trace
from graphpath.sql import connect, quote, read_parquet
from graphpath.stores.prepare import NEURONS, select_map_edges

_VIEWS = (
    "layers",
    "samples",
    "categories",
    "predictions",
    "pathways",
    "edges",
    "routes",
    "steps",
    "crosses",
    "visits",
    "channels",
)


@contextmanager
def open_views(trace: Trace | str | Path, memory: str | None = None) -> Iterator[Any]:
    """A DuckDB connection with a view of each table that ``trace`` has; what exceeds ``memory`` goes to disk.

    Raises:
        RecordError: the trace is damaged or unfinished.
    """
    trace = trace if isinstance(trace, Trace) else Trace(trace)
    with TemporaryDirectory() as spill, connect({}, spill=Path(spill)) as connection:
        if memory is not None:
            connection.execute(f"SET memory_limit = {quote(memory)}")
        for name in _VIEWS:
            if files := trace.files(name):
                connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {read_parquet(files)}")
        yield connection


def select_edges(connection: Any, unit: str) -> str:
    """SQL for the opened trace's edges between neurons or feature maps.

    Their columns are pathway, source, target, layer, flow, score and weight, the sum of absolute scores.
    """
    if unit == NEURON:
        return "SELECT pathway, source, target, layer, flow, score, abs(score::DOUBLE) AS weight FROM edges"
    [[whole]] = connection.execute(
        "SELECT count(*) > 0 FROM duckdb_views() WHERE view_name = 'channels'"
    ).fetchall()
    connection.execute(f"CREATE TEMP TABLE neurons AS {NEURONS}")
    connection.execute(f"CREATE TEMP TABLE map_edges AS {select_map_edges(has_maps=whole)}")
    return "SELECT pathway, source, target, layer, flow, score, weight FROM map_edges"


def choose_variant(connection: Any, variant: str | None, analysis: str) -> str:
    """``variant``; where it is None, the originals of the opened trace, or its only variant without any.

    Raises QueryParameterError where it has several, and no originals.
    """
    if variant is not None:
        return variant
    found = connection.execute("SELECT DISTINCT variant FROM samples ORDER BY variant").fetchall()
    return variants.choose_variant(analysis, "the trace", [name for (name,) in found])[0]


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """``value``, if it is one of ``choices``. Raises QueryParameterError."""
    if value not in choices:
        raise QueryParameterError(f"{name} must be {' or '.join(choices)}, not {value!r}.")
    return value
