"""The embedded store: one LadybugDB file, no server.

The file is read through one read-only connection, opened again when another process has replaced it.
Every change is made on a copy that then replaces the file (:mod:`graphpath.stores.staging`), so readers
never wait, and a kill or a crash of the engine at any moment leaves the file as it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.errors import QueryFailed, RecordError, RunNotFound, StoreError, StoreUnavailable
from graphpath.record import Trace
from graphpath.schema import SCHEMA_VERSION
from graphpath.stores import seal, verdicts
from graphpath.stores.base import LoadReport, Progress, Store, admitted
from graphpath.stores.engine import (
    BUFFER,
    BYTES_PER_ROW,
    BYTES_PER_STORED_ROW,
    VERSION,
    BufferFullError,
    Session,
    total_memory,
)
from graphpath.stores.load import is_loaded, load_run
from graphpath.stores.prepare import MEMORY
from graphpath.stores.remove import remove_run
from graphpath.stores.sandbox import Limits, run_apart
from graphpath.stores.staging import staged

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

REBUILD_ABOVE = 0.1
"""Share of the store's edges beyond which a deletion rebuilds the file instead."""


class LadybugStore(Store):
    """The embedded store in ``path``; made by the first load.

    Args:
        path: the file.
        buffer_bytes: the engine's buffer pool. By default 512 MiB, and for a load as much as its edges
            take at once, for a query as much as it turns out to need, up to half of the machine's memory:
            the engine holds all edges of 131,072 neurons together. Where it is given, a load goes in slices
            that fit (slower, in less memory), and a query that does not fit fails.
        memory_bytes: what DuckDB may hold while roll-ups are computed; beyond that it uses the disk.

    Raises:
        StoreUnavailable: the file is no store, or another version made it (``rebuild`` mends that).
    """

    dialect = "ladybug"

    def __init__(
        self, path: str | Path, *, buffer_bytes: int | None = None, memory_bytes: int = MEMORY
    ) -> None:
        self.path = Path(path)
        self.uri = str(path)
        self.buffer_bytes, self.memory_bytes = buffer_bytes or BUFFER, memory_bytes
        self._fixed = buffer_bytes is not None
        self._session: Session | None = None
        self._opened: tuple[int, int] | None = None

    def load(
        self, trace: Trace | str | Path, *, min_support: int | None = None, progress: Progress | None = None
    ) -> LoadReport:
        """See :meth:`Store.load`."""
        trace = trace if isinstance(trace, Trace) else Trace(trace)
        if min_support is not None and min_support < 1:
            raise StoreError(f"min_support counts samples and is at least 1, not {min_support}.")
        if self.path.exists() and is_loaded(self._reader(), trace, min_support):
            return LoadReport(trace.id, False)
        buffer = self._wanted(trace, stored=self._stored_edges())
        while True:
            try:
                with self._changed(buffer_bytes=buffer) as (session, work):
                    return load_run(
                        session,
                        trace,
                        work,
                        min_support=min_support,
                        memory=self.memory_bytes,
                        progress=progress,
                    )
            except BufferFullError as error:
                if not self._can_grow(buffer):
                    raise StoreUnavailable(
                        f"Loading {trace.path} needs a buffer pool of more than {buffer >> 20} MiB: open the "
                        "store with more (buffer_bytes=...), or load fewer pathways into one store."
                    ) from error
                buffer *= 2

    def _wanted(self, *traces: Trace, stored: int = 0) -> int:
        """Bytes of buffer pool that take all edges of ``traces`` at once, within half of the memory."""
        if self._fixed:
            return self.buffer_bytes
        rows = sum(max(trace.counts["edges"], trace.counts["visits"]) for trace in traces)
        wanted = rows * BYTES_PER_ROW + stored * BYTES_PER_STORED_ROW
        return max(self.buffer_bytes, min(wanted, total_memory() // 2))

    def _stored_edges(self) -> int:
        if not self.path.exists():
            return 0
        return int(self.execute("MATCH (p:Pathway) RETURN sum(p.edges) AS n")["n"][0].as_py() or 0)

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """See :meth:`Store.execute`."""
        while True:
            try:
                return self._reader().execute(text, parameters)
            except BufferFullError as error:
                if not self._can_grow(self.buffer_bytes):
                    raise QueryFailed(
                        f"The query needs a buffer pool of more than {self.buffer_bytes >> 20} MiB: ask for "
                        "less (layers, categories ...), or open the store with more (buffer_bytes=...)."
                    ) from error
                self.buffer_bytes *= 2
                self.close()

    def _can_grow(self, buffer: int) -> bool:
        """Whether a pool of twice ``buffer`` bytes is allowed."""
        return not self._fixed and 2 * buffer <= total_memory() // 2

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
        """See :meth:`Store.cypher`. Runs in a process of its own, since some queries crash the engine."""
        text, parameters = admitted(self, text, {**(given or {}), **parameters}, write=write)
        limits = Limits(timeout, self.buffer_bytes)
        if not write:
            self._reader()  # says what is wrong with the file, if anything
            rows = run_apart(self.path, text, parameters, limits, write=False)
        else:
            with self._staged() as work:
                rows = run_apart(work / "store.lbdb", text, parameters, limits, write=True)
        frame: pd.DataFrame = rows.to_pandas()
        return frame

    def delete(self, run: str) -> None:
        """See :meth:`Store.delete`. Rebuilds the file from the other runs' traces when that is cheaper."""
        rows = self.execute(
            "MATCH (p:Pathway) RETURN sum(CASE WHEN p.run = $run THEN p.edges ELSE 0 END) AS gone, "
            "sum(p.edges) AS edges",
            {"run": run},
        ).to_pylist()
        others = self.execute("MATCH (r:Run) RETURN r.id AS run, r.path AS path, r.min_support AS support")
        if run not in others["run"].to_pylist():
            raise RunNotFound(f"{self.path} holds no run {run!r}; `runs` lists the ones it has.")
        kept = [row for row in others.to_pylist() if row["run"] != run]
        large = (rows[0]["gone"] or 0) > REBUILD_ABOVE * (rows[0]["edges"] or 0)
        if large and (traces := _traces(kept)) is not None:
            self._rebuild(traces)
            return
        with self._changed() as (session, _):
            remove_run(session, run)

    def rebuild(self) -> None:
        """Make the file anew from the traces of its runs, wherever they were when they were loaded.

        Raises:
            StoreError: a trace is no longer there.
        """
        with Session(self.path, read_only=True, buffer_bytes=self.buffer_bytes) as session:
            rows = session.execute(
                "MATCH (r:Run) RETURN r.id AS run, r.path AS path, r.min_support AS support"
            )
        traces = _traces(rows.to_pylist())
        if traces is None:
            missing = ", ".join(row["path"] for row in rows.to_pylist())
            raise StoreError(f"{self.path} cannot be rebuilt: not all of its traces are there ({missing}).")
        self._rebuild(traces)

    def record_verdict(self, verdict: Mapping[str, object], runs: Sequence[str]) -> None:
        """See :meth:`Store.record_verdict`."""
        with self._changed() as (session, _):
            verdicts.record(session, verdict, runs)

    def check(self) -> None:
        """Open the file if there is one, and refuse what another version made. Raises StoreUnavailable.

        Tables that the schema has got since are made, where the file can be changed now.
        """
        if self.path.exists() and self._reader().missing():
            with suppress(StoreUnavailable), self._changed():
                pass

    def close(self) -> None:
        """See :meth:`Store.close`."""
        session, self._session, self._opened = self._session, None, None
        if session:
            session.close()

    def _reader(self) -> Session:
        """The read-only session, opened anew when the file has been replaced."""
        try:
            status = self.path.stat()
        except OSError as error:
            self.close()
            raise StoreUnavailable(
                f"There is no store at {self.path}: `graphpath load DIR --store {self.path}` makes it."
            ) from error
        found = (status.st_ino, status.st_mtime_ns)
        if self._session is None or self._opened != found:
            self.close()
            _check_seal(self.path)
            session = Session(self.path, read_only=True, buffer_bytes=self.buffer_bytes)
            try:
                _check_version(session, self.path)
            except BaseException:
                session.close()
                raise
            self._session, self._opened = session, found
        return self._session

    @contextmanager
    def _staged(self, *, empty: bool = False) -> Iterator[Path]:
        """A directory with a copy of the file, which replaces it when the block succeeds."""
        if self.path.exists() and not empty:
            self._reader()
        with staged(self.path, empty=empty) as work:
            yield work
            self.close()

    @contextmanager
    def _changed(
        self, *, empty: bool = False, buffer_bytes: int | None = None
    ) -> Iterator[tuple[Session, Path]]:
        """A session on a copy of the file, and a directory for intermediate files."""
        with self._staged(empty=empty) as work:
            file = work / "store.lbdb"
            new = not file.exists()
            with Session(file, read_only=False, buffer_bytes=buffer_bytes or self.buffer_bytes) as session:
                if new:
                    session.create()
                else:
                    session.migrate()
                yield session, work
                session.checkpoint()

    def _rebuild(self, traces: list[tuple[Trace, int]]) -> None:
        with Session(self.path, read_only=True, buffer_bytes=self.buffer_bytes) as session:
            kept = _verdicts(session)
        buffer = self._wanted(*(trace for trace, _ in traces))
        with self._changed(empty=True, buffer_bytes=buffer) as (session, work):
            for number, (trace, support) in enumerate(traces):
                directory = work / f"load-{number}"
                directory.mkdir()
                load_run(session, trace, directory, min_support=support or None, memory=self.memory_bytes)
                shutil.rmtree(directory)
            verdicts.put_back(session, kept)


def _traces(rows: list[dict[str, Any]]) -> list[tuple[Trace, int]] | None:
    """The traces of runs with their min_support; None unless each is where its run says."""
    traces = []
    for row in rows:
        try:
            trace = Trace(row["path"])
        except RecordError:
            return None
        if trace.id != row["run"]:
            return None
        traces.append((trace, int(row["support"])))
    return traces


def _verdicts(session: Session) -> list[dict[str, Any]]:
    """The verdicts of a file, which may be older than they are."""
    return [] if "Verdict" in session.missing() else verdicts.recorded(session)


def _check_seal(path: Path) -> None:
    """Refuse a damaged file."""
    try:
        seal.check(path)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be opened as an embedded store: {error.strerror}.") from error


def _check_version(session: Session, path: Path) -> None:
    """Refuse a file that another version of the schema or the engine made."""
    try:
        rows = session.execute(
            "MATCH (m:GraphpathMeta) RETURN m.schema AS schema, m.engine AS engine"
        ).to_pylist()
    except StoreError as error:
        raise StoreUnavailable(f"{path} is a LadybugDB file, but no graphpath store.") from error
    found = rows[0] if rows else {"schema": "none", "engine": "unknown"}
    if (found["schema"], found["engine"]) != (SCHEMA_VERSION, f"ladybug {VERSION}"):
        raise StoreUnavailable(
            f"{path} was made with schema {found['schema']!r} by {found['engine']}; this is schema "
            f"{SCHEMA_VERSION!r} and ladybug {VERSION}. Rebuild it from its traces "
            f"(graphpath.open({str(path)!r}, rebuild=True)), or load them into a new file."
        )
