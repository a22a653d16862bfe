"""``graphpath load``: traces into a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say
from graphpath.errors import StoreError
from graphpath.naming import join_ids, read_stored_runs

if TYPE_CHECKING:
    from graphpath.record import Trace
    from graphpath.stores.base import Store
    from graphpath.stores.categories import Scheme

INTERRUPTED = "nothing half loaded is visible, and the same command loads it"


def command(
    traces: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Directories that graphpath trace wrote.")
    ],
    store: a.StoreUri,
    database: a.Database = None,
    min_support: Annotated[
        int | None,
        typer.Option(
            "--min-support", min=1, help="Samples that an edge of a class pathway needs; 1 keeps all."
        ),
    ] = None,
    categories: a.Categories = None,
    scheme: a.Scheme = None,
    column: a.CategoryColumn = None,
    bulk: Annotated[
        bool, typer.Option("--bulk", help="Rebuild a Neo4j database with its bulk importer.")
    ] = False,
) -> None:
    """Load traces into a store; loading one again changes nothing."""
    if bulk and "://" not in store:
        raise StoreError(
            "--bulk is for a Neo4j server: the embedded engine always loads in bulk, leave it out."
        )
    from graphpath.record import Trace

    grouping = a.read_scheme(categories, scheme, column)
    opened = [Trace(path) for path in traces]
    with a.open_store(store, database, existing=False) as kept:
        if bulk:
            _load_in_bulk(kept, opened, min_support, grouping)
        else:
            for trace in opened:
                load_into(kept, trace, min_support, grouping)
        if grouping is not None:
            say_categories(kept, opened, grouping)


def say_categories(store: Store, traces: Sequence[Trace], scheme: Scheme) -> None:
    """Say how many of the traces' classes are in how many categories, once for equal classes."""
    from graphpath.stores.categories import describe_groups, read_groups
    from graphpath.stores.load import read_classes

    said = dict.fromkeys(
        describe_groups(read_groups(store, classes), classes, scheme) for classes in map(read_classes, traces)
    )
    for sentence in said:
        say(sentence)


def load_into(
    store: Store, trace: Trace, min_support: int | None = None, categories: Scheme | None = None
) -> None:
    """Load ``trace`` and say so."""
    if not trace.verified:
        say(f"{trace.path} is of an older graphpath: it has no digests, damage is not noticed.", err=True)
    with show_bar("loading", unit="steps") as shown:
        done = store.load(trace, min_support=min_support, categories=categories, progress=shown)
    say(_describe_load(trace.path, done.loaded, trace.counts, done.total_seconds, done.run))
    _warn_of_name(store, trace)


def _warn_of_name(store: Store, trace: Trace) -> None:
    """Say so where other runs are called as this one is: the name alone is refused from then on."""
    if trace.name is None:
        return
    named = [one.run for one in read_stored_runs(store) if one.name == trace.name]
    if len(named) > 1:
        shown = join_ids(named)
        say(f"Several runs are named {trace.name!r} now: {shown}; ask for each by its id.", err=True)


def _load_in_bulk(
    store: Store, traces: list[Trace], min_support: int | None, categories: Scheme | None
) -> None:
    from graphpath.stores.neo4j import Neo4jStore

    assert isinstance(store, Neo4jStore)
    with show_bar("importing", unit="steps") as shown:
        done = store.bulk_load(traces, min_support=min_support, categories=categories, progress=shown)
    runs = ", ".join(done.runs)
    if done.loaded:
        edges, taken = done.counts.get("FLOWS_TO", 0), sum(done.seconds.values())
        say(f"{store.uri}: rebuilt from {runs}: {edges:,} edges in {taken:.1f} s")
        return
    say(f"{store.uri} is not run by graphpath: the import files of {runs} are in {done.directory}.")
    say("With the server stopped, run there (what its database holds now goes):")
    say(f"  {done.command}")


def _describe_load(path: Path, loaded: bool, counts: dict[str, int], seconds: float, run: str) -> str:
    if not loaded:
        return f"{path}: run {run} was loaded already"
    return f"{path}: {counts['pathways']:,} pathways, {counts['edges']:,} edges in {seconds:.1f} s, run {run}"
