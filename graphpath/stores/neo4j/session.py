"""Transactions on one database of a server: reading, writing in batches, deleting in batches."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, LiteralString, TypeVar

import neo4j
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import QueryFailed, StoreConflict, StoreError
from graphpath.schema import NODE
from graphpath.stores.neo4j import definitions, loads
from graphpath.stores.neo4j.address import Address
from graphpath.stores.neo4j.batches import BYTES, Sorter, cut_batches
from graphpath.stores.neo4j.failures import TooLargeError, build_too_large, is_memory_error, map_errors
from graphpath.stores.neo4j.packing import pack_parameters
from graphpath.stores.neo4j.statements import SHARED, write_statement
from graphpath.stores.neo4j.values import to_plain, to_table, to_typed_table

PATIENCE: Final = 900.0
"""Seconds that one of graphpath's own transactions may take: what is slower hangs."""
FETCH: Final = 10_000
SMALLEST: Final = 1 << 12
"""Bytes of the batches that are read, however short the memory; larger ones are halved as they come."""
ATTEMPTS: Final = 3

logging.getLogger("neo4j").addHandler(logging.NullHandler())  # exceptions report errors, once

Answer = TypeVar("Answer")
Columns = dict[str, list[Any]]


class BoltSession:
    """Statements on the database of ``address``; ``write`` says whether they may change it.

    Cheap to make: connections are the driver's. What an interrupted load had written is known from its
    ``GraphpathLoad`` node, which every batch moves on in its own transaction.
    """

    dialect = "neo4j"

    def __init__(
        self, driver: neo4j.Driver, address: Address, *, write: bool = False, batch_bytes: int = BYTES
    ) -> None:
        self.driver, self.address, self.write, self.batch_bytes = driver, address, write, batch_bytes
        self._run = ""
        self._holder = uuid.uuid4().hex
        self._sorter: Sorter | None = None

    def execute(
        self, text: str, parameters: Mapping[str, object] | None = None, *, timeout: float | None = PATIENCE
    ) -> pa.Table:
        """See :meth:`graphpath.stores.session.Session.execute`."""
        return to_table(self.read_columns(text, parameters, timeout=timeout))

    def read_columns(
        self, text: str, parameters: Mapping[str, object] | None = None, *, timeout: float | None = PATIENCE
    ) -> Columns:
        """The rows of ``text`` as columns of Python values, in one managed transaction."""

        def work(transaction: neo4j.ManagedTransaction) -> Columns:
            return _to_columns(transaction.run(_to_query(text), dict(parameters or {})))

        return self.run_transaction(work, timeout)

    def run_transaction(
        self, work: Callable[[neo4j.ManagedTransaction], Answer], timeout: float | None = PATIENCE
    ) -> Answer:
        """Do ``work`` in one transaction, again where the server asks for it: it must bear repetition."""

        @neo4j.unit_of_work(timeout=timeout)
        def run_bounded(transaction: neo4j.ManagedTransaction) -> Answer:
            try:
                return work(transaction)
            except neo4j.exceptions.TransientError as error:
                if is_memory_error(error):  # the driver would try the same again, for as long as it may
                    raise build_too_large(self.address) from error
                raise

        with map_errors(self.address, timeout), self._open_session() as session:
            return session.execute_write(run_bounded) if self.write else session.execute_read(run_bounded)

    def run_alone(
        self, text: str, parameters: Mapping[str, object] | None = None, *, timeout: float | None = PATIENCE
    ) -> Columns:
        """The rows of ``text``, which commits by itself (``CALL ... IN TRANSACTIONS``, definitions)."""
        with map_errors(self.address, timeout), self._open_session() as session:
            query = neo4j.Query(_to_query(text), timeout=timeout)
            return _to_columns(session.run(query, dict(parameters or {})))

    def read_column(self, text: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        """The first column of the rows of ``text``."""
        return next(iter(self.read_columns(text, parameters).values()), [])

    def export(self, text: str, batches: Iterable[Mapping[str, object]], path: Path) -> Path:
        """See :meth:`graphpath.stores.session.Session.export`."""
        tables = (to_typed_table(self.read_columns(text, parameters)) for parameters in batches)
        first = next(tables)
        with pq.ParquetWriter(path, first.schema, compression="snappy") as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
        return path

    def define(self) -> None:
        """Make the constraints and indexes that are missing, and wait until they serve."""
        for text in (*definitions.constraint_statements(), *definitions.index_statements(), loads.CONSTRAINT):
            self.run_alone(text)
        labels, types, properties = definitions.list_names()
        self.run_alone(definitions.LABEL, {"names": labels})
        self.run_alone(definitions.TYPE, {"names": types})
        self.run_alone(definitions.PROPERTY, {"names": properties})
        self.run_alone(definitions.AWAIT, {"seconds": int(PATIENCE)})

    def copy(self, name: str, files: Iterable[Path], scratch: Path) -> Iterator[int]:
        """See :meth:`graphpath.stores.session.Session.copy`. What is stored already is passed over."""
        if self._sorter is None or self._sorter.scratch != scratch:
            self._sorter = Sorter(scratch)
        owned = name not in NODE and name not in SHARED
        offset = self._count_stored(name) if owned else 0
        if offset:
            yield offset
        for table in cut_batches(name, list(files), self._sorter, offset, self.batch_bytes):
            for part in self._split_table(table):
                self._append(name, part, offset if owned else None)
                offset += part.num_rows
                yield part.num_rows

    def remove(
        self,
        pattern: str,
        variable: str,
        parameters: Mapping[str, object] | None = None,
        *,
        rows: int = 10_000,
    ) -> None:
        """See :meth:`graphpath.stores.session.Session.remove`."""
        detach = "DETACH " if re.search(rf"\({variable}:\w+", pattern) else ""
        text = (
            f"{pattern} CALL ({variable}) {{ {detach}DELETE {variable} }} IN TRANSACTIONS OF {int(rows)} ROWS"
        )
        for attempt in range(ATTEMPTS):
            try:
                self.run_alone(text, parameters)
                return
            except QueryFailed as error:  # deleting again is harmless; deadlocks with other writers pass
                again = isinstance(error.__cause__, neo4j.exceptions.TransientError)
                if not again or attempt == ATTEMPTS - 1:
                    raise

    def can_resume(self, run: str, plan: str) -> bool:
        """See :meth:`graphpath.stores.session.Session.can_resume`. A load by another plan is forgotten."""
        plans = self.read_column(loads.PLAN, {"run": run})
        if plans and plans[0] != plan:
            self.forget(run)
        return plans == [plan]

    def start(self, run: str, plan: str) -> None:
        """See :meth:`graphpath.stores.session.Session.start`. Whoever else loads the run must stop."""
        self._run = run
        self.read_columns(loads.START, {"run": run, "plan": plan, "holder": self._holder})

    def tally(self, run: str) -> dict[str, int]:
        """See :meth:`graphpath.stores.session.Session.tally`."""
        return {name: int(self.read_column(text, {"run": run})[0]) for name, text in loads.TALLY.items()}

    def finish(self, run: str) -> None:
        """See :meth:`graphpath.stores.session.Session.finish`."""
        if not self.read_column(loads.FINISH, {"run": run, "holder": self._holder}):
            raise self._explain_takeover()

    def forget(self, run: str) -> None:
        """Let an interrupted load of ``run`` not be taken up: what it stored is about to be removed."""
        self.read_columns(loads.FORGET, {"run": run})

    def _open_session(self) -> neo4j.Session:
        return self.driver.session(
            database=self.address.database,
            default_access_mode=neo4j.WRITE_ACCESS if self.write else neo4j.READ_ACCESS,
            bookmark_manager=self.driver.execute_query_bookmark_manager,
            fetch_size=FETCH,
        )

    def _count_stored(self, name: str) -> int:
        rows = self.read_column(loads.stored_statement(name), {"run": self._run})
        if not rows:
            raise self._explain_takeover()
        return int(rows[0])

    def _split_table(self, table: pa.Table) -> Iterator[pa.Table]:
        """``table`` in as many parts as batches have become smaller since it was read."""
        rows = table.num_rows
        while table.num_rows:
            rows = min(rows, max(1, int(self.batch_bytes * table.num_rows / max(1, table.nbytes))))
            yield table.slice(0, rows)
            table = table.slice(rows)

    def _append(self, name: str, table: pa.Table, offset: int | None) -> None:
        """Write the rows of ``table``; in halves where the server's memory does not hold the transaction."""
        try:
            self.run_transaction(lambda transaction: self._write(transaction, name, table, offset))
        except TooLargeError:
            if table.num_rows < 2:
                raise
            self.batch_bytes = max(SMALLEST, min(self.batch_bytes, table.nbytes) // 2)
            half = table.num_rows // 2
            self._append(name, table.slice(0, half), offset)
            self._append(name, table.slice(half), None if offset is None else offset + half)

    def _write(
        self, transaction: neo4j.ManagedTransaction, name: str, table: pa.Table, offset: int | None
    ) -> None:
        if offset is not None and not self._advance(transaction, name, offset, offset + table.num_rows):
            return
        done = transaction.run(_to_query(write_statement(name)), pack_parameters(name, table))
        if name not in NODE and done.single(strict=True)["stored"] != table.num_rows:
            raise StoreError(
                f"The store has not all ends of {table.num_rows} {name} of run {self._run!r}; these were not "
                "stored. Is every end of an edge in the trace's visits?"
            )

    def _advance(self, transaction: neo4j.ManagedTransaction, name: str, before: int, after: int) -> bool:
        """Move the load on. False when these rows are stored: the answer to their commit had been lost."""
        asked = {"run": self._run, "holder": self._holder, "before": before, "after": after}
        found = transaction.run(_to_query(loads.advance_statement(name)), asked).single()
        if found is None:
            raise self._explain_takeover()
        if found["stored"] not in (before, after):
            raise StoreError(f"Run {self._run!r} is not at row {before} of {name}, but at {found['stored']}.")
        return bool(found["stored"] == before)

    def _explain_takeover(self) -> StoreConflict:
        return StoreConflict(
            f"Another process has begun to load or delete run {self._run!r} at {self.address.uri}; this load "
            "stops and leaves it to that one."
        )


def _to_columns(result: neo4j.Result) -> Columns:
    names = list(result.keys())
    rows = [record.values() for record in result]
    return {name: [to_plain(row[number]) for row in rows] for number, name in enumerate(names)}


def _to_query(text: str) -> LiteralString:
    """``text`` as the driver's type hints want it: built from this package's names, or the user's own."""
    return text
