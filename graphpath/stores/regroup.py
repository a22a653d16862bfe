"""Categories that come to a store after its runs, that go, and those that a rebuilt store takes along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graphpath.errors import DataError, StoreError
from graphpath.progress import AnyProgress
from graphpath.stores.categories import LINKS, NODES, Scheme
from graphpath.stores.remove import remove_classes
from graphpath.stores.runs import open_traces
from graphpath.stores.session import Session

if TYPE_CHECKING:
    from graphpath.record import Trace
    from graphpath.stores.base import LoadReport, Store, StoreView

SCHEMES = "MATCH (r:Run) WHERE r.schemes IS NOT NULL RETURN r.id AS run, r.schemes AS schemes"
SET_SCHEMES = "MATCH (r:Run) WHERE r.id = $run SET r.schemes = $schemes"
RUNS = """
MATCH (r:Run) WHERE r.complete RETURN r.id AS run, r.path AS path, r.min_support AS support ORDER BY r.id
"""


@dataclass(frozen=True)
class StoredGroups:
    """All schemes, as the tables of Category (of the classes too) and IN_CATEGORY by position."""

    nodes: pa.Table
    links: pa.Table


def add_categories(store: Store, scheme: Scheme, progress: AnyProgress | None) -> list[LoadReport]:
    """See :meth:`graphpath.stores.base.Store.add_categories`."""
    concerned, left_out = select_concerned(open_runs(store), scheme)
    done = [
        store.load(trace, min_support=support or None, categories=scheme, progress=progress)
        for trace, support in concerned
    ]
    return [*done, *left_out]


def open_runs(store: Store) -> list[tuple[Trace, int]]:
    """The traces of all complete runs with their min_support.

    Raises StoreError where there is none, or one is no longer where it was.
    """
    rows = store.execute(RUNS).to_pylist()
    if not rows:
        raise StoreError(f"{store.uri} holds no run yet: load one, with --categories at once if you like.")
    opened = []
    for row in rows:
        if (found := open_traces([row])) is None:
            raise StoreError(
                f"Run {row['run']!r} is made anew from its trace, which is no longer at {row['path']}: put "
                "it back there, or delete the run."
            )
        opened += found
    return opened


def select_concerned(
    traces: Sequence[tuple[Trace, int]], scheme: Scheme
) -> tuple[list[tuple[Trace, int]], list[LoadReport]]:
    """Those of ``traces`` whose classes ``scheme`` is about, and why the others are left out.

    Raises DataError where there is none.
    """
    from graphpath.stores.base import LoadReport
    from graphpath.stores.load import read_classes

    concerned, left_out, refusal = [], [], None
    for trace, support in traces:
        try:
            scheme.match({int(row["label"]): str(row["name"]) for row in read_classes(trace)})
        except DataError as error:
            left_out.append(LoadReport(trace.id, False, left_out=str(error)))
            refusal = error
            continue
        concerned.append((trace, support))
    if not concerned and refusal is not None:
        raise refusal
    return concerned, left_out


def find_scheme(state: StoreView, uri: str, scheme: str) -> None:
    """Raise StoreError where the store has no ``scheme`` of categories."""
    known = sorted(set(state.execute(LINKS, {}).to_pydict()["scheme"]))
    if scheme not in known:
        raise StoreError(
            f"{uri} has no scheme of categories {scheme!r} to remove; it has {', '.join(known) or 'none'}."
        )


def remove_scheme(session: Session, scheme: str) -> None:
    """Remove a scheme with its class pathways. The scheme is there until all else is gone."""
    for row in session.execute(SCHEMES).to_pylist():
        kept = {name: groups for name, groups in json.loads(row["schemes"]).items() if name != scheme}
        session.execute(SET_SCHEMES, {"run": row["run"], "schemes": json.dumps(kept, sort_keys=True)})
    remove_classes(session, "c.scheme = $value", scheme)
    session.remove("MATCH (k:Category) WHERE k.scheme = $value", "k", {"value": scheme})


def read_stored_groups(session: Session) -> StoredGroups:
    """The categories of all schemes with their classes."""
    nodes, links = (session.execute(text) for text in (NODES, LINKS))
    ends = pa.chunked_array([*links["class"].chunks, *links["category"].chunks], pa.int64())
    mine = pc.is_in(nodes["category"], value_set=ends.combine_chunks())
    return StoredGroups(nodes.filter(mine), links.select(["class", "category"]))


def restore_groups(session: Session, groups: StoredGroups | None, work: Path) -> None:
    """Keep again what ``read_stored_groups`` gave, in a store that holds nothing yet."""
    if groups is None or not groups.links.num_rows:
        return
    for name, rows in (("Category", groups.nodes), ("IN_CATEGORY", groups.links)):
        path = work / f"kept-{name}.parquet"
        pq.write_table(rows, path)
        for _ in session.copy(name, [path], work):
            pass
