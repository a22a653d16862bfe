"""LadybugDB, opened: one connection to one file, its errors mapped to ours."""

from __future__ import annotations

import copy
import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import ladybug
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.addresses import read_limit
from graphpath.errors import QueryFailed, StoreError, StoreUnavailable
from graphpath.schema import NODES, RELATIONSHIP, RELATIONSHIPS, SCHEMA_VERSION
from graphpath.stores.session import RECORDED
from graphpath.stores.slices import slice_files

VERSION = str(ladybug.__version__)
BUFFER = 512 << 20
"""Bytes of the buffer pool when nobody says otherwise."""
BYTES_PER_ROW = 256
"""What one relationship takes of the pool while it is copied, both directions, with some to spare."""
BYTES_PER_STORED_ROW = 128
"""What a stored one takes while others join it: the engine rewrites the ends' whole node groups."""


ROOM_TO_READ = 1 << 26
ROOM_TO_WRITE = 1 << 28
"""Bytes of addresses that the engine reserves at least for a file (by itself it reserves 8 TiB)."""
GROWTH = 8
"""What a file may become, in multiples of what it is, before a write is tried again with more room."""
ROOM_TO_CHANGE = 1 << 40
ROOM_PER_ROW = 1 << 10
"""Of a file that outgrows its addresses the engine may crash when it is closed. So where they are not limited
a store that is changed gets many, and where they are as many as its new rows take at the most."""


class BufferFullError(StoreError):
    """The buffer pool is too small for a load or a query; it is tried again with a larger one."""


class RoomFullError(StoreError):
    """The file has grown beyond the addresses that were reserved for it; it is tried again with more."""


class TimedOutError(QueryFailed):
    """A query ran into its time limit."""


def reserve(size: int, *, read_only: bool) -> int:
    """Bytes of addresses for a file of ``size`` bytes: a power of two, as the engine wants it."""
    needed = max(2 * size, ROOM_TO_READ) if read_only else max(GROWTH * size, ROOM_TO_WRITE)
    return 1 << (needed - 1).bit_length()


