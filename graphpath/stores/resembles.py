"""RESEMBLES: each pathway beside the class pathways of its sample's first two predictions.

Layer by layer: how many of the pathway's edges the class has, and the sums of minima and maxima of both
sides' shares of ``|score|``. The samples of a class that derive from one original with the pathway's own
(itself, what it was made from, what else was made of that) are taken out of it first: their contribution
leaves the sums, and an edge that fewer than ``min_support`` others share leaves the class.

Works on ``all_*`` tables, which hold this run and every comparable one, in batches of pathways.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphpath.sql import quoted
from graphpath.stores.families import families
from graphpath.stores.prepare import Workshop

BATCH = 1_000_000
"""Edges compared at a time: what bounds the memory of it."""

PREDICTIONS = 2


def compare(shop: Workshop, run: str, comparable: str) -> None:
    """Make the files of RESEMBLES: this run's pathways against every comparable run's classes, and back."""
    _gather(shop, run, comparable)
    shop.table(
        "pairs",
        f"""SELECT p.pathway, f.family, p.edges, c.class_pathway, q.rank AS prediction
        FROM all_facts p JOIN families f USING (sample)
        JOIN all_predictions q ON q.run = p.run AND q.sample = p.sample AND q.rank <= {PREDICTIONS}
        JOIN all_classes c ON c.category = q.category AND c.variant = 'original'
        WHERE p.run = {quoted(run)} OR c.run = {quoted(run)}""",
    )
    shop.table(
        "class_layers",
        """SELECT class_pathway, layer, count(*) AS edges, sum(weight) AS weight
        FROM all_class_edges GROUP BY ALL""",
    )
    for first, last in _batches(shop):
        _batch(shop, first, last)
        shop.write("RESEMBLES", RESEMBLES)


def _gather(shop: Workshop, run: str, comparable: str) -> None:
    """This run's rows and the stored ones of comparable runs (``stored_*`` views) in one place each."""
    everyone = "SELECT sample, parent FROM samples UNION SELECT id, parent FROM stored_samples"
    shop.table("families", families(everyone))
    mine = f"SELECT {quoted(run)} AS run, sample, category, rank FROM predictions"
    shop.table("all_predictions", f"{mine} UNION ALL SELECT * FROM stored_predictions")
    shop.table(
        "all_facts",
        """SELECT pathway, run, sample, edges, category, variant, member FROM facts
        UNION ALL SELECT * FROM stored_facts""",
    )
    shop.table(
        "all_classes",
        """SELECT class_pathway, run, category, variant, min_support FROM classes
        UNION ALL SELECT * FROM stored_classes""",
    )
    shop.table(
        "all_members",
        """SELECT class_pathway, pathway, sample, family
        FROM all_facts JOIN all_classes USING (run, category, variant) JOIN families USING (sample)
        WHERE member""",
    )
    columns = "class_pathway, source, target, layer, support, weight"
    shop.table(
        "all_class_edges",
        f"SELECT {columns} FROM class_edges UNION ALL SELECT {columns} FROM stored_class_edges",
    )
    shop.run(
        """CREATE OR REPLACE VIEW all_edges AS SELECT pathway, source, target, layer, score FROM edges
        UNION ALL SELECT pathway, source, target, layer, score FROM stored_edges"""
    )


def _batches(shop: Workshop) -> Iterator[tuple[int, int]]:
    """The first and last pathway of each batch of about ``BATCH`` edges."""
    pathways = shop.run("SELECT DISTINCT pathway, edges FROM pairs ORDER BY pathway")
    start, held = 0, 0
    for position, (_, edges) in enumerate(pathways):
        held += edges
        if held >= BATCH or position == len(pathways) - 1:
            yield pathways[start][0], pathways[position][0]
            start, held = position + 1, 0


