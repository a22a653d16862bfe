"""How much of a trace's pathways lies on class pathways that a store holds, without loading the trace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphpath.analysis.tables import opened

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.record import Trace
    from graphpath.stores.base import Store

EVERY = 1 << 40
"""More rows than any store holds."""

COMPARED = """
WITH asked AS (
    SELECT p.pathway, p.sample, q.rank AS prediction, k.label, k.name,
        exists (FROM members m WHERE m.sample = p.sample AND m.label = k.label) AS member
    FROM pathways p JOIN predictions q USING (sample) JOIN categories k USING (category)
    WHERE q.rank <= 2 AND k.label IN (SELECT label FROM class_edges)
), mine AS (
    SELECT pathway, layer, count(*) AS edges, sum(abs(score::DOUBLE)) AS weight FROM edges GROUP BY ALL
), both_have AS (
    -- A member is out of its class: its share is gone, and edges that too few others have.
    SELECT a.pathway, a.prediction, e.layer, abs(e.score::DOUBLE) AS weight, c.sum AS class_weight,
        a.member, NOT a.member OR c.support > c.min_support AS stays
    FROM asked a JOIN edges e USING (pathway)
    JOIN class_edges c ON c.label = a.label AND c.source = e.source AND c.target = e.target
), lost AS (
    SELECT pathway, prediction, layer, count(*) FILTER (NOT stays) AS edges,
        sum(CASE WHEN stays THEN weight ELSE class_weight END) AS weight
    FROM both_have WHERE member GROUP BY ALL
), whole AS (
    SELECT label, layer, count(*) AS edges, sum(sum) AS weight FROM class_edges GROUP BY ALL
), class AS (
    SELECT a.pathway, a.prediction, w.layer,
        CASE WHEN w.edges > coalesce(l.edges, 0) THEN w.weight - coalesce(l.weight, 0) ELSE 0 END AS weight
    FROM asked a JOIN whole w USING (label) LEFT JOIN lost l USING (pathway, prediction, layer)
), likeness AS (
    SELECT b.pathway, b.prediction, b.layer, count(*) AS shared,
        sum(least(CASE WHEN m.weight > 0 THEN b.weight / m.weight ELSE 0 END,
            CASE WHEN c.weight > 0
                THEN greatest(b.class_weight - CASE WHEN b.member THEN b.weight ELSE 0 END, 0) / c.weight
                ELSE 0 END)) AS least
    FROM both_have b JOIN mine m USING (pathway, layer) JOIN class c USING (pathway, prediction, layer)
    WHERE b.stays GROUP BY ALL
), places AS (
    SELECT a.pathway, a.prediction, m.layer FROM asked a JOIN mine m USING (pathway)
    UNION SELECT pathway, prediction, layer FROM class WHERE weight > 0
), compared AS (
    SELECT a.pathway, a.sample, a.prediction, a.name, unnest([p.layer, -1]) AS layer,
        coalesce(m.edges, 0) AS edges, coalesce(s.shared, 0) AS shared, coalesce(s.least, 0) AS least,
        (coalesce(m.weight, 0) > 0)::INTEGER + (coalesce(c.weight, 0) > 0)::INTEGER - coalesce(s.least, 0)
            AS most
    FROM asked a JOIN places p USING (pathway, prediction)
    LEFT JOIN mine m ON m.pathway = p.pathway AND m.layer = p.layer
    LEFT JOIN class c ON c.pathway = p.pathway AND c.prediction = p.prediction AND c.layer = p.layer
    LEFT JOIN likeness s ON s.pathway = p.pathway AND s.prediction = p.prediction AND s.layer = p.layer
)
SELECT pathway, sample, layer, coalesce(sum(edges) FILTER (prediction = 1),
        sum(edges) FILTER (prediction = 2))::BIGINT AS edges,
    max(name) FILTER (prediction = 1) AS first, max(name) FILTER (prediction = 2) AS second,
    sum(shared) FILTER (prediction = 1) / nullif(sum(edges) FILTER (prediction = 1), 0) AS in_first,
    sum(shared) FILTER (prediction = 2) / nullif(sum(edges) FILTER (prediction = 2), 0) AS in_second,
    sum(least) FILTER (prediction = 1) / nullif(sum(most) FILTER (prediction = 1), 0) AS weighted_first,
    sum(least) FILTER (prediction = 2) / nullif(sum(most) FILTER (prediction = 2), 0) AS weighted_second
