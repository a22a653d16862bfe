"""Every named query on both engines, over traces of real images: the same answers?

    python -m tests.benchmarks.same_answers TRACE... [--bulk | --server URI]

Traces of one network make a group, the originals' trace first, then the one of the images derived from
them, if any. Each group is loaded into an embedded store and onto a real Neo4j server (one of its own
unless ``--server`` names one, whose database is *emptied*; its password from the environment), with
``--bulk`` by the bulk importer. Every named
query is asked with the parameters of the contract suite, and more of them: more pairs, pathways, samples
and neurons. Answers are compared as sets of rows: numbers, texts and lists equal, floats within 1e-9 of
each other relative to their size; where pandas can do it in seconds, with pandas's answer as well, to
1e-6 (the record holds single precision).

Prints, per query, the cases and rows compared and the largest relative difference seen; ends with status 1
where anything differs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from graphpath import ids, queries
from graphpath.errors import QueryParameterError
from graphpath.record import Trace
from graphpath.server import Server
from graphpath.stores import Store, open_store
from graphpath.stores.neo4j.bulk import bulk_load
from graphpath.stores.neo4j.store import Neo4jStore
from tests.queries import test_answers, test_graph
from tests.queries.answers import ANSWERS
from tests.queries.facts import Facts
from tests.stores.contract.conftest import CLEAR
from tests.stores.contract.test_answers import alike, renamed

SUPPORT = 2
RUNS = ("clean", "attacked")
"""What the cases call the runs of a group."""
ENGINES, PANDAS = 1e-9, 1e-6
LONG = {"categories/consistency", "pathways/largest_overlap", "adversarial/class_similarity"}
"""Pandas would loop over pairs of samples, or over pathways, for minutes."""
PATIENCE = 60.0
"""Seconds of a query that pandas gets, over all its cases."""
MORE = 20
"""Samples, pathways, neurons and pairs beyond those of the suite."""


@dataclass
class Tally:
    """What was compared of one query."""

    cases: int = 0
    rows: int = 0
    refused: int = 0
    largest: float = 0.0
    against_pandas: int = 0
    seconds_of_pandas: float = 0.0
    wrong: list[str] = field(default_factory=list)
    times: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


def main() -> None:
    """Compare, print, and say so with the status."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    reader.add_argument("traces", nargs="+", type=Path)
    reader.add_argument("--server", help="URI of a server whose database may be emptied")
    reader.add_argument("--bulk", action="store_true", help="load it with the bulk importer")
    reader.add_argument("--memory", default="2g", help="of the server that is started otherwise")
    asked = reader.parse_args()
    console = Console()
    if asked.bulk and asked.server:
        reader.error("--bulk rebuilds the database of a server of its own")
    named = {name for name, query in queries.catalogue().items() if not query.needs_gds}
    tallies: dict[str, Tally] = {name: Tally() for name in sorted(named)}
    with tempfile.TemporaryDirectory() as folder, _server(asked.server, asked.memory) as at:
        for number, traces in enumerate(_groups(asked.traces)):
            work = Path(folder) / f"group-{number}"
            work.mkdir()
            group = _Group(tuple(renamed(t, run, work) for t, run in zip(traces, RUNS, strict=False)))
            with open_store(work / "store.lbdb") as embedded, at.open() as neo4j:
                group.load(embedded, neo4j, at.server if asked.bulk else None, console)
                group.compare((embedded, neo4j), tallies, console)
    console.print(_shown(tallies))
    sys.exit(1 if any(tally.wrong for tally in tallies.values()) else 0)


@dataclass(frozen=True)
class _Where:
    """A server; ``server`` only where it is one of our own."""

    uri: str
    password: str | None = None
    server: Server | None = None

    def open(self) -> Neo4jStore:
        store = open_store(self.uri, password=self.password)
        assert isinstance(store, Neo4jStore)
        return store


@contextmanager
def _server(uri: str | None, memory: str) -> Iterator[_Where]:
    if uri:
        yield _Where(uri)
        return
    with (
        tempfile.TemporaryDirectory() as home,
        Server(Path(home) / "home", bolt_port=0, http_port=0, memory=memory, timeout=300) as server,
    ):
        yield _Where(server.uri, server.password, server)


def _groups(paths: list[Path]) -> list[list[Trace]]:
    found: dict[str, list[Trace]] = {}
    for trace in map(Trace, paths):
        found.setdefault(str(trace.run["model"]["sha256"]), []).append(trace)
    return list(found.values())


