"""Parquet files in slices of so many rows: what an engine can take at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PIECE = 1 << 16
"""Rows of a file that is cut are read so many at a time."""


def slice_files(files: Iterable[Path], limit: int, scratch: Path) -> Iterator[tuple[list[Path], int]]:
    """``files`` in groups of at most ``limit`` rows; a larger file is cut into ``scratch`` first."""
    group: list[Path] = []
    rows_so_far = 0
    for file, rows, temporary in _cut_files(files, limit, scratch):
        if group and rows_so_far + rows > limit:
            yield group, rows_so_far
            group, rows_so_far = [], 0
        group.append(file)
        rows_so_far += rows
        if temporary:  # only one piece at a time lies on disk
            yield group, rows_so_far
            file.unlink()
            group, rows_so_far = [], 0
    if group:
        yield group, rows_so_far


def _cut_files(files: Iterable[Path], limit: int, scratch: Path) -> Iterator[tuple[Path, int, bool]]:
    for file in files:
        rows = int(pq.read_metadata(file).num_rows)
        if rows <= limit:
            if rows:
                yield file, rows, False
            continue
        yield from _cut(file, limit, scratch / "piece.parquet")


def _cut(file: Path, limit: int, piece: Path) -> Iterator[tuple[Path, int, bool]]:
    with pq.ParquetFile(file) as source:
        batches = source.iter_batches(batch_size=PIECE)
        rest: list[pa.RecordBatch] = []
        while rest := _take_some(batches, limit):
            with pq.ParquetWriter(piece, source.schema_arrow, compression="snappy") as writer:
                for batch in rest:
                    writer.write_batch(batch)
            yield piece, sum(batch.num_rows for batch in rest), True


def _take_some(batches: Iterator[pa.RecordBatch], limit: int) -> list[pa.RecordBatch]:
    taken: list[pa.RecordBatch] = []
    rows = 0
    while rows + PIECE <= max(limit, PIECE):
        batch = next(batches, None)
        if batch is None:
            break
        taken.append(batch)
        rows += batch.num_rows
    return taken
