"""How far the largest routes of different samples overlap, from the Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphpath.analysis.tables import check_choice, choose_variant, open_views
from graphpath.queries.units import MAP, NEURON

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.record import Trace

MEMBERS = """
CREATE TABLE members AS
WITH steps_on AS (
    SELECT s.sample, k.category, {place} AS unit,
        lead({place}) OVER (PARTITION BY t.route ORDER BY t.position) AS next
    FROM steps t
    JOIN routes r USING (route) JOIN pathways p USING (pathway) JOIN samples s USING (sample)
    JOIN categories k ON k.label = s.label
    JOIN layers l ON t.neuron >= l."offset"
        AND t.neuron < l."offset" + l.channels::BIGINT * l.height * l.width
    WHERE r.rank <= $k AND s.variant = $variant
)
SELECT DISTINCT sample, category, '{units}' AS what, unit AS one, 0 AS two FROM steps_on
UNION ALL SELECT DISTINCT sample, category, 'edges', unit, next FROM steps_on WHERE next IS NOT NULL
"""
UNITS = {
    NEURON: {"units": "neurons", "place": "t.neuron"},
    MAP: {
        "units": "feature maps",
        "place": """(l."offset" + (t.neuron - l."offset")
            // (l.height::BIGINT * l.width) * (l.height::BIGINT * l.width))""",
    },
}
"""What the members of a unit are called, and a step's as SQL."""

PAIRS = """
WITH sizes AS (
    SELECT s.sample, s.category, w.what, count(m.one) AS members
    FROM (SELECT DISTINCT sample, category FROM members) s
    CROSS JOIN (SELECT DISTINCT what FROM members) w
    LEFT JOIN members m ON m.sample = s.sample AND m.what = w.what
    GROUP BY ALL
), common AS (
    SELECT x.sample AS one, y.sample AS two, x.what, count(*) AS shared
    FROM members x JOIN members y ON x.what = y.what AND x.one = y.one AND x.two = y.two
    WHERE x.sample < y.sample
    GROUP BY ALL
), compared AS (
    SELECT x.what, least(x.category, y.category) AS one, greatest(x.category, y.category) AS two,
        coalesce(c.shared, 0) AS shared, x.members + y.members - coalesce(c.shared, 0) AS either
    FROM sizes x JOIN sizes y ON x.what = y.what AND x.sample < y.sample
    LEFT JOIN common c ON c.what = x.what AND c.one = x.sample AND c.two = y.sample
), named AS (
    SELECT what, CASE WHEN one = two THEN 'within' ELSE 'across' END AS relation,
        CASE WHEN $by = 'categories' THEN one END AS one, CASE WHEN $by = 'categories' THEN two END AS two,
        shared, shared / nullif(either, 0) AS likeness
    FROM compared
)
SELECT what, relation, coalesce(a.name, 'all') AS category1, coalesce(b.name, 'all') AS category2,
    count(*) AS pairs, avg(shared) AS shared, avg(likeness) AS "J"
FROM named LEFT JOIN categories a ON a.category = one LEFT JOIN categories b ON b.category = two
GROUP BY ALL ORDER BY what, relation DESC, category1, category2
"""


def largest_overlap(
    trace: Trace | str | Path,
    *,
    k: int = 10,
    by: Literal["relation", "categories"] = "relation",
    variant: str | None = None,
    unit: Literal["neuron", "map"] = "neuron",
    memory: str | None = None,
) -> pd.DataFrame:
    """The overlap of the ``k`` largest routes between the samples of a trace, within and across categories.

    The same as the named query ``pathways/largest_overlap`` (columns what, relation, category1, category2,
    pairs, shared, J), for traces of more samples than the query takes: DuckDB keeps what exceeds
    ``memory`` ("4GB") on disk. Without ``variant`` it is of the originals, or of the trace's only variant.
    ``unit`` says what lies on a route: neurons, or feature maps, which need no alignment of images.

    Raises:
        RecordError: the trace is damaged or unfinished.
        QueryParameterError: ``by`` is neither "relation" nor "categories", or ``unit`` no such.
    """
    check_choice("by", by, ("relation", "categories"))
    check_choice("unit", unit, (NEURON, MAP))
    with open_views(trace, memory) as connection:
        chosen = choose_variant(connection, variant, "largest_overlap")
        connection.execute(MEMBERS.format(**UNITS[unit]), {"k": k, "variant": chosen})
        frame: pd.DataFrame = connection.execute(PAIRS, {"by": by}).df()
        return frame
