"""Constraints, indexes and names, generated from the graph's schema. Community edition has all of them."""

from __future__ import annotations

from typing import Final

from graphpath.schema import NODE_INDEXES, NODES, RELATIONSHIP_INDEXES, RELATIONSHIPS


def constraint_statements() -> list[str]:
    """One uniqueness constraint per label, on its key; each brings an index."""
    return [
        f"CREATE CONSTRAINT graphpath_{node.label} IF NOT EXISTS FOR (n:{node.label}) "
        f"REQUIRE n.{node.key} IS UNIQUE"
        for node in NODES
    ]


def index_statements() -> list[str]:
    """The other indexes, of relationships and nodes.

    None has the layer as a second property: queries take all layers or some by one expression
    (``size($layers) = 0 OR r.layer IN $layers``), which no index serves.
    """
    relations = [
        f"CREATE INDEX graphpath_{name} IF NOT EXISTS FOR ()-[r:{name}]-() ON (r.{key})"
        for name, key in RELATIONSHIP_INDEXES.items()
    ]
    nodes = [
        f"CREATE INDEX graphpath_{label}_{key} IF NOT EXISTS FOR (n:{label}) ON (n.{key})"
        for label, key in NODE_INDEXES
    ]
    return [*relations, *nodes]


def list_names() -> tuple[list[str], list[str], list[str]]:
    """Every label, relationship type and property.

    All of them are sent to the server at once. Otherwise it warns of a misspelling where a query is about a
    part of the graph that no trace has filled yet.
    """
    properties = {name for node in NODES for name in node.properties}
    properties |= {name for relation in RELATIONSHIPS for name in relation.properties}
    return [node.label for node in NODES], [item.name for item in RELATIONSHIPS], sorted(properties)


AWAIT: Final = "CALL db.awaitIndexes($seconds)"
LABEL: Final = "UNWIND $names AS name CALL db.createLabel(name)"
TYPE: Final = "UNWIND $names AS name CALL db.createRelationshipType(name)"
PROPERTY: Final = "UNWIND $names AS name CALL db.createProperty(name)"
