"""The Neo4j store on a real server: writing, bulk loading and asking, each against what it is compared with.

    python -m tests.benchmarks.bench_neo4j [--write 120000] [--edges 5000000] [--rounds 5] [--only ask]

- *write*: the store's batches against the plain ``UNWIND`` of 1,000 maps, same edges, same server, in turn.
- *bulk*: conversion and import of one trace against the import tool alone on the converted files; roll-ups
  and the restart apart.
- *ask*: each named query on both engines against the same answer by DuckDB straight from the Parquet.

Starts a server of its own; set $GRAPHPATH_CACHE where the server's jars are already there.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from graphpath.record import Trace
from graphpath.server import Server
from graphpath.stores import Store, open_store
from graphpath.stores.neo4j.bulk import HEAP, bulk_load
from graphpath.stores.neo4j.exchange import Exchange
from graphpath.stores.neo4j.gather import gather
from graphpath.stores.neo4j.importing import convert
from graphpath.stores.neo4j.session import BoltSession
from graphpath.stores.neo4j.store import Neo4jStore
from tests.benchmarks.bench_load import write_large
from tests.benchmarks.questions import connect, make_traces, questions

PLAIN = """
UNWIND $rows AS row MATCH (a:Neuron {id: row.source}) MATCH (b:Neuron {id: row.target})
CREATE (a)-[:FLOWS_TO {pathway: row.pathway, layer: row.layer, flow: row.flow, score: row.score,
                       rank: row.rank}]->(b)
"""
CLEAR = "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS"
CLEAR_EDGES = "MATCH ()-[r:FLOWS_TO]->() CALL (r) { DELETE r } IN TRANSACTIONS OF 20000 ROWS"
PER_PATHWAY = 20_000

Session = BoltSession


def main() -> None:
    """Start a server, measure, print."""
    reader = argparse.ArgumentParser()
    reader.add_argument("--write", type=int, default=120_000, help="edges per round of writing")
    reader.add_argument("--edges", type=int, default=5_000_000, help="edges of the bulk load")
    reader.add_argument("--rounds", type=int, default=5)
    reader.add_argument("--only", choices=["write", "bulk", "ask"])
    reader.add_argument("--memory", default="2g")
    asked = reader.parse_args()
    console = Console()
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "home", bolt_port=0, http_port=0, memory=asked.memory, timeout=300) as server,
        open_store(server.uri, password=server.password) as store,
    ):
        assert isinstance(store, Neo4jStore)
        work = Path(folder)
        if asked.only in (None, "write"):
            write(store, server, work, asked.write, asked.rounds, console)
        if asked.only in (None, "ask"):
            ask(store, work, asked.rounds, console)
        if asked.only in (None, "bulk"):
            bulk(store, server, work, asked.edges, asked.rounds, console)


def write(store: Neo4jStore, server: Server, work: Path, edges: int, rounds: int, console: Console) -> None:
    """Edges per second of both ways, in turn, on a warm server; and what both sides compute for an edge.

    The time of a processor, unlike that on the wall, says little about what else the machine is doing.
    """
    trace = write_large(work / "write", max(1, edges // PER_PATHWAY), min(edges, PER_PATHWAY))
    store.load(trace)  # the neurons, and a warm server
    rows = pa.concat_tables(pq.read_table(file) for file in trace.files("edges"))
    session = store.session(write=True)
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(session, rows),
        "batches": lambda: batches(session, trace, work),
    }
    pid = server.status().pid
    assert pid is not None
    taken: dict[str, list[list[float]]] = {name: [] for name in ways}
    for number in range(rounds + 2):
        for name, way in ways.items():
            session.run_alone(CLEAR_EDGES)
            before = [time.perf_counter(), time.process_time(), _processor(pid)]
            way()
            after = [time.perf_counter(), time.process_time(), _processor(pid)]
            if number > 1:  # two rounds warm up
                taken[name].append([end - start for start, end in zip(before, after, strict=True)])
    console.print(f"write: {rows.num_rows:,} edges a round; the driver's codecs in Rust: {_in_rust()}")
    for name, times in taken.items():
        wall, client, computed = (statistics.median(column) for column in zip(*times, strict=True))
        spread = ", ".join(f"{rows.num_rows / each[0]:,.0f}" for each in times)
        console.print(
            f"write {name}: {rows.num_rows / wall:,.0f} edges/s ({spread}); processor per edge: client "
            f"{1e6 * client / rows.num_rows:.1f} us, server {1e6 * computed / rows.num_rows:.1f} us"
        )
    one, two = (list(zip(*taken[name], strict=True)) for name in ("plain", "batches"))
    ratios = [a / b for a, b in zip(one[0], two[0], strict=True)]
    both = [statistics.median(way[1]) + statistics.median(way[2]) for way in (one, two)]
    console.print(
        f"write: ratio {statistics.median(ratios):.2f}, best of each {min(one[0]) / min(two[0]):.2f}, of "
        f"processor time {both[0] / both[1]:.2f} (target 1.6)"
    )
    session.run_alone(CLEAR)


def _processor(pid: int) -> float:
    """Seconds that process ``pid`` has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _in_rust() -> bool:
    """Whether ``neo4j-rust-ext`` packs what the driver sends (the extra ``fast``)."""
    from neo4j._codec.packstream import v1

    return v1._rust_pack is not None


