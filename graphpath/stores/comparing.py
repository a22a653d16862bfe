"""SQL that holds pathways against class pathways: of a load (RESEMBLES), and of a trace that is not loaded.

A class is named by the column ``key``. Of its edges there are source, target, layer, support, min_support and
weight, the sum of ``|score|`` over its samples. What a family's members give to it is taken out first
(:mod:`graphpath.stores.families`): the sums lose it, and an edge that too few others share leaves the class.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = {"neuron": "edges", "map": "map_edges"}
CLASS_TABLES: Final = {"neuron": "class_edges", "map": "class_map_edges"}
"""Where a load has the edges of pathways, and of class pathways, between neurons and between feature maps."""


def own_edges(key: str, members: str, edges: str, classes: str) -> str:
    """SQL for what each family gives to each class: key, family, source, target, layer, given, weight, stays.

    Args:
        members: with key, family, sample and pathway.
        edges: of these pathways, with pathway, source, target and weight (``|score|``).
        classes: the classes' edges.
    """
    return f"""WITH given AS (
            SELECT m.{key}, m.family, e.source, e.target, sum(e.weight) AS weight,
                count(DISTINCT m.sample) AS samples
            FROM {edges} e JOIN {members} m USING (pathway) GROUP BY ALL)
        SELECT g.{key}, g.family, g.source, g.target, c.layer, g.weight AS given, c.weight,
            c.support - g.samples >= c.min_support AS stays
        FROM given g JOIN {classes} c USING ({key}, source, target)"""


def select_compared(key: str, pairs: str, edges: str, classes: str, sums: str) -> str:
    """SQL for pathways beside classes, a row for each layer where either has edges.

    Its columns are pathway, key, layer, shared, edges (of the pathway), least and most (sums of minima and
    maxima of both sides' shares of ``|score|``). It reads the table ``own`` (:func:`own_edges`).

    Args:
        pairs: what is compared: pathway, family and key.
        edges: of the pathways, with pathway, source, target, layer and weight (``|score|``).
        classes: the classes' edges.
        sums: of the classes by layer: key, layer, edges, weight.
    """
    return f"""WITH mine AS (
            SELECT pathway, layer, count(*) AS edges, sum(weight) AS weight FROM {edges} GROUP BY ALL
        ), lost AS (
            SELECT {key}, family, layer, count(*) FILTER (NOT stays) AS edges,
                sum(CASE WHEN stays THEN given ELSE weight END) AS weight
            FROM own GROUP BY ALL
        ), class AS (
            SELECT n.pathway, n.{key}, l.layer, l.edges - coalesce(o.edges, 0) AS edges,
                CASE WHEN l.edges = coalesce(o.edges, 0) THEN 0 ELSE l.weight - coalesce(o.weight, 0) END
                    AS weight
            FROM {pairs} n JOIN {sums} l USING ({key})
            LEFT JOIN lost o ON o.{key} = n.{key} AND o.family = n.family AND o.layer = l.layer
        ), both_have AS (
            SELECT n.pathway, n.{key}, e.layer, e.weight AS left_weight,
                k.weight - coalesce(o.given, 0) AS right_weight
            FROM {pairs} n JOIN {edges} e USING (pathway)
            JOIN {classes} k ON k.{key} = n.{key} AND k.source = e.source AND k.target = e.target
            LEFT JOIN own o ON o.{key} = n.{key} AND o.family = n.family
                AND o.source = e.source AND o.target = e.target
            WHERE coalesce(o.stays, true)
        ), shares AS (
            SELECT b.pathway, b.{key}, b.layer, count(*) AS shared,
                sum(least(CASE WHEN m.weight > 0 THEN b.left_weight / m.weight ELSE 0 END,
                    CASE WHEN c.weight > 0 THEN greatest(b.right_weight, 0) / c.weight ELSE 0 END)) AS least
            FROM both_have b JOIN mine m USING (pathway, layer) JOIN class c USING (pathway, {key}, layer)
            GROUP BY ALL
        ), places AS (
            SELECT n.pathway, n.{key}, m.layer FROM {pairs} n JOIN mine m USING (pathway)
            UNION SELECT pathway, {key}, layer FROM class WHERE edges > 0
        )
        SELECT p.pathway, p.{key}, p.layer, coalesce(s.shared, 0) AS shared, coalesce(m.edges, 0) AS edges,
            coalesce(s.least, 0.0) AS least,
            (coalesce(m.weight, 0) > 0)::INTEGER + (coalesce(c.weight, 0) > 0)::INTEGER
                - coalesce(s.least, 0.0) AS most
        FROM places p
        LEFT JOIN mine m ON m.pathway = p.pathway AND m.layer = p.layer
        LEFT JOIN class c ON c.pathway = p.pathway AND c.{key} = p.{key} AND c.layer = p.layer
        LEFT JOIN shares s ON s.pathway = p.pathway AND s.{key} = p.{key} AND s.layer = p.layer"""
