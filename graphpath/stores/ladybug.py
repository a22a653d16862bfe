"""The embedded store: one LadybugDB file, no server.

The file is read by any number of threads, and opened anew when it has been replaced; who is asking then goes
on with the one that was there (:mod:`graphpath.stores.handles`).
Every change is made on a copy that then replaces the file (:mod:`graphpath.stores.staging`), so readers
never wait, and a kill or a crash of the engine at any moment leaves the file as it was.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath import naming
from graphpath.errors import QueryFailed, StoreError, StoreUnavailable
from graphpath.progress import AnyProgress
from graphpath.record import Trace
from graphpath.stores import verdicts
from graphpath.stores.base import Answer, LoadReport, Store, StoreView, admit_text
from graphpath.stores.categories import Scheme
from graphpath.stores.engine import (
    BUFFER,
    BYTES_PER_ROW,
    BYTES_PER_STORED_ROW,
    GROWTH,
    BufferFullError,
    LadybugSession,
    RoomFullError,
    measure_memory,
    reserve_for_change,
)
from graphpath.stores.handles import KeptLease, Lease
from graphpath.stores.load import check_min_support, is_loaded, load_run
from graphpath.stores.location import check_no_log, read_generation, resolve_path
from graphpath.stores.prepare import MEMORY
from graphpath.stores.regroup import (
    StoredGroups,
    find_scheme,
    open_runs,
    read_stored_groups,
    remove_scheme,
    restore_groups,
    select_concerned,
)
from graphpath.stores.remove import remove_run
from graphpath.stores.runs import open_traces
from graphpath.stores.sandbox import Limits, run_in_child
from graphpath.stores.snapshot import Snapshot
from graphpath.stores.staging import check_room, stage

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

RUNS = "MATCH (r:Run) RETURN r.id AS run, r.path AS path, r.min_support AS support ORDER BY run"
GONE = "sum(CASE WHEN p.run = $run THEN p.edges ELSE 0 END) AS gone"
SIZES = f"MATCH (p:Pathway) RETURN {GONE}, sum(p.edges) AS edges"
LOADED = "MATCH (r:Run) WHERE r.id = $run SET r.loaded = CASE WHEN $loaded = '' THEN null ELSE $loaded END"
"""A rebuilt store goes on saying when its runs were loaded."""
REBUILD_ABOVE = 0.1
"""Share of the store's edges beyond which a deletion rebuilds the file instead."""