FROM compared GROUP BY pathway, sample, layer ORDER BY pathway, layer
"""

OUTSIDE = """
SELECT p.sample, e.layer, e.source, e.target, a.name AS source_name, b.name AS target_name, e.flow, e.score,
    coalesce((SELECT list_sort(list(DISTINCT c.category)) FROM class_edges c
        WHERE c.source = e.source AND c.target = e.target), []) AS classes
FROM edges e JOIN pathways p USING (pathway)
JOIN predictions q ON q.sample = p.sample AND q.rank = 1 JOIN categories k USING (category)
JOIN named a ON a.neuron = e.source JOIN named b ON b.neuron = e.target
WHERE (len($samples) = 0 OR list_contains($samples, p.sample))
    AND NOT exists (FROM class_edges c
        WHERE c.label = k.label AND c.source = e.source AND c.target = e.target)
QUALIFY row_number() OVER (PARTITION BY p.sample ORDER BY abs(e.score) DESC, e.layer, e.source, e.target)
    <= $limit
ORDER BY p.sample, abs(e.score) DESC, e.layer, e.source, e.target
"""

NAMED = """
CREATE VIEW named AS
SELECT n.neuron, l.name || ' [' || (n.neuron - l."offset") // plane || ']' || CASE WHEN plane = 1 THEN ''
    ELSE ' ' || (n.neuron - l."offset") % plane // l.width || ',' || (n.neuron - l."offset") % l.width END
    AS name
FROM (SELECT source AS neuron FROM edges UNION SELECT target FROM edges) n
JOIN (SELECT *, height * width AS plane FROM layers) l
    ON n.neuron >= l."offset" AND n.neuron < l."offset" + l.channels::BIGINT * l.plane
"""


def resemblance(
    store: Store, trace: Trace | str | Path, reference: str, *, memory: str | None = None
) -> pd.DataFrame:
    """The share of each of the trace's pathways that lies on the class pathways of its first two predictions.

    The same as the named query ``adversarial/class_similarity`` with the run ``reference``, for a trace that
    is not in the store: columns pathway, sample, layer (-1 = all), edges, first, second, in_first, in_second,
    weighted_first, weighted_second. A sample that is a member of a class pathway is left out of it first.
    There are rows for classes whose pathway has edges. The store is only read.

    Raises:
        RunNotFound: the reference is not in the store.
        RecordError: the trace is damaged or unfinished.
    """
    labels = _predicted(trace, memory)
    classes = class_edges(store, reference, labels)
    with opened(trace, memory) as connection:
        connection.register("class_edges", classes)
        connection.register("members", members(store, reference))
        frame: pd.DataFrame = connection.execute(COMPARED).df()
    return frame


def outside_class(
    store: Store,
    trace: Trace | str | Path,
    reference: str,
    samples: Sequence[int] = (),
    *,
    limit: int = 1000,
) -> pd.DataFrame:
    """The edges of pathways that the class pathways of their predictions lack, strongest |score| first.

    At most ``limit`` for each sample (all of the trace, unless ``samples`` says which). Columns sample,
    layer, source, target, source_name, target_name, flow, score, classes (those of the run ``reference`` on
    whose class pathways the edge lies).

    Raises: as ``resemblance``.
    """
    classes = class_edges(store, reference)
    with opened(trace) as connection:
        connection.register("class_edges", classes)
        connection.execute(NAMED)
        asked = {"samples": [int(sample) for sample in samples], "limit": limit}
        frame: pd.DataFrame = connection.execute(OUTSIDE, asked).df()
    frame["classes"] = [list(names) for names in frame["classes"]]
    return frame


def class_edges(store: Store, reference: str, labels: list[int] | None = None) -> pd.DataFrame:
    """The class pathways' edges, with ``sum``, the |score| of all samples together."""
    found = store.query("categories/class_edges", run=reference, labels=labels or [], limit=EVERY)
    return found.assign(sum=found.weight * found.samples)


def members(store: Store, reference: str) -> pd.DataFrame:
    """The samples behind the class pathways of originals, and the label of each."""
    samples = store.query("pathways/of_run", run=reference, variants=["original"], limit=EVERY)
    return samples.loc[samples.correct & (samples.target == samples.label), ["sample", "label"]]


def _predicted(trace: Trace | str | Path, memory: str | None) -> list[int]:
    """The labels of the first two predictions of all samples."""
    with opened(trace, memory) as connection:
        rows = connection.execute(
            "SELECT DISTINCT label FROM predictions JOIN categories USING (category) WHERE rank <= 2"
        ).fetchall()
    return sorted(label for (label,) in rows)
