"""Rebuilding a database from any number of traces with ``neo4j-admin database import full``.

The record becomes CSV, the importer makes a new database of it beside the old one, and the two are
exchanged while the server is down: for the seconds of a restart. The old one is deleted when the new one
answers with the right counts, else it is put back.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import ServerError, StoreError, StoreUnavailable
from graphpath.progress import AnyProgress, as_progress
from graphpath.record import Trace
from graphpath.schema import NODE, SCHEMA_VERSION
from graphpath.stores.categories import Scheme
from graphpath.stores.neo4j.address import Address
from graphpath.stores.neo4j.exchange import Exchange
from graphpath.stores.neo4j.gather import Files, gather
from graphpath.stores.neo4j.importing import ARGUMENTS, SCHEMA, ImportFiles, convert
from graphpath.stores.neo4j.session import BoltSession

if TYPE_CHECKING:
    from graphpath.server import Server

HEAP: Final = 1024
"""MiB for the importer's heap; its tables of ids lie outside of it."""


class RebuildableStore(Protocol):
    """The store whose database is rebuilt."""

    uri: str
    address: Address
    memory_bytes: int

    def session(self, *, write: bool = False) -> BoltSession:
        """A connection to the database that is there now."""
        ...

    def close(self) -> None:
        """Let go of the server, which is stopped."""
        ...


@dataclass(frozen=True)
class BulkReport:
    """What a bulk load did.

    ``loaded`` is False where graphpath does not manage the server: then ``command`` imports the files in
    ``directory``. ``counts`` are the nodes and relationships; ``seconds`` the time of each stage ("prepare",
    "convert", "import", "exchange", "check").
    """

    runs: tuple[str, ...]
    loaded: bool
    counts: dict[str, int]
    seconds: dict[str, float] = field(default_factory=dict)
    directory: Path | None = None
    command: str | None = None


def bulk_load(
    store: RebuildableStore,
    traces: Sequence[Trace],
    *,
    min_support: int | None,
    scheme: Scheme | None = None,
    progress: AnyProgress | None,
    directory: Path | None = None,
    server: Server | None = None,
) -> BulkReport:
    """See :meth:`graphpath.stores.neo4j.store.Neo4jStore.bulk_load`."""
    if not traces:
        raise StoreError("A bulk load rebuilds the database from traces: name at least one.")
    managed = _copy_server(server) if server else find_managed_server(store.uri)
    if managed is None and directory is None:
        directory = Path(f"import-{traces[0].id}")
    seconds: dict[str, float] = {}
    with _choose_directory(managed, directory) as work:
        with _time_stage(seconds, "prepare"):
            made = gather(traces, work / "prepared", store.memory_bytes, min_support, scheme, progress)
            made.files["GraphpathMeta"] = [_write_meta(work / "prepared")]
        with _time_stage(seconds, "convert"):
            _report_stage(progress, "convert", 0)
            files = convert(made.files, work / "import" if managed else work, store.memory_bytes)
        runs = tuple(made.runs)
        if managed is None:
            shutil.rmtree(work / "prepared")
            return _report_files(files, runs, seconds, store.address.database)
        _install(store, managed, files, seconds, progress)
        return BulkReport(runs, True, files.counts, seconds)


def find_managed_server(uri: str) -> Server | None:
    """The server that graphpath runs, if ``uri`` is its address."""
    from graphpath.server import Server, read_stored_password

    server = Server()
    return None if read_stored_password(uri, server) is None else _copy_server(server)


def _copy_server(server: Server) -> Server:
    """``server`` with the ports and the library that it has now, to be started with again."""
    from graphpath.server import Server

    found = server.status()
    if found.ports is None:
        raise StoreUnavailable(f"The server in {server.home} does not run: graphpath neo4j start starts it.")
    bolt, http = found.ports.bolt, found.ports.http
    return Server(server.home, bolt_port=bolt, http_port=http, cache=server.cache, gds=found.gds)


def _install(
    store: RebuildableStore,
    server: Server,
    files: ImportFiles,
    seconds: dict[str, float],
    progress: AnyProgress | None,
) -> None:
    exchange = Exchange(server, store.address.database)
    exchange.recover()
    with _time_stage(seconds, "import"):
        _report_stage(progress, "import", 1)
        arguments = files.write_arguments(relative=False)
        with _map_server_errors(server):
            exchange.import_new(arguments, HEAP)
    _report_stage(progress, "exchange", 2)
    began = time.perf_counter()
    store.close()
    with _map_server_errors(server), exchange.swap():
        seconds["exchange"] = time.perf_counter() - began
        with _time_stage(seconds, "check"):
            _report_stage(progress, "check", 3)
            _verify(store, files.counts)


def _verify(store: RebuildableStore, counts: dict[str, int]) -> None:
    """Make constraints and indexes, and count."""
    session = store.session(write=True)
    session.define()
    for name, expected in counts.items():
        pattern = f"(x:{name})" if name in NODE else f"()-[x:{name}]->()"
        found = session.read_column(f"MATCH {pattern} RETURN count(x) AS n")[0]
        if found != expected:
            raise StoreUnavailable(
                f"The importer made {found} {name} where the traces hold {expected}; the old "
                "database is back."
            )


def _report_files(
    files: ImportFiles, runs: tuple[str, ...], seconds: dict[str, float], database: str
) -> BulkReport:
    files.write_arguments(relative=True)
    files.write_schema()
    where = shlex.quote(str(files.directory.resolve()))
    command = (
        f"cd {where} && neo4j-admin database import full --overwrite-destination=true {database} @{ARGUMENTS}"
        f" && neo4j start && cypher-shell -d {database} -f {SCHEMA}"
    )
    return BulkReport(runs, False, files.counts, seconds, files.directory, command)


def _write_meta(directory: Path) -> Path:
    path = directory / "GraphpathMeta.parquet"
    pq.write_table(pa.table({"id": [1], "schema": [SCHEMA_VERSION], "engine": ["neo4j"]}), path)
    return path


@contextmanager
def _choose_directory(managed: Server | None, directory: Path | None) -> Iterator[Path]:
    """Where files go: kept in ``directory`` for a server that is not ours, else deleted in the end."""
    if managed is None and directory is not None:
        if directory.exists() and any(directory.iterdir()):
            raise StoreError(f"{directory} is not empty: name another directory for the import files.")
        directory.mkdir(parents=True, exist_ok=True)
        yield directory
        return
    home = managed.home / "import" if managed else None
    work = Path(tempfile.mkdtemp(prefix="bulk-", dir=directory or home))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _time_stage(seconds: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - began


@contextmanager
def _map_server_errors(server: Server) -> Iterator[None]:
    try:
        yield
    except ServerError as error:
        detail = _find_diagnostic(getattr(error, "log", "") or "")
        raise StoreUnavailable(
            f"The bulk load did not succeed and the old database is kept: {error} {detail}".strip()
        ) from error


def _find_diagnostic(log: str) -> str:
    """The line of the importer's output that says what is wrong."""
    lines = [line.strip() for line in log.splitlines() if "rror" in line or "xception" in line]
    return lines[0][:300] if lines else ""


def _report_stage(progress: AnyProgress | None, stage: str, done: int) -> None:
    as_progress(progress)(stage, done, 4)


__all__ = ["BulkReport", "Files", "bulk_load", "find_managed_server"]
