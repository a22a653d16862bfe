"""The store on a Neo4j server."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import neo4j

from graphpath.errors import QueryFailed, StoreConflict, StoreUnavailable
from graphpath.progress import AnyProgress
from graphpath.record import Trace
from graphpath.schema import NODES, SCHEMA_VERSION, SINCE
from graphpath.stores import verdicts
from graphpath.stores.base import Answer, LoadReport, Store, StoreView, admit_text
from graphpath.stores.categories import Scheme
from graphpath.stores.load import check_min_support, is_loaded, load_run
from graphpath.stores.neo4j.address import Address
from graphpath.stores.neo4j.batches import BYTES
from graphpath.stores.neo4j.bulk import BulkReport, bulk_load
from graphpath.stores.neo4j.failures import TooLargeError, explain_resumption, map_errors
from graphpath.stores.neo4j.session import BoltSession
from graphpath.stores.neo4j.snapshot import BoltSnapshot
from graphpath.stores.neo4j.values import to_table
from graphpath.stores.prepare import MEMORY
from graphpath.stores.regroup import find_scheme, remove_scheme
from graphpath.stores.remove import remove_run

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

OLDEST: Final = (5, 26)
SETTINGS: Final[dict[str, Any]] = {
    "user_agent": "graphpath/0.1",
    "connection_timeout": 5.0,
    "connection_acquisition_timeout": 15.0,
    "max_transaction_retry_time": 15.0,
    "liveness_check_timeout": 5.0,
    "notifications_min_severity": "OFF",
}
IN_TRANSACTIONS: Final = re.compile(r"\bIN\s+(\S+\s+CONCURRENT\s+)?TRANSACTIONS\b", re.IGNORECASE)
ATTEMPTS: Final = 3
FUNCTIONS: Final = "SHOW FUNCTIONS YIELD name WHERE name STARTS WITH $prefix RETURN count(*) AS n"
META: Final = "MATCH (m:GraphpathMeta) RETURN m.schema AS schema, m.engine AS engine"


class Neo4jStore(Store):
    """The store in a database of a Neo4j server; :func:`graphpath.open` makes it.

    Args:
        uri: ``neo4j://`` (with routing) or ``bolt://``; ``+s`` for TLS, ``+ssc`` for TLS with a certificate
            that nobody signed.
        user, password, database: who asks, and of what. Without a password, ``$GRAPHPATH_NEO4J_PASSWORD``,
            ``$NEO4J_PASSWORD`` and the server that ``graphpath neo4j start`` runs are asked for it.
        batch_bytes: of the rows written in one transaction; halved where the server's memory asks for it.
        memory_bytes: what DuckDB may hold while roll-ups are computed.
        driver: further settings of ``neo4j.GraphDatabase.driver``.

    Raises:
        StoreUnavailable: the server is not there, too old, does not let the user in, lacks the database, or
            the database holds a graph of another version. Known within seconds.
    """

    dialect = "neo4j"

    def __init__(
        self,
        uri: str,
        *,
        user: str | None = None,
        password: str | None = None,
        database: str | None = None,
        batch_bytes: int = BYTES,
        memory_bytes: int = MEMORY,
        driver: Mapping[str, Any] | None = None,
    ) -> None:
        self.address = Address.parse(uri, user=user, password=password, database=database)
        self.uri = self.address.uri
        self.batch_bytes, self.memory_bytes = batch_bytes, memory_bytes
        self._settings = {**SETTINGS, **(driver or {})}
        self._driver: neo4j.Driver | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Connect, and refuse a server or a graph of another version. Raises StoreUnavailable."""
        driver = self._get_driver()
        with map_errors(self.address):
            agent = driver.get_server_info().agent
        _check_server(agent, self.uri)
        _check_schema(self.session(), self.address)

    def load(
        self,
        trace: Trace | str | Path,
        *,
        min_support: int | None = None,
        categories: Scheme | None = None,
        progress: AnyProgress | None = None,
    ) -> LoadReport:
        """See :meth:`Store.load`. An interrupted load goes on where it was."""
        trace = trace if isinstance(trace, Trace) else Trace(trace)
        check_min_support(min_support)
        session = self.session(write=True)
        with explain_resumption(self.address, f"{trace.path} was loaded"):
            self._prepare(session)
            if is_loaded(session, trace, min_support, categories):
                return LoadReport(trace.id, False)
            return self._load(session, trace, min_support, categories, progress)

    def _load(
        self,
        session: BoltSession,
        trace: Trace,
        min_support: int | None,
        scheme: Scheme | None,
        progress: AnyProgress | None,
    ) -> LoadReport:
        work = Path(tempfile.mkdtemp(prefix="graphpath-load-"))
        try:
            return load_run(
                session,
                trace,
                work,
                min_support=min_support,
                scheme=scheme,
                memory=self.memory_bytes,
                progress=progress,
            )
        except TooLargeError as error:
            raise StoreUnavailable(str(error)) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def bulk_load(
        self,
        traces: Sequence[Trace | str | Path],
        *,
        min_support: int | None = None,
        categories: Scheme | None = None,
        progress: AnyProgress | None = None,
        directory: str | Path | None = None,
    ) -> BulkReport:
        """Rebuild the database from ``traces`` with Neo4j's bulk importer; what it had before goes.

        The server that ``graphpath neo4j start`` runs is stopped and started for it, and keeps its old
        database until the new one answers with the right counts. For any other server the import files are
        written to ``directory``, with the command that imports them (``BulkReport.command``).

        Raises:
            RecordError, StoreConflict, StoreError: as for ``load``.
            StoreUnavailable: the import failed; the server has its old database.
        """
        check_min_support(min_support)
        opened = [trace if isinstance(trace, Trace) else Trace(trace) for trace in traces]
        where = Path(directory) if directory is not None else None
        return bulk_load(
            self, opened, min_support=min_support, scheme=categories, progress=progress, directory=where
        )

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """See :meth:`Store.execute`. Runs in a read transaction, so that the server refuses any change."""
        return self._execute_columns(text, parameters or {})

    def read(self, work: Callable[[StoreView], Answer], *, timeout: float | None = None) -> Answer:
        """See :meth:`Store.read`. A server shows each statement what is there then: where a run has come or
        gone in between, the work is done again.
        """
        for _ in range(ATTEMPTS):
            moment = BoltSnapshot(self.session(), timeout)
            before = moment.read_runs()
            answer = work(moment)
            if moment.read_runs() == before:
                return answer
        raise QueryFailed(
            f"Runs at {self.uri} came or went each of {ATTEMPTS} times that this was asked: ask again."
        )

    def cypher(
        self,
        text: str,
        given: Mapping[str, object] | None = None,
        /,
        *,
        write: bool = False,
        timeout: float | None = 60.0,
        **parameters: object,
    ) -> pd.DataFrame:
        """See :meth:`Store.cypher`. Read-only text runs in a read transaction: the server refuses changes."""
        import pandas as pd

        text, parameters = admit_text(self, text, {**(given or {}), **parameters}, write=write)
        session = self.session(write=write)
        by_itself = write and IN_TRANSACTIONS.search(text)
        ask = session.run_alone if by_itself else session.read_columns
        try:
            columns = ask(text, parameters, timeout=timeout)
        except TooLargeError as error:
            raise QueryFailed(str(error)) from error
        try:
            frame: pd.DataFrame = to_table(columns).to_pandas()
            return frame
        except QueryFailed:  # values of several types in one column: as Python objects
            return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})

    def offers(self, library: str) -> bool:
        """See :meth:`Store.offers`."""
        return bool(self.session().read_column(FUNCTIONS, {"prefix": f"{library}."})[0])

    def delete(self, run: str) -> None:
        """See :meth:`Store.delete`. In batches; named queries refuse the run from the first moment on."""
        run = self.chosen_run(run, unfinished=True).run
        session = self.session(write=True)
        with explain_resumption(self.address, f"run {run!r} was deleted"):
            session.forget(run)
            remove_run(session, run)

    def remove_categories(self, scheme: str) -> None:
        """See :meth:`Store.remove_categories`."""
        self.read(lambda state: find_scheme(state, self.uri, scheme))
        with explain_resumption(self.address, f"scheme {scheme!r} was removed"):
            remove_scheme(self.session(write=True), scheme)

    def record_verdict(self, verdict: Mapping[str, object], runs: Sequence[str]) -> None:
        """See :meth:`Store.record_verdict`."""
        session = self.session(write=True)
        self._prepare(session)
        verdicts.record(session, verdict, runs)

    def close(self) -> None:
        """See :meth:`Store.close`."""
        with self._lock:
            driver, self._driver = self._driver, None
        if driver:
            driver.close()

    def _execute_columns(self, text: str, parameters: Mapping[str, object]) -> pa.Table:
        try:
            return self.session().execute(text, parameters)
        except TooLargeError as error:
            raise QueryFailed(str(error)) from error

    def _prepare(self, session: BoltSession) -> None:
        """Make an empty database a store. Raises StoreConflict when it holds somebody's own graph."""
        if not session.read_column(META):
            for node in NODES:
                if session.read_column(f"MATCH (n:{node.label}) RETURN count(n) AS n")[0]:
                    raise StoreConflict(
                        f"Database {self.address.database!r} at {self.uri} holds {node.label} nodes that "
                        "graphpath did not make: load into another database or server."
                    )
        session.define()
        session.read_columns(
            "MERGE (m:GraphpathMeta {id: 1}) ON CREATE SET m.schema = $schema, m.engine = $engine",
            {"schema": SCHEMA_VERSION, "engine": "neo4j"},
        )

    def session(self, *, write: bool = False) -> BoltSession:
        """The store's connection for one piece of work. Raises StoreUnavailable."""
        return BoltSession(self._get_driver(), self.address, write=write, batch_bytes=self.batch_bytes)

    def _get_driver(self) -> neo4j.Driver:
        with self._lock:  # the driver itself is for all threads
            if self._driver is None:
                self._driver = self._connect()
            return self._driver

    def _connect(self) -> neo4j.Driver:
        password = self.address.password
        auth = None if password is None else (self.address.user, password)
        with map_errors(self.address):
            driver = neo4j.GraphDatabase.driver(self.uri, auth=auth, **self._settings)
            try:
                driver.verify_connectivity()
            except BaseException:
                driver.close()
                raise
        weakref.finalize(self, driver.close)  # as for other stores, nobody has to close it
        return driver


def _check_server(agent: str, uri: str) -> None:
    found = re.match(r"Neo4j/(\d+)\.(\d+)", agent)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise StoreUnavailable(f"The server at {uri} is {agent}; graphpath needs Neo4j 5.26 or newer.")


def _check_schema(session: BoltSession, address: Address) -> None:
    for schema in session.read_column(META):
        if schema != SCHEMA_VERSION:
            raise StoreUnavailable(
                f"Database {address.database!r} at {address.uri} was made with schema {schema!r}; this is "
                f"schema {SCHEMA_VERSION!r} ({SINCE}): load its traces again into an empty database. In "
                "Browser, :auto MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS empties this one."
            )