@dataclass(frozen=True)
class Regrouping:
    """What is new when a file is made anew: the scheme that ``runs`` get."""

    scheme: Scheme | None = None
    runs: frozenset[str] = frozenset()
    progress: AnyProgress | None = None


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
        self.path = Path(path).absolute()
        self.uri = str(path)
        self.buffer_bytes, self.memory_bytes = buffer_bytes or BUFFER, memory_bytes
        self._fixed = buffer_bytes is not None
        self._kept = KeptLease()
        weakref.finalize(self, self._kept.release)  # nobody has to close it

    def load(
        self,
        trace: Trace | str | Path,
        *,
        min_support: int | None = None,
        categories: Scheme | None = None,
        progress: AnyProgress | None = None,
    ) -> LoadReport:
        """See :meth:`Store.load`."""
        trace = trace if isinstance(trace, Trace) else Trace(trace)
        check_min_support(min_support)
        if self.exists() and self.read(lambda state: is_loaded(state, trace, min_support, categories)):
            return LoadReport(trace.id, False)
        buffer = self._choose_buffer(trace, stored=self._count_stored_edges())

        def load(more: int) -> LoadReport:
            with self._change(buffer_bytes=buffer, rows=_count_rows(trace), more=more) as (session, work):
                return load_run(
                    session,
                    trace,
                    work,
                    min_support=min_support,
                    scheme=categories,
                    memory=self.memory_bytes,
                    progress=progress,
                )

        while True:
            try:
                return _with_room(load)
            except BufferFullError as error:
                if not self._can_grow(buffer):
                    raise StoreUnavailable(
                        f"Loading {trace.path} needs a buffer pool of more than {buffer >> 20} MiB: open the "
                        "store with more (buffer_bytes=...), or load fewer pathways into one store."
                    ) from error
                buffer *= 2

    def _choose_buffer(self, *traces: Trace, stored: int = 0) -> int:
        """Bytes of buffer pool that take all edges of ``traces`` at once, within half of the memory."""
        if self._fixed:
            return self.buffer_bytes
        rows = sum(max(trace.counts["edges"], trace.counts["visits"]) for trace in traces)
        wanted = rows * BYTES_PER_ROW + stored * BYTES_PER_STORED_ROW
        return max(self.buffer_bytes, min(wanted, measure_memory() // 2))

    def _count_stored_edges(self) -> int:
        if not self.exists():
            return 0
        return int(self.execute("MATCH (p:Pathway) RETURN sum(p.edges) AS n")["n"][0].as_py() or 0)

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """See :meth:`Store.execute`."""
        return self.read(lambda state: state.execute(text, parameters))

    def read(self, work: Callable[[StoreView], Answer], *, timeout: float | None = None) -> Answer:
        """See :meth:`Store.read`."""
        while True:
            buffer = self.buffer_bytes
            try:
                with self._take_lease(buffer) as lease, lease.session() as session:
                    return work(Snapshot(session, self.dialect, timeout))
            except BufferFullError as error:
                if not self._can_grow(buffer):
                    raise QueryFailed(
                        f"The query needs a buffer pool of more than {buffer >> 20} MiB: ask for "
                        "less (layers, categories ...), or open the store with more (buffer_bytes=...)."
                    ) from error
                self.buffer_bytes = max(self.buffer_bytes, 2 * buffer)

    def _can_grow(self, buffer: int) -> bool:
        """Whether a pool of twice ``buffer`` bytes is allowed."""
        return not self._fixed and 2 * buffer <= measure_memory() // 2

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
        text, parameters = admit_text(self, text, {**(given or {}), **parameters}, write=write)
        limits = Limits(timeout, self.buffer_bytes)
        if not write:
            with self._take_lease() as lease:  # says what is wrong with the file, if anything
                rows = run_in_child(lease.key.path, text, parameters, limits, write=False)
        else:
            with self._stage() as work:
                rows = run_in_child(work / "store.lbdb", text, parameters, limits, write=True)
        frame: pd.DataFrame = rows.to_pandas()
        return frame

    def delete(self, run: str) -> None:
        """See :meth:`Store.delete`. Rebuilds the file from the other runs' traces when that is cheaper."""
        run = self.chosen_run(run, unfinished=True).run
        [sizes], runs = self.read(
            lambda state: (state.execute(SIZES, {"run": run}).to_pylist(), state.execute(RUNS).to_pylist())
        )
        large = (sizes["gone"] or 0) > REBUILD_ABOVE * (sizes["edges"] or 0)
        if large and (traces := open_traces([row for row in runs if row["run"] != run])) is not None:
            self._rebuild(traces, runs)
            return
        with self._change() as (session, _):
            remove_run(session, run)

    def rebuild(self) -> None:
        """Make the file anew from the traces of its runs, wherever they were when they were loaded.

        Raises:
            StoreError: a trace is no longer there.
        """
        with self._open_unchecked() as session:
            runs = session.execute(RUNS).to_pylist()
        traces = open_traces(runs)
        if traces is None:
            missing = ", ".join(row["path"] for row in runs)
            raise StoreError(f"{self.path} cannot be rebuilt: not all of its traces are there ({missing}).")
        self._rebuild(traces, runs)

    def add_categories(self, scheme: Scheme, *, progress: AnyProgress | None = None) -> list[LoadReport]:
        """See :meth:`Store.add_categories`. The file is made anew where that is cheaper; all runs at once."""
        traces = open_runs(self)
        concerned, left_out = select_concerned(traces, scheme)
        if self.read(lambda state: all(is_loaded(state, t, n or None, scheme) for t, n in concerned)):
            return [*(LoadReport(trace.id, False) for trace, _ in concerned), *left_out]
        rows = self.read(lambda state: state.execute(RUNS).to_pylist())
        wanted = frozenset(trace.id for trace, _ in concerned)
        reports = self._rebuild(traces, rows, Regrouping(scheme, wanted, progress))
        return [*(report for report in reports if report.run in wanted), *left_out]

    def remove_categories(self, scheme: str) -> None:
        """See :meth:`Store.remove_categories`."""
        self.read(lambda state: find_scheme(state, self.uri, scheme))
        with self._change() as (session, _):
            remove_scheme(session, scheme)

    def record_verdict(self, verdict: Mapping[str, object], runs: Sequence[str]) -> None:
        """See :meth:`Store.record_verdict`."""
        with self._change() as (session, _):
            verdicts.record(session, verdict, runs)

    def check(self) -> None:
        """Open the file if there is one, and refuse what another version made. Raises StoreUnavailable.

        Tables that the schema has got since are made, where the file can be changed now.
        """
        if not self.exists():
            return
        with self._take_lease() as lease, lease.session() as session:
            missing = session.find_missing_tables()
        if missing:
            with suppress(StoreUnavailable), self._change():
                pass

    def close(self) -> None:
        """See :meth:`Store.close`. Queries that are under way end as if it had not been called."""
        self._kept.release()

    def exists(self) -> bool:
        """Whether there is a file. Raises StoreUnavailable where it is something else."""
        return read_generation(resolve_path(self.path)) is not None

    @contextmanager
    def _take_lease(self, buffer_bytes: int | None = None) -> Iterator[Lease]:
        """A lease of the file as it is now."""
        lease = self._kept.take_lease(resolve_path(self.path), buffer_bytes or self.buffer_bytes)
        try:
            yield lease
        finally:
            lease.release()

    @contextmanager
    def _stage(self, *, empty: bool = False) -> Iterator[Path]:
        """A directory with a copy of the file, which replaces it when the block succeeds."""
        if self.exists() and not empty:
            with self._take_lease():  # says what is wrong with the file, if anything
                pass
            self.close()
        with stage(resolve_path(self.path), empty=empty) as work:
            yield work

    @contextmanager
    def _change(
        self, *, empty: bool = False, buffer_bytes: int | None = None, rows: int = 0, more: int = 1
    ) -> Iterator[tuple[LadybugSession, Path]]:
        """A session on a copy of the file, and a directory for intermediate files.

        ``more`` times the usual room is reserved for what the file becomes with ``rows`` of a load.
        """
        with self._stage(empty=empty) as work:
            check_room(self.path, work, rows)
            file = work / "store.lbdb"
            new = not file.exists()
            found = read_generation(resolve_path(self.path))
            size = more * reserve_for_change(found.size if found else 0, rows)
            with LadybugSession(
                file, read_only=False, buffer_bytes=buffer_bytes or self.buffer_bytes, max_bytes=size
            ) as session:
                session.create() if new else session.migrate()
                yield session, work
                session.checkpoint()

    @contextmanager
    def _open_unchecked(self) -> Iterator[LadybugSession]:
        """A session to read the file, whichever version made it."""
        path = resolve_path(self.path)
        read_generation(path)
        check_no_log(path)
        with LadybugSession(path, read_only=True, buffer_bytes=self.buffer_bytes) as session:
            yield session

    def _rebuild(
        self,
        traces: list[tuple[Trace, int]],
        runs: list[dict[str, Any]],
        regrouping: Regrouping | None = None,
    ) -> list[LoadReport]:
        """Make the file anew from ``traces``, if it still holds ``runs``; verdicts and categories stay."""
        return _with_room(lambda more: self._build_anew(traces, runs, regrouping or Regrouping(), more))

    def _build_anew(
        self,
        traces: list[tuple[Trace, int]],
        runs: list[dict[str, Any]],
        regrouping: Regrouping,
        more: int,
    ) -> list[LoadReport]:
        buffer = self._choose_buffer(*(trace for trace, _ in traces))
        rows = sum(map(_count_rows, (trace for trace, _ in traces)))
        with self._change(empty=True, buffer_bytes=buffer, rows=rows, more=more) as (session, work):
            with self._open_unchecked() as old:
                if old.execute(RUNS).to_pylist() != runs:
                    raise StoreUnavailable(
                        f"{self.path} was changed by another process meanwhile: try again."
                    )
                kept, grouped = _read_verdicts(old), _read_groups(old)
                loaded = {one.run: one.loaded for one in naming.read_stored_runs(Snapshot(old, self.dialect))}
            restore_groups(session, grouped, work)
            reports: list[LoadReport] = []
            for number, (trace, support) in enumerate(traces):
                directory = work / f"load-{number}"
                directory.mkdir()
                report = load_run(
                    session,
                    trace,
                    directory,
                    min_support=support or None,
                    scheme=regrouping.scheme if trace.id in regrouping.runs else None,
                    memory=self.memory_bytes,
                    progress=regrouping.progress,
                )
                reports.append(report)
                session.execute(LOADED, {"run": trace.id, "loaded": loaded[trace.id] or ""})
                shutil.rmtree(directory)
            verdicts.restore_verdicts(session, kept)
        return reports


def _with_room(change: Callable[[int], Answer]) -> Answer:
    """``change`` with one time the usual room; with more where the file outgrows what limits leave it."""
    more = 1
    while True:
        try:
            return change(more)
        except RoomFullError:
            more *= GROWTH


def _count_rows(trace: Trace) -> int:
    """What ``trace`` brings, of the tables that are large."""
    return sum(trace.counts.get(name, 0) for name in ("edges", "channels", "visits", "routes", "steps"))


def _read_verdicts(session: LadybugSession) -> list[dict[str, Any]]:
    """The verdicts of a file, which may be older than they are."""
    return [] if "Verdict" in session.find_missing_tables() else verdicts.read_verdicts(session)


def _read_groups(session: LadybugSession) -> StoredGroups | None:
    """The categories of a file, which may be older than they are."""
    return None if "IN_CATEGORY" in session.find_missing_tables() else read_stored_groups(session)
