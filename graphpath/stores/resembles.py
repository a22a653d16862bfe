"""RESEMBLES: each pathway beside the class pathways of its sample's first two predictions.

In each scheme of categories: the first two that the recorded predictions are of, classes in none left out.

Layer by layer, between neurons and between feature maps: how many of the pathway's edges the class has, and
the sums of minima and maxima of both sides' shares of ``|score|``. The samples of a class that derive from
one original with the pathway's own (itself, what it was made from, what else was made of that) are taken out
of it first: their contribution leaves the sums, and an edge that fewer than ``min_support`` others share
leaves the class. Between feature maps class pathways are complete: there an edge leaves that no other sample
has.

Works on ``all_*`` tables, which hold this run and every comparable one, in batches of pathways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graphpath.sql import quote
from graphpath.stores.comparing import own_edges, select_compared
from graphpath.stores.families import select_families
from graphpath.stores.prepare import LoadBuilder
from graphpath.stores.rollups import select_grouped

BATCH = 1_000_000
"""Edges compared at a time: what bounds the memory of it."""

PREDICTIONS = 2


@dataclass(frozen=True)
class Unit:
    """Between what edges are compared: the tables of pathways' and of classes' edges, and the least support
    that keeps an edge in its class.
    """

    name: str
    edges: str
    class_edges: str
    min_support: str


UNITS: Final = (
    Unit("neuron", "all_edges", "all_class_edges", "min_support"),
    Unit("map", "all_map_edges", "all_class_map_edges", "1"),
)


def compare(builder: LoadBuilder, run: str, comparable: str) -> None:
    """Make the files of RESEMBLES: this run's pathways against every comparable run's classes, and back."""
    _gather(builder, run, comparable)
    builder.add_table(
        "pairs",
        f"""SELECT p.pathway, f.family, p.edges + p.map_edges AS edges, c.class_pathway, q.prediction
        FROM all_facts p JOIN families f USING (sample)
        JOIN all_ranked q ON q.run = p.run AND q.sample = p.sample AND q.prediction <= {PREDICTIONS}
        JOIN all_classes c ON c.category = q.category AND c.variant = 'original'
        WHERE p.run = {quote(run)} OR c.run = {quote(run)}""",
    )
    for unit in UNITS:
        builder.add_table(
            f"{unit.class_edges}_sums",
            f"""SELECT class_pathway, layer, count(*) AS edges, sum(weight) AS weight
            FROM {unit.class_edges} GROUP BY ALL""",
        )
    for first, last in _list_batches(builder):
        builder.add_table("now", f"SELECT * FROM pairs WHERE pathway BETWEEN {first} AND {last}")
        for unit in UNITS:
            _compare_batch(builder, unit, first, last)


def _gather(builder: LoadBuilder, run: str, comparable: str) -> None:
    """This run's rows and the stored ones of comparable runs (``stored_*`` views) in one place each."""
    everyone = "SELECT sample, parent FROM samples UNION SELECT id, parent FROM stored_samples"
    builder.add_table("families", select_families(everyone))
    mine = f"SELECT {quote(run)} AS run, sample, category, rank FROM predictions"
    builder.add_table("all_predictions", f"{mine} UNION ALL SELECT * FROM stored_predictions")
    builder.add_table(
        "all_ranked",
        """SELECT run, sample, category, (row_number() OVER (PARTITION BY run, sample, scheme ORDER BY best))
            ::INTEGER AS prediction
        FROM (SELECT p.run, p.sample, g.scheme, g.category, min(p.rank) AS best
            FROM all_predictions p JOIN groups g ON g.class = p.category GROUP BY ALL)""",
    )
    builder.add_table(
        "all_facts",
        """SELECT pathway, run, sample, edges, map_edges, variant, category, label_category,
                predicted_category
            FROM facts JOIN map_counts USING (pathway)
        UNION ALL SELECT s.pathway, s.run, s.sample, s.edges, s.map_edges, s.variant, s.category, l.id,
                q.category
            FROM stored_facts s LEFT JOIN stored_categories t ON t.id = s.category
            LEFT JOIN stored_categories l ON l.scheme = t.scheme AND l.label = s.label
            LEFT JOIN stored_predictions q ON q.run = s.run AND q.sample = s.sample AND q.rank = 1""",
    )
    builder.add_table("all_grouped", select_grouped("all_facts"))
    builder.add_table(
        "all_classes",
        """SELECT class_pathway, run, category, variant, min_support FROM classes
        UNION ALL SELECT * FROM stored_classes""",
    )
    builder.add_table(
        "all_members",
        """SELECT class_pathway, pathway, sample, family
        FROM all_grouped JOIN all_classes USING (run, category, variant) JOIN families USING (sample)
        WHERE member""",
    )
    columns = "class_pathway, source, target, layer, support, weight"
    for name in ("class_edges", "class_map_edges"):
        builder.add_table(
            f"all_{name}", f"SELECT {columns} FROM {name} UNION ALL SELECT {columns} FROM stored_{name}"
        )
    columns = "pathway, source, target, layer"
    for name, weight in (("edges", "abs(score::DOUBLE) AS weight"), ("map_edges", "weight")):
        builder.run(
            f"""CREATE OR REPLACE VIEW all_{name} AS SELECT {columns}, {weight} FROM {name}
            UNION ALL SELECT {columns}, weight FROM stored_{name}"""
        )


def _list_batches(builder: LoadBuilder) -> Iterator[tuple[int, int]]:
    """The first and last pathway of each batch of about ``BATCH`` edges."""
    pathways = builder.run("SELECT DISTINCT pathway, edges FROM pairs ORDER BY pathway")
    start, batch_edges = 0, 0
    for position, (_, edges) in enumerate(pathways):
        batch_edges += edges
        if batch_edges >= BATCH or position == len(pathways) - 1:
            yield pathways[start][0], pathways[position][0]
            start, batch_edges = position + 1, 0


def _compare_batch(builder: LoadBuilder, unit: Unit, first: int, last: int) -> None:
    """One file of RESEMBLES: what is ``now`` compared, between neurons or feature maps."""
    builder.add_table("theirs", f"SELECT * FROM {unit.edges} WHERE pathway BETWEEN {first} AND {last}")
    members = """(SELECT m.* FROM all_members m
        SEMI JOIN now n ON n.class_pathway = m.class_pathway AND n.family = m.family)"""
    classes = f"""(SELECT e.*, {unit.min_support} AS min_support
        FROM {unit.class_edges} e JOIN all_classes c USING (class_pathway))"""
    builder.add_table("own", own_edges("class_pathway", members, unit.edges, classes))
    sums = f"{unit.class_edges}_sums"
    builder.write(
        "RESEMBLES",
        f"""SELECT c.pathway, c.class_pathway, c.layer, n.prediction, c.shared, c.edges, c.least, c.most,
            {quote(unit.name)}
        FROM ({select_compared("class_pathway", "now", "theirs", unit.class_edges, sums)}) c
        JOIN now n USING (pathway, class_pathway)""",
    )
