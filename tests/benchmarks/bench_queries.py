"""Named queries against the same answers computed with DuckDB straight from the Parquet.

    python -m tests.benchmarks.bench_queries [PATHWAYS] [EDGES]

A synthetic trace of 100 originals and attacks on them (200 pathways of about 5,000 edges) is loaded into the
embedded store. Each question is asked in turn of both, several times in the same run; the medians are
printed side by side with their ratio. The DuckDB side has no roll-ups: it computes them, as a user without
a store would have to. That is what the store's time is to be read against.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from graphpath.stores import Store, open_store
from tests.benchmarks.questions import Question, connect, make_traces, questions

ROUNDS = 5


def main() -> None:
    """Make the trace, load it, and print the medians."""
    pathways, edges = (int(value) for value in (*sys.argv[1:], *("200", "5000")[len(sys.argv) - 1 :]))
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        clean, attacked = make_traces(Path(folder), pathways // 2, edges)
        with open_store(Path(folder) / "bench.lbdb") as store:
            for trace in (clean, attacked):
                report = store.load(trace, min_support=2)
                console.print(f"loaded {report.run}: {report.counts['FLOWS_TO']:,} FLOWS_TO")
            connection = connect((clean, attacked))
            console.print(_table(store, connection, questions(store)))


def _table(store: Store, connection: duckdb.DuckDBPyConnection, asked: list[Question]) -> Table:
    table = Table("query", "rows", "store ms", "DuckDB ms", "ratio")
    for question in asked:
        rows = len(store.query(question.name, **question.parameters))

        def ask(question: Question = question) -> object:
            return store.query(question.name, **question.parameters)

        def compute(question: Question = question) -> object:
            return connection.execute(question.sql, question.values).df()

        stored, computed = _medians(ask, compute if question.sql else None)
        ratio = [f"{computed:.0f}", f"{stored / computed:.2f}"] if computed else ["-", "-"]
        table.add_row(question.name, f"{rows:,}", f"{stored:.0f}", *ratio)
    return table


def _medians(one: Callable[[], object], two: Callable[[], object] | None) -> tuple[float, float]:
    """Median milliseconds of both, measured in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for action, taken in zip((one, two), times, strict=True):
            if action is not None:
                start = time.perf_counter()
                action()
                taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[0]), statistics.median(times[1]) if times[1] else 0.0


if __name__ == "__main__":
    main()
