"""What was verified of a store's answers, kept beside the runs that they came from.

A verdict hangs on the runs that its answer came from and goes with the first of them that goes, since the
answer can then no longer be had. Loading other traces leaves it alone; an embedded store that is rebuilt
takes its verdicts along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from graphpath.errors import RunNotFound
from graphpath.schema import NODE
from graphpath.stores.session import Session

_PROPERTIES: Final = tuple(NODE["Verdict"].properties)
_SET: Final = ", ".join(f"v.{name} = ${name}" for name in _PROPERTIES[1:])
WRITE: Final = (
    f"MATCH (r:Run) WHERE r.id IN $runs MERGE (v:Verdict {{id: $id}}) SET {_SET} MERGE (v)-[:OF_RUN]->(r)"
)
READ: Final = (
    "MATCH (v:Verdict)-[:OF_RUN]->(r:Run) RETURN "
    + ", ".join(f"v.{name} AS {name}" for name in _PROPERTIES)
    + ", collect(r.id) AS runs"
)
FOUND: Final = "MATCH (r:Run) WHERE r.id IN $runs AND r.complete RETURN r.id AS run"
REMOVE: Final = "MATCH (v:Verdict)-[:OF_RUN]->(r:Run) WHERE r.id = $run"

Row = Mapping[str, object]
"""A verdict's properties by name."""


def record(session: Session, verdict: Row, runs: Sequence[str]) -> None:
    """Keep ``verdict`` beside ``runs``; one with the same id is replaced.

    Raises RunNotFound where the store lacks one of them.
    """
    found = session.read_column(FOUND, {"runs": list(runs)})
    missing = [run for run in runs if run not in found]
    if missing or not runs:
        raise RunNotFound(
            f"A verdict is kept beside the runs that it is of; the store holds no complete run "
            f"{', '.join(missing) or 'that it names'}."
        )
    session.execute(WRITE, {**{name: verdict[name] for name in _PROPERTIES}, "runs": list(runs)})


def read_verdicts(session: Session) -> list[dict[str, Any]]:
    """All verdicts: their properties, and ``runs``."""
    return list(session.execute(READ).to_pylist())


def restore_verdicts(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    """Keep again the verdicts that ``read_verdicts`` gave, but those of runs that are no longer there."""
    for row in rows:
        runs = row["runs"]
        if len(session.read_column(FOUND, {"runs": runs})) == len(runs):
            record(session, row, runs)
