"""Class pathways: the roll-ups of a run's pathways by category, computed out of core.

``graphpath/README.md``, "Class pathways", defines them.

The members of a class pathway are the pathways of correctly predicted samples whose target is the
category, by variant. What counts as correct, and which target is the category, each scheme of categories says
for itself: in ``classes``, label, prediction and target are one class; in another scheme they need only be of
one category. Neuron roll-ups keep the edges that at least ``min_support`` samples share (a trace
whose samples stand for many images each says how many it wants itself); map roll-ups are complete. They
are of the edges between neurons, or of those that a run found between feature maps themselves (method
``channels``): ``weight`` then sums the |score| of whole edges between maps.
"""

from __future__ import annotations

from graphpath import ids
from graphpath.classes import CLASSES
from graphpath.sql import quote
from graphpath.stores.alike import compare_classes
from graphpath.stores.prepare import LoadBuilder
from graphpath.stores.ranking import rank_table

BY = "target"
ROLLUP = "source, target, class_pathway, layer, category, support, flow, score, weight, rank"
OWN_FIRST = f"scheme <> {quote(CLASSES)}, scheme"
"""So that class pathways of the classes themselves have the same ids with and without other schemes."""


def roll_up(builder: LoadBuilder, run: str, min_support: int | None) -> None:
    """Make the files of all roll-ups but RESEMBLES: FLOWS_TO_MAP, ClassPathway, CLASS_FLOWS_TO, SHARES ...

    Leaves the tables ``classes``, ``members``, ``class_edges`` (the kept ones) and ``class_map_edges`` for
    comparisons. They need the table ``map_edges``.
    """
    rank_table(builder, "map_edges", "pathway")
    builder.write(
        "FLOWS_TO_MAP", "SELECT source, target, pathway, layer, flow, score, weight, rank FROM map_edges"
    )
    build_class_edges(builder, run, min_support)
    _write_class_pathways(builder)
    build_class_map_edges(builder)
    for name, table in (("CLASS_FLOWS_TO", "class_edges"), ("MAP_FLOWS_TO", "class_map_edges")):
        rank_table(builder, table, "class_pathway")
        builder.write(name, f"SELECT {ROLLUP} FROM {table}")
    compare_classes(builder)
    _count_crosses(builder)


def build_class_edges(builder: LoadBuilder, run: str, min_support: int | None) -> None:
    """Make the tables ``classes``, ``members``, ``class_sums`` and ``build_class_edges`` (the kept ones).

    They need the tables ``facts`` and ``groups``.
    """
    builder.add_table("grouped", select_grouped("facts"))
    _build_members(builder, run, min_support)
    [[repeated]] = builder.run("SELECT count(*) > count(DISTINCT sample) FROM members")
    support = "count(DISTINCT sample)" if repeated else "count(*)"
    builder.add_table(
        "class_sums",
        f"""SELECT class_pathway, source, target, min(layer) AS layer, {support} AS support,
            sum(flow::DOUBLE) AS flow, sum(score::DOUBLE) AS score, sum(abs(score::DOUBLE)) AS weight
        FROM edges JOIN members USING (pathway) GROUP BY class_pathway, source, target""",
    )
    builder.add_table(
        "class_edges",
        """SELECT s.*, c.category FROM class_sums s JOIN classes c USING (class_pathway)
        WHERE s.support >= c.min_support""",
    )


def select_grouped(facts: str) -> str:
    """SQL for the category of each pathway's target in each scheme, and whether it is a ``member`` of it.

    Of ``facts`` it needs the classes of the target, the label and the first prediction.
    """
    return f"""SELECT f.pathway, f.run, f.sample, f.variant, t.scheme, t.category,
            coalesce(t.category = l.category AND t.category = q.category, false) AS member
        FROM {facts} f JOIN groups t ON t.class = f.category
        LEFT JOIN groups l ON l.class = f.label_category AND l.scheme = t.scheme
        LEFT JOIN groups q ON q.class = f.predicted_category AND q.scheme = t.scheme"""


def _build_members(builder: LoadBuilder, run: str, min_support: int | None) -> None:
    least = min_support or builder.trace.run.get("min_support")
    asked = f"{int(least)}::BIGINT" if least else "greatest(2, ceil(0.05 * samples))::BIGINT"
    builder.add_table(
        "classes",
        f"""SELECT
            ({ids.block(run)} + row_number() OVER (ORDER BY {OWN_FIRST}, category, variant) - 1)::BIGINT
                AS class_pathway,
            run, scheme, category, variant, samples, {asked} AS min_support
        FROM (SELECT run, scheme, category, variant, count(DISTINCT sample) AS samples
            FROM grouped WHERE member GROUP BY ALL)""",
    )
    builder.add_table(
        "members",
        """SELECT class_pathway, pathway, sample
        FROM grouped JOIN classes USING (run, scheme, category, variant) WHERE member""",
    )


def _write_class_pathways(builder: LoadBuilder) -> None:
    builder.write(
        "ClassPathway",
        f"""SELECT c.class_pathway, c.run, c.category, c.variant, '{BY}', c.samples,
            coalesce(k.edges, 0), c.min_support,
            CASE WHEN a.weight > 0 THEN coalesce(k.weight, 0) / a.weight ELSE 0.0 END, c.scheme
        FROM classes c
        LEFT JOIN (SELECT class_pathway, sum(weight) AS weight FROM class_sums GROUP BY ALL) a
            USING (class_pathway)
        LEFT JOIN (SELECT class_pathway, sum(weight) AS weight, count(*) AS edges
            FROM class_edges GROUP BY ALL) k USING (class_pathway)""",
    )
    builder.write("OF_CATEGORY", "SELECT class_pathway, category FROM classes")
    builder.run("DROP TABLE class_sums")


def build_class_map_edges(builder: LoadBuilder) -> None:
    """Make the table ``class_map_edges``, all of them, of ``map_edges``, ``members`` and ``classes``."""
    builder.add_table(
        "class_map_edges",
        """SELECT m.class_pathway, e.source, e.target, min(e.layer) AS layer, min(c.category) AS category,
            count(DISTINCT m.sample) AS support, sum(e.flow) AS flow, sum(e.score) AS score,
            sum(e.weight) AS weight
        FROM map_edges e JOIN members m USING (pathway) JOIN classes c USING (class_pathway)
        GROUP BY m.class_pathway, e.source, e.target""",
    )


def _count_crosses(builder: LoadBuilder) -> None:
    if not builder.trace.files("crosses"):
        return
    # A trace may record every map of a pixel; only its largest, which come first, are its pathway.
    top = builder.trace.run.get("parameters", {}).get("top")
    large = "true" if top is None else f"c.rank <= {int(top)}"
    builder.write(
        "CROSSES",
        f"""SELECT c.pathway, l."offset" + c.channel * l.height * l.width, count(DISTINCT c.pixel),
            sum(c.size::DOUBLE)
        FROM crosses c JOIN layers l USING (layer) WHERE {large} GROUP BY ALL""",
    )