def plain(session: BoltSession, rows: pa.Table) -> None:
    """What the driver's manual shows: a list of maps, 1,000 at a time."""
    for start in range(0, rows.num_rows, 1000):
        session.read_columns(PLAIN, {"rows": rows.slice(start, 1000).to_pylist()})


def batches(session: BoltSession, trace: Trace, work: Path) -> None:
    """What a load does."""
    session.forget(trace.id)
    session.start(trace.id, "benchmark")
    for _ in session.copy("FLOWS_TO", trace.files("edges"), work):
        pass
    session.forget(trace.id)


def ask(store: Neo4jStore, work: Path, rounds: int, console: Console) -> None:
    """Medians in milliseconds, the three in turn."""
    traces = make_traces(work / "ask", 100, 5000)
    with open_store(work / "ask.lbdb") as embedded:
        for trace in traces:
            began = time.perf_counter()
            report = store.load(trace, min_support=2)
            taken = time.perf_counter() - began
            console.print(
                f"load {report.run}: {sum(report.counts.values()):,} rows in {taken:.1f} s; FLOWS_TO "
                f"{report.edges_per_second:,.0f}/s"
            )
            embedded.load(trace, min_support=2)
        console.print(_asked({"embedded": embedded, "Neo4j": store}, traces, rounds))
    for trace in traces:
        began = time.perf_counter()
        store.delete(trace.id)
        console.print(f"delete {trace.id}: {time.perf_counter() - began:.1f} s")


def _asked(stores: dict[str, Store], traces: tuple[Trace, Trace], rounds: int) -> Table:
    connection = connect(traces)
    table = Table("query", "rows", *(f"{name} ms" for name in stores), "DuckDB ms")
    for question in questions(stores["embedded"]):
        ways: list[Callable[[], object]] = [
            lambda store=store, question=question: store.query(question.name, **question.parameters)
            for store in stores.values()
        ]
        if question.sql:
            ways.append(lambda question=question: connection.execute(question.sql, question.values).df())
        times: list[list[float]] = [[] for _ in ways]
        for _ in range(rounds + 1):
            for way, taken in zip(ways, times, strict=True):
                began = time.perf_counter()
                way()
                taken.append(1000 * (time.perf_counter() - began))
        shown = [f"{statistics.median(taken[1:]):.0f}" for taken in times]
        rows = len(stores["embedded"].query(question.name, **question.parameters))
        table.add_row(question.name, f"{rows:,}", *shown, *([] if question.sql else ["-"]))
    return table


def bulk(store: Neo4jStore, server: Server, work: Path, edges: int, rounds: int, console: Console) -> None:
    """One trace of ``edges`` edges: a whole bulk load, then conversion and import alone, again and again."""
    trace = write_large(work / "bulk", max(1, edges // PER_PATHWAY), PER_PATHWAY)
    report = bulk_load(store, [trace], min_support=None, progress=None, server=server)
    rows = sum(report.counts.values())
    console.print(f"bulk: {report.counts['FLOWS_TO']:,} FLOWS_TO, {rows:,} in all")
    console.print(", ".join(f"{stage} {taken:.1f} s" for stage, taken in report.seconds.items()))
    made = gather([trace], work / "prepared", store.memory_bytes, None, None)
    exchange = Exchange(server, store.address.database)
    taken: list[tuple[float, float, float, float]] = []
    for _ in range(rounds):
        shutil.rmtree(work / "import", ignore_errors=True)
        began, computed = time.perf_counter(), time.process_time()
        files = convert(made.files, work / "import", store.memory_bytes)
        converted, apart = time.perf_counter(), time.process_time()
        children = _of_children()
        exchange.import_new(files.write_arguments(relative=False), HEAP)
        imported = time.perf_counter()
        taken.append((converted - began, imported - converted, apart - computed, _of_children() - children))
        said = "convert {:.1f} s, import {:.1f} s; processor {:.1f} s and {:.1f} s".format(*taken[-1])
        console.print(f"bulk: {said}; import alone {rows / taken[-1][1]:,.0f} rows/s")
    ratio = statistics.median(1 + each[0] / each[1] for each in taken)
    of_processor = statistics.median(1 + each[2] / each[3] for each in taken)
    console.print(
        f"bulk: with conversion {ratio:.2f} times the import alone, {of_processor:.2f} times its processor "
        "time (target 1.2)"
    )
    exchange.recover()


def _of_children() -> float:
    """Seconds that the processes that this one ran have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
