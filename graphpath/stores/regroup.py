"""Categories that come to a store after its runs, and those that a store takes along when it is rebuilt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import DataError, StoreError
from graphpath.progress import AnyProgress
from graphpath.stores.categories import LINKS, NODES, Scheme
from graphpath.stores.runs import open_traces
from graphpath.stores.session import Session

if TYPE_CHECKING:
    from graphpath.record import Trace
    from graphpath.stores.base import LoadReport, Store

RUNS = """
MATCH (r:Run) WHERE r.complete RETURN r.id AS run, r.path AS path, r.min_support AS support ORDER BY r.id
"""


@dataclass(frozen=True)
class StoredGroups:
    """The nodes and links of all schemes: rows of ``NODES``, of the classes too, and of ``LINKS``."""

    nodes: list[dict[str, Any]]
    links: list[dict[str, Any]]


def add_categories(store: Store, scheme: Scheme, progress: AnyProgress | None) -> list[LoadReport]:
    """See :meth:`graphpath.stores.base.Store.add_categories`."""
    return [
        store.load(trace, min_support=support or None, categories=scheme, progress=progress)
        for trace, support in find_concerned(store, scheme)
    ]


def find_concerned(store: Store, scheme: Scheme) -> list[tuple[Trace, int]]:
    """The traces of the runs that ``scheme`` is about, with their min_support; raises as its caller does."""
    from graphpath.stores.load import read_classes

    rows = store.execute(RUNS).to_pylist()
    if not rows:
        raise StoreError(f"{store.uri} holds no run yet: load one, with --categories at once if you like.")
    missing = [row for row in rows if open_traces([row]) is None]
    if missing:
        raise StoreError(
            f"Run {missing[0]['run']!r} is made anew from its trace, which is no longer at "
            f"{missing[0]['path']}: put it back there, or delete the run."
        )
    concerned, refusal = [], None
    for trace, support in open_traces(rows) or []:
        try:
            scheme.match({int(row["label"]): str(row["name"]) for row in read_classes(trace)})
        except DataError as error:
            refusal = error
            continue
        concerned.append((trace, support))
    if not concerned and refusal is not None:
        raise refusal
    return concerned


def read_stored_groups(session: Session) -> StoredGroups:
    """The categories of all schemes with their classes."""
    nodes, links = (session.execute(text).to_pylist() for text in (NODES, LINKS))
    ends = {row["category"] for row in links} | {row["class"] for row in links}
    return StoredGroups([row for row in nodes if row["category"] in ends], links)


def restore_groups(session: Session, groups: StoredGroups | None, work: Path) -> None:
    """Keep again what ``read_stored_groups`` gave, in a store that holds nothing yet."""
    if groups is None or not groups.links:
        return
    nodes = {
        "id": pa.array([row["category"] for row in groups.nodes], pa.int64()),
        "scheme": pa.array([row["scheme"] for row in groups.nodes], pa.string()),
        "label": pa.array([row["label"] for row in groups.nodes], pa.int32()),
        "name": pa.array([row["name"] for row in groups.nodes], pa.string()),
    }
    links = {
        "start": pa.array([row["class"] for row in groups.links], pa.int64()),
        "stop": pa.array([row["category"] for row in groups.links], pa.int64()),
    }
    for name, columns in (("Category", nodes), ("IN_CATEGORY", links)):
        path = work / f"kept-{name}.parquet"
        pq.write_table(pa.table(columns), path)
        for _ in session.copy(name, [path], work):
            pass
