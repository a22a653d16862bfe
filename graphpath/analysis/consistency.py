"""How much more alike pathways of one category are than pathways of two, from the Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphpath.analysis.tables import check_choice, choose_variant, open_views, select_edges
from graphpath.queries.units import MAP, NEURON

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.record import Trace

PLACES = """
CREATE TABLE places AS
SELECT p.pathway, p.sample, s.label, l.layer, count(e.source) AS edges,
    coalesce(sum(e.weight), 0.0) AS total
FROM pathways p JOIN samples s USING (sample) CROSS JOIN layers l
LEFT JOIN compared_edges e ON e.pathway = p.pathway AND e.layer = l.layer
WHERE s.variant = $variant AND l.layer > 0 AND (len($layers) = 0 OR list_contains($layers, l.layer))
GROUP BY ALL
"""

LIKENESS = """
WITH sides AS (
    SELECT e.pathway, e.layer, e.source, e.target,
        e.weight / CASE WHEN $raw OR p.total = 0 THEN 1 ELSE p.total END AS weight
    FROM compared_edges e JOIN places p USING (pathway, layer)
), common AS (
    SELECT x.pathway AS one, y.pathway AS two, x.layer, count(*) AS shared,
        sum(least(x.weight, y.weight)) AS least
    FROM sides x JOIN sides y ON x.layer = y.layer AND x.source = y.source AND x.target = y.target
    WHERE x.pathway < y.pathway
    GROUP BY ALL
), masses AS (
    SELECT *, CASE WHEN $raw THEN total WHEN total > 0 THEN 1.0 ELSE 0.0 END AS mass FROM places
), compared AS (
    SELECT x.pathway AS one, y.pathway AS two, x.label = y.label AS same, x.layer,
        coalesce(c.shared, 0) AS shared, x.edges + y.edges - coalesce(c.shared, 0) AS either,
        coalesce(c.least, 0.0) AS least, x.mass + y.mass - coalesce(c.least, 0.0) AS most
    FROM masses x JOIN masses y ON x.layer = y.layer AND x.pathway < y.pathway AND x.sample <> y.sample
    LEFT JOIN common c ON c.one = x.pathway AND c.two = y.pathway AND c.layer = x.layer
), levels AS (
    SELECT same, layer, shared, either, least, most FROM compared
    UNION ALL
    SELECT same, -1, sum(shared), sum(either), sum(least), sum(most) FROM compared GROUP BY one, two, same
), likenesses AS (
    SELECT same, layer, shared / nullif(either, 0) AS j, least / nullif(most, 0) AS weighted FROM levels
)
SELECT layer, count(j) FILTER (same) AS pairs_within, count(j) FILTER (NOT same) AS pairs_between,
    avg(j) FILTER (same) AS "J_within", avg(j) FILTER (NOT same) AS "J_between",
    avg(weighted) FILTER (same) AS "weighted_J_within",
    avg(weighted) FILTER (NOT same) AS "weighted_J_between"
FROM likenesses GROUP BY layer ORDER BY layer
"""


def consistency(
    trace: Trace | str | Path,
    *,
    variant: str | None = None,
    layers: Sequence[int] = (),
    weights: Literal["normalised", "raw"] = "normalised",
    unit: Literal["neuron", "map"] = "neuron",
    memory: str | None = None,
) -> pd.DataFrame:
    """The mean likeness of two pathways of one category and of two categories, per layer (-1 = all).

    The same as the named query ``categories/consistency`` (columns layer, pairs_within, pairs_between,
    J_within, J_between, weighted_J_within, weighted_J_between), for traces of more samples than the query
    takes: DuckDB keeps what exceeds ``memory`` ("4GB") on disk. Without ``variant`` it is
    of the originals, or of the trace's only variant. ``unit`` says between what the edges are: neurons, or
    feature maps, which need no alignment of images.

    Raises:
        RecordError: the trace is damaged or unfinished.
        QueryParameterError: ``weights`` or ``unit`` is none of those.
    """
    check_choice("unit", unit, (NEURON, MAP))
    check_choice("weights", weights, ("normalised", "raw"))
    with open_views(trace, memory) as connection:
        chosen = [int(layer) for layer in layers]
        connection.execute(f"CREATE TEMP VIEW compared_edges AS {select_edges(connection, unit)}")
        connection.execute(
            PLACES, {"variant": choose_variant(connection, variant, "consistency"), "layers": chosen}
        )
        frame: pd.DataFrame = connection.execute(LIKENESS, {"raw": weights == "raw"}).df()
        return frame