def _batch(shop: Workshop, first: int, last: int) -> None:
    shop.table("now", f"SELECT * FROM pairs WHERE pathway BETWEEN {first} AND {last}")
    shop.table(
        "theirs",
        f"""SELECT pathway, source, target, layer, abs(score::DOUBLE) AS weight
        FROM all_edges WHERE pathway BETWEEN {first} AND {last}""",
    )
    # What the members of the samples' families give to the classes.
    shop.table(
        "own",
        """WITH given AS (
            SELECT m.class_pathway, m.family, e.source, e.target, sum(abs(e.score::DOUBLE)) AS weight,
                count(DISTINCT m.sample) AS samples
            FROM all_edges e JOIN all_members m USING (pathway)
            SEMI JOIN now n ON n.class_pathway = m.class_pathway AND n.family = m.family
            GROUP BY ALL)
        SELECT g.class_pathway, g.family, g.source, g.target, k.layer, g.weight AS given, k.weight,
            k.support - g.samples >= c.min_support AS stays
        FROM given g JOIN all_class_edges k USING (class_pathway, source, target)
        JOIN all_classes c USING (class_pathway)""",
    )


RESEMBLES = """
WITH mine AS (
    SELECT pathway, layer, count(*) AS edges, sum(weight) AS weight FROM theirs GROUP BY ALL
), lost AS (
    SELECT class_pathway, family, layer, count(*) FILTER (NOT stays) AS edges,
        sum(CASE WHEN stays THEN given ELSE weight END) AS weight
    FROM own GROUP BY ALL
), class AS (
    SELECT n.pathway, n.class_pathway, l.layer, l.edges - coalesce(o.edges, 0) AS edges,
        CASE WHEN l.edges = coalesce(o.edges, 0) THEN 0 ELSE l.weight - coalesce(o.weight, 0) END AS weight
    FROM now n JOIN class_layers l USING (class_pathway)
    LEFT JOIN lost o ON o.class_pathway = n.class_pathway AND o.family = n.family AND o.layer = l.layer
), both_have AS (
    SELECT n.pathway, n.class_pathway, e.layer, e.weight AS left_weight,
        k.weight - coalesce(o.given, 0) AS right_weight
    FROM now n JOIN theirs e USING (pathway)
    JOIN all_class_edges k ON k.class_pathway = n.class_pathway AND k.source = e.source
        AND k.target = e.target
    LEFT JOIN own o ON o.class_pathway = n.class_pathway AND o.family = n.family
        AND o.source = e.source AND o.target = e.target
    WHERE coalesce(o.stays, true)
), shares AS (
    SELECT b.pathway, b.class_pathway, b.layer, count(*) AS shared,
        sum(least(CASE WHEN m.weight > 0 THEN b.left_weight / m.weight ELSE 0 END,
                  CASE WHEN c.weight > 0 THEN greatest(b.right_weight, 0) / c.weight ELSE 0 END)) AS least
    FROM both_have b JOIN mine m USING (pathway, layer) JOIN class c USING (pathway, class_pathway, layer)
    GROUP BY ALL
), places AS (
    SELECT n.pathway, n.class_pathway, m.layer FROM now n JOIN mine m USING (pathway)
    UNION SELECT pathway, class_pathway, layer FROM class WHERE edges > 0
)
SELECT p.pathway, p.class_pathway, p.layer, n.prediction, coalesce(s.shared, 0), coalesce(m.edges, 0),
    coalesce(s.least, 0.0),
    (coalesce(m.weight, 0) > 0)::INTEGER + (coalesce(c.weight, 0) > 0)::INTEGER - coalesce(s.least, 0.0)
FROM places p JOIN now n USING (pathway, class_pathway)
LEFT JOIN mine m ON m.pathway = p.pathway AND m.layer = p.layer
LEFT JOIN class c ON c.pathway = p.pathway AND c.class_pathway = p.class_pathway AND c.layer = p.layer
LEFT JOIN shares s ON s.pathway = p.pathway AND s.class_pathway = p.class_pathway AND s.layer = p.layer
"""