def reserve_for_change(size: int, rows: int) -> int:
    """Bytes of addresses for a store of ``size`` bytes that gets ``rows`` more nodes and relationships."""
    usual = reserve(size + rows * ROOM_PER_ROW // GROWTH, read_only=False)
    return usual if read_limit() is not None else max(usual, ROOM_TO_CHANGE)


def create_statements() -> dict[str, str]:
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


UNWRITTEN = "Cannot write to file"
"""What the engine says of a disk without room; the reason beside it is often another's."""


def _no_room() -> StoreUnavailable:
    return StoreUnavailable(
        "The store's file could not be written, and the store is as it was: make room on its disk, and run "
        "the same command again."
    )


class LadybugSession:
    """A connection to the database file ``path``, for one thread at a time.

    ``max_bytes``, a power of two, is what the file may become; by default what ``reserve`` says.
    """

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
        self.max_bytes = max_bytes or reserve(_read_size(path), read_only=read_only)
        self._before: dict[str, int] = {}
        self._owned = True
        try:
            self._database = ladybug.Database(
                path.absolute(),  # of ":memory:" the engine would make none
                read_only=read_only,
                buffer_pool_size=buffer_bytes,
                max_db_size=self.max_bytes,
            )
            self._connection = ladybug.Connection(self._database)
        except (RuntimeError, OSError, MemoryError) as error:
            raise _explain_unopened(path, error, self.max_bytes + buffer_bytes) from error
        self.limit_seconds(timeout)

    def connect_again(self) -> LadybugSession:
        """Another connection to the file as it is opened here; to be closed before this one."""
        made = copy.copy(self)
        made._before, made._owned = {}, False
        made._connection = ladybug.Connection(self._database)
        return made

    def limit_seconds(self, seconds: float | None) -> None:
        """Let every statement from now on take so many seconds at most; None: as long as it will."""
        self._seconds = seconds
        self._connection.set_query_timeout(0 if seconds is None else max(1, int(seconds * 1000)))

    def create(self) -> None:
        """Make the tables of an empty file, and the node that says what made them."""
        self.migrate()
        self.execute(
            "CREATE (:GraphpathMeta {id: 1, schema: $schema, engine: $engine})",
            {"schema": SCHEMA_VERSION, "engine": f"ladybug {VERSION}"},
        )

    def find_missing_tables(self) -> list[str]:
        """The tables that came to the schema after the file was made."""
        present = set(self.read_column("CALL show_tables() RETURN name"))
        return [name for name in create_statements() if name not in present]

    def migrate(self) -> None:
        """Make the tables that the file has not."""
        statements = create_statements()
        for table in self.find_missing_tables():
            self.execute(statements[table])

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Run one statement and return its rows. Raises QueryFailed."""
        try:
            result = self._connection.execute(text, dict(parameters or {}))
            if isinstance(result, list):
                raise QueryFailed("One statement at a time, please: the text holds several.")
            return _to_plain(result.get_as_arrow(1 << 16))
        except (RuntimeError, MemoryError, TypeError, ValueError) as error:
            raise self._explain_error(error) from error

    def _explain_error(self, error: BaseException) -> StoreError:
        text = _first_line(error)
        if "buffer pool is full" in text:
            return BufferFullError(text)
        if "Maximum database size" in text:
            return RoomFullError(text)
        if UNWRITTEN in text:
            return _no_room()
        if text == "Interrupted." and self._seconds is not None:
            return TimedOutError(f"The query took longer than {self._seconds:g} seconds and was stopped.")
        return QueryFailed(f"The engine refused the query: {text}")

    def read_column(self, text: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        """The first column of the rows of ``text``."""
        table = self.execute(text, parameters)
        return list(table.column(0).to_pylist())

    def export(self, text: str, batches: Iterable[Mapping[str, object]], path: Path) -> Path:
        """Write the rows of ``text`` for each of ``batches`` (its parameters) to the Parquet file ``path``.

        Only one batch is in memory. (The engine's own ``COPY (...) TO`` writes files that are corrupt where
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
        for group, rows in slice_files(files, limit, scratch):
            names = ", ".join(f"'{_escape_pattern(file)}'" for file in group)
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

    def can_resume(self, run: str, plan: str) -> bool:
        """Never: an interrupted load leaves nothing behind."""
        return False

    def start(self, run: str, plan: str) -> None:
        """Remember the counts from before the load."""
        self._before = self._count_recorded()

    def tally(self, run: str) -> dict[str, int]:
        """How many relationships of each recorded type came since ``start``: nobody else writes."""
        return {name: count - self._before[name] for name, count in self._count_recorded().items()}

    def finish(self, run: str) -> None:
        """Mark ``run`` complete."""
        self.execute("MATCH (r:Run) WHERE r.id = $id SET r.complete = true", {"id": run})

    def _count_recorded(self) -> dict[str, int]:
        # Of a property: count(*) and count(r) are read from statistics, which a removal does not change.
        texts = {
            name: f"MATCH ()-[r:{name}]->() RETURN count(r.{next(iter(RELATIONSHIP[name].properties))})"
            for name in RECORDED
        }
        return {name: int(self.read_column(text)[0]) for name, text in texts.items()}

    def checkpoint(self) -> None:
        """Bring the file itself up to date, so that it stands without a log beside it."""
        self.execute("CHECKPOINT")

    def close(self) -> None:
        self._connection.close()
        if self._owned:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def measure_memory() -> int:
    """Bytes of memory that this machine has, or of addresses that this process may have."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(memory, read_limit() or memory)


def _to_plain(table: pa.Table) -> pa.Table:
    """``table`` with the engine's 128-bit integer sums as int64: what every other engine returns."""
    fields = [
        field.with_type(pa.int64()) if pa.types.is_decimal(field.type) and field.type.scale == 0 else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _escape_pattern(path: Path) -> str:
    """``path`` as ``COPY`` takes it, which reads ``*``, ``?`` and ``[`` as a pattern of several files."""
    return glob.escape(str(path.resolve())).replace("\\", "\\\\").replace("'", "\\'")


def _read_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _explain_unopened(path: Path, error: BaseException, wanted: int) -> StoreUnavailable:
    """Why the engine could not open a file, and what mends it."""
    text = _first_line(error)
    if "Mmap" in text or isinstance(error, MemoryError):
        return StoreUnavailable(
            f"{path} cannot be opened: the system gives this process no {wanted >> 20} MiB of addresses more "
            "for it. Raise the limit (ulimit -v), close other stores, or open it with a smaller buffer pool "
            "(buffer_bytes=...)."
        )
    if UNWRITTEN in text:
        return _no_room()
    if "Too many open files" in text:
        return StoreUnavailable(
            f"{path} cannot be opened: this process has too many files open. Close other stores, or raise "
            "the limit (ulimit -n)."
        )
    if "ermission denied" in text:
        return StoreUnavailable(f"{path} cannot be opened: permission denied.")
    return StoreUnavailable(
        f"{path} cannot be opened as an embedded store by ladybug {VERSION}: {text} "
        "If another version made it, load its traces again into a new file."
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    said = re.sub(r" expecting \{[^{}]{80,}\}", "", text.splitlines()[0])  # all words that might follow
    return said.rstrip(".") + "."
