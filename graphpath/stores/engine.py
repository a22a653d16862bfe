"""LadybugDB, opened: one connection to one file, its errors mapped to ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import ladybug
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import QueryFailed, StoreError, StoreUnavailable
from graphpath.schema import NODES, RELATIONSHIPS, SCHEMA_VERSION
from graphpath.stores.session import RECORDED

VERSION = str(ladybug.__version__)
BUFFER = 512 << 20
"""Bytes of the buffer pool when nobody says otherwise."""
BYTES_PER_ROW = 256
"""What one relationship takes of the pool while it is copied, both directions, with some to spare."""
BYTES_PER_STORED_ROW = 128
"""What a stored one takes while others join it: the engine rewrites the ends' whole node groups."""


PIECE = 1 << 16
"""Rows of a file that is cut are read so many at a time."""


class BufferFullError(StoreError):
    """The buffer pool is too small for a load or a query; it is tried again with a larger one."""


def ddl() -> dict[str, str]:
    """The statements that create the graph's tables, by the tables' names."""
    statements = {}
    for node in NODES:
        columns = ", ".join(f"{name} {kind}" for name, kind in node.properties.items())
        statements[node.label] = f"CREATE NODE TABLE {node.label}({columns}, PRIMARY KEY({node.key}))"
    for relation in RELATIONSHIPS:
        columns = "".join(f", {name} {kind}" for name, kind in relation.properties.items())
        ends = f"FROM {relation.source} TO {relation.target}"
        statements[relation.name] = f"CREATE REL TABLE {relation.name}({ends}{columns})"
    return statements