@dataclass(frozen=True)
class _Group:
    """Traces of one network under the runs' names that the cases know."""

    traces: tuple[Trace, ...]

    @property
    def facts(self) -> Facts:
        scheme = self.traces[0].categories().to_table()["scheme"][0].as_py()
        return Facts(self.traces, SUPPORT, str(scheme))

    def load(self, embedded: Store, neo4j: Neo4jStore, server: Server | None, console: Console) -> None:
        neo4j.cypher(CLEAR, write=True, timeout=None)
        stores: list[Store] = [embedded] if server else [embedded, neo4j]
        for trace in self.traces:
            for store in stores:
                began = time.perf_counter()
                report = store.load(trace, min_support=SUPPORT)
                console.print(
                    f"{trace.run['dataset']['name']}: {trace.counts['samples']:,} samples, "
                    f"{report.counts['FLOWS_TO']:,} edges, {sum(report.counts.values()):,} rows loaded "
                    f"({store.dialect}) in {time.perf_counter() - began:.1f} s"
                )
        if server:
            began = time.perf_counter()
            made = bulk_load(neo4j, self.traces, min_support=SUPPORT, progress=None, server=server)
            taken = time.perf_counter() - began
            console.print(f"{sum(made.counts.values()):,} rows loaded (neo4j, in bulk) in {taken:.1f} s")

    def compare(self, stores: tuple[Store, Store], tallies: dict[str, Tally], console: Console) -> None:
        facts = self.facts
        for name, tally in tallies.items():
            began, known = time.perf_counter(), len(tally.wrong)
            for parameters in _cases(name, facts, stores[0]):
                _ask(name, parameters, stores, facts, tally)
            console.print(f"  {name}: {time.perf_counter() - began:.1f} s", highlight=False)
            for text in tally.wrong[known:]:
                console.print(f"    wrong: {text}", highlight=False, soft_wrap=True)


def _cases(name: str, facts: Facts, store: Store) -> Iterator[dict[str, Any]]:
    """The suite's cases that this group can answer, and more where they are taken from the facts."""
    limit = {"limit": 100_000} if "limit" in queries.find(name).parameters else {}
    known = {trace.id for trace in facts.traces}
    if "original" in queries.find(name).parameters and facts.samples.parent.isna().all():
        return
    for parameters in _given(name, facts, store):
        runs = {parameters.get("run"), *parameters.get("references", ())} & set(RUNS)
        if runs <= known:
            yield {**limit, **{key: _of_scheme(value, facts) for key, value in parameters.items()}}


def _given(name: str, facts: Facts, store: Store) -> Iterator[dict[str, Any]]:
    if name in test_graph.CASES:
        yield test_graph.CASES[name](facts, store)
        return
    cases = test_answers.CASES[name]
    yield from cases if isinstance(cases, list) else cases(facts)
    wanted = queries.find(name).parameters
    if {"original", "derived"} <= wanted.keys():
        parents = facts.samples.parent.dropna().sample(MORE, random_state=0)
        yield from ({"original": int(o), "derived": int(d)} for d, o in parents.items())
    elif len(wanted) and next(iter(wanted)) in ("pathway", "sample", "neuron"):
        key = next(iter(wanted))
        column = {"pathway": facts.pathways.pathway, "neuron": facts.visits.neuron}.get(
            key, facts.pathways["sample"]
        )
        drawn = column.drop_duplicates().sample(MORE, random_state=0)
        yield from ({key: int(value)} for value in islice(drawn, MORE))


def _of_scheme(value: object, facts: Facts) -> object:
    toy = {ids.category_id("toy", n): ids.category_id(facts.scheme, n) for n in range(10)}
    return [toy.get(item, item) for item in value] if isinstance(value, list) else value


def _ask(
    name: str, parameters: dict[str, Any], stores: tuple[Store, Store], facts: Facts, tally: Tally
) -> None:
    case = f"{name} {parameters}"
    tally.cases += 1
    if name in test_graph.CASES:
        _ask_graph(name, parameters, stores, tally)
        return
    answers = []
    for store, times in zip(stores, tally.times, strict=True):
        began = time.perf_counter()
        try:
            answers.append(store.query(name, **parameters))
        except QueryParameterError as error:
            answers.append(str(error))
        times.append(1000 * (time.perf_counter() - began))
    one, two = answers
    if isinstance(one, str) or isinstance(two, str):
        tally.refused += 1
        if not isinstance(one, str) or one != two:
            tally.wrong.append(f"{case}: one engine refuses: {one!r} and {two!r}")
        return
    tally.rows += len(one)
    _judge(one, two, ENGINES, f"{case}: the engines", tally)
    if name not in LONG and tally.seconds_of_pandas < PATIENCE:
        began = time.perf_counter()
        expected = ANSWERS[name](facts, **{k: v for k, v in parameters.items() if k != "limit"})
        tally.seconds_of_pandas += time.perf_counter() - began
        if len(expected) <= parameters.get("limit", len(expected)):
            tally.against_pandas += 1
            _judge(two, expected, PANDAS, f"{case}: pandas", tally)


