"""What samples say of their first prediction, where runs of the store may differ about it.

A sample keeps what the first run that brought it said. Where a later one says otherwise, or the run goes, the
predictions of all runs are looked at: the sample has a prediction only where they agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from graphpath.stores.prepare import LoadBuilder
from graphpath.stores.session import Session

SOME: Final = 1000
"""Samples that are looked at together."""
DISPUTED: Final = """
SELECT s.sample
FROM samples s JOIN stored_samples k ON k.id = s.sample LEFT JOIN first q ON q.sample = s.sample
WHERE k.predicted IS DISTINCT FROM q.predicted ORDER BY s.sample
"""
OF_RUN: Final = "MATCH (p:Pathway)-[:OF_SAMPLE]->(s:Sample) WHERE p.run = $run RETURN DISTINCT s.id AS id"
SAID: Final = """
MATCH (s:Sample)-[q:PREDICTED]->(c:Category) WHERE s.id IN $ids AND q.rank = 1
OPTIONAL MATCH (s)-[:LABELLED]->(k:Category)
RETURN s.id AS id, c.id AS category, c.name AS predicted, q.confidence AS confidence, k.id AS label
"""
FORGET: Final = (
    "MATCH (s:Sample) WHERE s.id IN $ids SET s.predicted = NULL, s.confidence = NULL, s.correct = NULL"
)
SAY: Final = (
    "MATCH (s:Sample) WHERE s.id = $id SET s.predicted = $predicted, s.confidence = $confidence, "
    "s.correct = $correct"
)

Row = Mapping[str, Any]


def find_disputed(builder: LoadBuilder) -> list[int]:
    """The samples of the trace whose prediction differs in the store."""
    return [int(sample) for (sample,) in builder.run(DISPUTED)]


def update_samples(session: Session, samples: Sequence[int]) -> None:
    """Give ``samples`` the prediction on which all runs of the store agree."""
    for start in range(0, len(samples), SOME):
        some = {"ids": list(samples[start : start + SOME])}
        session.execute(FORGET, some)
        for row in merge_predictions(session.execute(SAID, some).to_pylist()):
            session.execute(SAY, row)


def merge_predictions(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """What the rows of ``SAID`` agree on: id, predicted, confidence (the largest), correct (or None)."""
    said: dict[int, list[Row]] = {}
    for row in rows:
        said.setdefault(int(row["id"]), []).append(row)
    for sample, each in said.items():
        if len({row["category"] for row in each}) == 1:
            one = max(each, key=lambda row: float(row["confidence"]))
            correct = None if one["label"] is None else one["label"] == one["category"]
            yield {"id": sample, **{key: one[key] for key in ("predicted", "confidence")}, "correct": correct}
