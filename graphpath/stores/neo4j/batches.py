"""The rows of a load in an order that is the same every time, cut into batches by bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.schema import NODE, RELATIONSHIP
from graphpath.sql import connect, quote, read_parquet
from graphpath.stores.neo4j.statements import list_columns
from graphpath.stores.session import RECORDED

if TYPE_CHECKING:
    import duckdb

BYTES: Final = 1 << 18
"""Of a batch, as Arrow holds it: 6,500 edges. In larger transactions each costs the server more."""
LARGEST: Final = 20_000
"""Rows of a batch at most: the server holds a few hundred bytes for each until it commits."""
PIECE: Final = 1 << 16
MEMORY: Final = "512MiB"
EXACT: Final = ("INT64", "INT32", "STRING")


class Sorter:
    """Sorts the files of one load, with the directory ``scratch`` for what does not fit in memory.

    Its database is opened once, when first needed: that takes longer than sorting the rows of a small trace.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return connect({"memory_limit": MEMORY}, spill=self.scratch / "sorted")

    def read_sorted(self, name: str, files: Iterable[Path]) -> Iterator[pa.Table]:
        """The rows of ``files``, which are of the label or relationship type ``name``, in its keys' order."""
        given = ", ".join(f'"{column}"' for column in list_columns(name))
        rows = " UNION ALL ".join(f"SELECT * FROM {read_parquet([path])}" for path in files)
        order = ", ".join(f'"{column}"' for column in _exact_columns(name))
        target = self.scratch / f"{name}-sorted.parquet"
        ordered = f"SELECT * FROM ({rows}) AS t({given}) ORDER BY {order}"
        self._connection.execute(f"COPY ({ordered}) TO {quote(target)} (FORMAT parquet)")
        try:
            yield from _read_recorded([target])
        finally:
            target.unlink()


def cut_batches(
    name: str, files: list[Path], sorter: Sorter, skip: int = 0, size: int = BYTES
) -> Iterator[pa.Table]:
    """The rows of ``files`` from row ``skip`` on, in tables of about ``size`` bytes, columns renamed.

    The record's own rows come in its order; others, which DuckDB computed in any order, sorted.
    """
    if not files:
        return
    pieces = _read_recorded(files) if name in RECORDED else sorter.read_sorted(name, files)
    for table in _cut(_skip(pieces, skip), size):
        yield table.rename_columns(list_columns(name))


def _read_recorded(files: Iterable[Path]) -> Iterator[pa.Table]:
    for path in files:
        with pq.ParquetFile(path) as file:
            yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches(batch_size=PIECE))


def _exact_columns(name: str) -> list[str]:
    """The columns that distinguish rows: sums of floats may differ in their last digit between two runs."""
    item = NODE.get(name) or RELATIONSHIP[name]
    kept = [key for key, kind in item.properties.items() if kind in EXACT]
    return kept if name in NODE else ["start", "stop", *kept]


def _skip(pieces: Iterable[pa.Table], skip: int) -> Iterator[pa.Table]:
    for table in pieces:
        if skip < table.num_rows:
            yield table.slice(skip)
        skip = max(0, skip - table.num_rows)


def _cut(pieces: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    pending: list[pa.Table] = []
    for table in pieces:
        while table.num_rows:
            each = table.nbytes / table.num_rows
            rows = min(LARGEST, max(1, int(size / max(each, 1)))) - sum(part.num_rows for part in pending)
            pending.append(table.slice(0, max(rows, 0)))
            if table.num_rows < rows:
                break
            yield pa.concat_tables(pending)
            pending, table = [], table.slice(max(rows, 0))
    if rest := [part for part in pending if part.num_rows]:
        yield pa.concat_tables(rest)