class Session:
    """A connection to the database file ``path``."""

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool,
        buffer_bytes: int = BUFFER,
        max_bytes: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self.buffer_bytes = buffer_bytes
        self._before: dict[str, int] = {}
        try:
            self._database = ladybug.Database(
                path, read_only=read_only, buffer_pool_size=buffer_bytes, max_db_size=max_bytes
            )
            self._connection = ladybug.Connection(self._database)
        except (RuntimeError, OSError) as error:
            raise StoreUnavailable(
                f"{path} cannot be opened as an embedded store by ladybug {VERSION}: {_first_line(error)} "
                "If another version made it, load its traces again into a new file."
            ) from error
        if timeout is not None:
            self._connection.set_query_timeout(int(timeout * 1000))

    def create(self) -> None:
        """Make the tables of an empty file, and the node that says what made them."""
        self.migrate()
        self.execute(
            "CREATE (:GraphpathMeta {id: 1, schema: $schema, engine: $engine})",
            {"schema": SCHEMA_VERSION, "engine": f"ladybug {VERSION}"},
        )

    def missing(self) -> list[str]:
        """The tables that the file has not: those that came to the schema after it was made."""
        held = set(self.column("CALL show_tables() RETURN name"))
        return [name for name in ddl() if name not in held]

    def migrate(self) -> None:
        """Make the tables that the file has not."""
        statements = ddl()
        for name in self.missing():
            self.execute(statements[name])

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Run one statement and return its rows. Raises QueryFailed."""
        try:
            result = self._connection.execute(text, dict(parameters or {}))
            if isinstance(result, list):
                raise QueryFailed("One statement at a time, please: the text holds several.")
            return _plain(result.get_as_arrow(1 << 16))
        except (RuntimeError, MemoryError, TypeError, ValueError) as error:
            if "buffer pool is full" in str(error):
                raise BufferFullError(_first_line(error)) from error
            raise QueryFailed(f"The engine refused the query: {_first_line(error)}") from error

    def column(self, text: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        """The first column of the rows of ``text``."""
        table = self.execute(text, parameters)
        return list(table.column(0).to_pylist())

    def export(self, text: str, batches: Iterable[Mapping[str, object]], path: Path) -> Path:
        """Write the rows of ``text`` for each of ``batches`` (its parameters) to the Parquet file ``path``.

        One batch is held at a time. (The engine's own ``COPY (...) TO`` writes files that are corrupt where
        a query repeats one node's value.)
        """
        tables = (self.execute(text, parameters) for parameters in batches)
        first = next(tables)
        with pq.ParquetWriter(path, first.schema, compression="snappy") as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table.cast(first.schema))
        return path

    def copy(self, name: str, files: Iterable[Path], scratch: Path) -> Iterator[int]:
        """Append Parquet ``files`` to the node or relationship table ``name``, yielding rows as they go.

        The engine holds what one ``COPY`` brings in its buffer pool, so a load goes in slices that fit.
        """
        limit = self.buffer_bytes // BYTES_PER_ROW
        for group, rows in _groups(files, limit, scratch):
            names = ", ".join(f"'{_quoted(file)}'" for file in group)
            try:
                self.execute(f"COPY {name} FROM [{names}]")
            except QueryFailed as error:
                raise QueryFailed(f"The rows of {name} could not be stored. {error}") from error
            yield rows

    def remove(
        self,
        pattern: str,
        variable: str,
        parameters: Mapping[str, object] | None = None,
        *,
        rows: int = 10_000,
    ) -> None:
        """Delete what ``variable`` is in every match of ``pattern``, nodes with their relationships."""
        node = re.search(rf"\({variable}:(\w+)", pattern)
        self.execute(f"{pattern} {'DETACH ' if node else ''}DELETE {variable}", parameters)

    def resumes(self, run: str, plan: str) -> bool:
        """Never: an interrupted load leaves nothing behind."""
        return False

    def start(self, run: str, plan: str) -> None:
        """Remember what there was before the load."""
        self._before = self._recorded()

    def tally(self, run: str) -> dict[str, int]:
        """How many relationships of each recorded type came since ``start``: nobody else writes."""
        return {name: count - self._before[name] for name, count in self._recorded().items()}

    def finish(self, run: str) -> None:
        """Mark ``run`` complete."""
        self.execute("MATCH (r:Run) WHERE r.id = $id SET r.complete = true", {"id": run})

    def _recorded(self) -> dict[str, int]:
        texts = {name: f"MATCH ()-[r:{name}]->() RETURN count(*)" for name in RECORDED}
        return {name: int(self.column(text)[0]) for name, text in texts.items()}

    def checkpoint(self) -> None:
        """Bring the file itself up to date, so that it stands without a log beside it."""
        self.execute("CHECKPOINT")

    def close(self) -> None:
        self._connection.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def total_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _groups(files: Iterable[Path], limit: int, scratch: Path) -> Iterator[tuple[list[Path], int]]:
    """``files`` in groups of at most ``limit`` rows; a larger file is cut into ``scratch`` first."""
    group: list[Path] = []
    held = 0
    for file, rows, temporary in _pieces(files, limit, scratch):
        if group and held + rows > limit:
            yield group, held
            group, held = [], 0
        group.append(file)
        held += rows
        if temporary:  # only one piece at a time lies on disk
            yield group, held
            file.unlink()
            group, held = [], 0
    if group:
        yield group, held


def _pieces(files: Iterable[Path], limit: int, scratch: Path) -> Iterator[tuple[Path, int, bool]]:
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
        while rest := _some(batches, limit):
            with pq.ParquetWriter(piece, source.schema_arrow, compression="snappy") as writer:
                for batch in rest:
                    writer.write_batch(batch)
            yield piece, sum(batch.num_rows for batch in rest), True


def _some(batches: Iterator[pa.RecordBatch], limit: int) -> list[pa.RecordBatch]:
    taken: list[pa.RecordBatch] = []
    rows = 0
    while rows + PIECE <= max(limit, PIECE):
        batch = next(batches, None)
        if batch is None:
            break
        taken.append(batch)
        rows += batch.num_rows
    return taken


def _plain(table: pa.Table) -> pa.Table:
    """``table`` with the engine's 128-bit integer sums as int64: what every other engine returns."""
    fields = [
        field.with_type(pa.int64()) if pa.types.is_decimal(field.type) and field.type.scale == 0 else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _quoted(path: Path) -> str:
    return str(path.resolve()).replace("\\", "\\\\").replace("'", "\\'")


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".") + "."