def _ask_graph(name: str, parameters: dict[str, Any], stores: tuple[Store, Store], tally: Tally) -> None:
    graphs = []
    for store, times in zip(stores, tally.times, strict=True):
        began = time.perf_counter()
        graphs.append(store.graph(name, **parameters))
        times.append(1000 * (time.perf_counter() - began))
    one, two = graphs
    tally.rows += one.number_of_edges()
    if set(one.nodes) != set(two.nodes) or set(one.edges) != set(two.edges):
        tally.wrong.append(f"{name} {parameters}: other nodes or edges")
        return
    for items, others in ((one.nodes, two.nodes), (one.edges, two.edges)):
        odd = [key for key in items if not alike(items[key], others[key])]
        if odd:
            tally.wrong.append(f"{name} {parameters}: {len(odd)} with other properties, first {odd[0]}")


def _judge(one: pd.DataFrame, two: pd.DataFrame, within: float, case: str, tally: Tally) -> None:
    """Add what is wrong between two frames as sets of rows; the engines' largest difference is kept."""
    if len(one) != len(two):
        tally.wrong.append(f"{case}: {len(one)} rows and {len(two)}")
        return
    if one.empty:
        return
    columns = [column for column in one.columns if column in two.columns]
    floats = [column for column in columns if one[column].dtype.kind == "f"]
    others = [column for column in columns if column not in floats]
    left, right = (_in_order(frame[columns], others, floats) for frame in (one, two))
    for column in others:
        if list(map(str, left[column])) != list(map(str, right[column])):
            tally.wrong.append(f"{case}: {column} differs")
    for column in floats:
        a, b = left[column].to_numpy(float), right[column].to_numpy(float)
        if (np.isnan(a) != np.isnan(b)).any():
            tally.wrong.append(f"{case}: {column} is null in other rows")
            continue
        size = np.maximum(np.maximum(abs(a), abs(b)), np.nanmax(abs(a), initial=0.0) * 1e-6 + 1e-12)
        difference = float(np.nanmax(abs(a - b) / size, initial=0.0))
        if within == ENGINES:
            tally.largest = max(tally.largest, difference)
        if difference > within:
            tally.wrong.append(f"{case}: {column} differs by {difference:.1e}")


def _in_order(frame: pd.DataFrame, others: list[str], floats: list[str]) -> pd.DataFrame:
    """Rows by their exact columns, then by rounded floats: equal sets come out alike."""
    frame = frame.reset_index(drop=True)
    keys = pd.DataFrame({column: frame[column].map(_key) for column in others}, index=frame.index)
    for column in floats:
        keys[column] = frame[column].astype(float).map(lambda value: float(f"{value:.5g}"))
    order = keys.sort_values([*others, *floats], kind="stable").index
    frame = frame.loc[order].reset_index(drop=True)
    for column in others:
        frame[column] = frame[column].map(_key)
    return frame


def _key(value: object) -> str:
    """One spelling for what frames of different origin spell differently."""
    if isinstance(value, list):
        return str(value)
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | float | np.integer | np.floating):
        return f"{int(value):020d}"
    return str(value)


def _shown(tallies: dict[str, Tally]) -> Table:
    table = Table("query", "cases", "rows", "refused alike", "largest difference", "also pandas", "wrong")
    for title in ("embedded ms", "Neo4j ms"):
        table.add_column(title, justify="right")
    for name, tally in tallies.items():
        counted = (f"{tally.cases}", f"{tally.rows:,}", f"{tally.refused}", f"{tally.largest:.1e}")
        medians = (f"{statistics.median(times):.0f}" if times else "-" for times in tally.times)
        table.add_row(name, *counted, f"{tally.against_pandas}", f"{len(tally.wrong)}", *medians)
    total = [sum(getattr(tally, key) for tally in tallies.values()) for key in ("cases", "rows")]
    largest = max(tally.largest for tally in tallies.values())
    table.add_section()
    table.add_row("all", f"{total[0]}", f"{total[1]:,}", "", f"{largest:.1e}")
    return table


if __name__ == "__main__":
    main()
