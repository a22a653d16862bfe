"""SHARES: how much every two class pathways of a run, scheme and variant have in common, all layers together.

As ``categories/similarity`` has it in its layer -1. It is what joins categories in a picture; of more than
``MOST`` class pathways, which no picture shows, there is none.
"""

from __future__ import annotations

from typing import Final

from graphpath.sql import quote
from graphpath.stores.comparing import CLASS_TABLES
from graphpath.stores.prepare import LoadBuilder

MOST: Final = 100


def compare_classes(builder: LoadBuilder) -> None:
    """Make the files of SHARES, between neurons and between feature maps; of pairs that share an edge."""
    for unit, table in CLASS_TABLES.items():
        builder.write("SHARES", _select_shares(unit, table))


def _select_shares(unit: str, table: str) -> str:
    return f"""WITH few AS (
            SELECT class_pathway, scheme, variant FROM classes
            QUALIFY count(*) OVER (PARTITION BY scheme, variant) <= {MOST}
        ), totals AS (
            SELECT class_pathway, layer, count(*) AS edges, sum(weight) AS weight
            FROM {table} SEMI JOIN few USING (class_pathway) GROUP BY ALL
        ), sizes AS (
            SELECT class_pathway, sum(edges) AS edges, sum((weight > 0)::INTEGER) AS mass
            FROM totals GROUP BY ALL
        ), sides AS (
            SELECT e.class_pathway, f.scheme, f.variant, e.source, e.target,
                CASE WHEN t.weight > 0 THEN e.weight / t.weight ELSE 0 END AS weight
            FROM {table} e JOIN few f USING (class_pathway) JOIN totals t USING (class_pathway, layer)
        ), common AS (
            SELECT a.class_pathway AS one, b.class_pathway AS two, count(*) AS shared,
                sum(least(a.weight, b.weight)) AS least
            FROM sides a JOIN sides b USING (scheme, variant, source, target)
            WHERE a.class_pathway < b.class_pathway GROUP BY ALL
        )
        SELECT one, two, {quote(unit)}, shared, shared / (a.edges + b.edges - shared),
            CASE WHEN a.mass + b.mass > least THEN least / (a.mass + b.mass - least) ELSE 0 END
        FROM common JOIN sizes a ON a.class_pathway = one JOIN sizes b ON b.class_pathway = two"""
