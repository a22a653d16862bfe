"""The graph's labels, relationship types, properties and keys as data (``graphpath/README.md``, "The graph").

Everything that differs between engines (DDL, constraints, import headers, ``schema()``) is generated
from here. Property types are those of the embedded engine; Neo4j knows only 64-bit ones.

What each of them means is said there, and a test holds it against this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SCHEMA_VERSION: Final = "5"
SINCE: Final = (
    "since schema '4' classes can be in categories of one's own, and class pathways say of which scheme they "
    "are; since schema '5' each pathway has its edges between feature maps"
)
"""Why an older store is refused: what it holds does not say so."""

Kind = Literal["INT64", "INT32", "DOUBLE", "FLOAT", "STRING", "BOOL", "INT64[]"]


@dataclass(frozen=True)
class NodeType:
    """A label with its properties; the first is the key."""

    label: str
    properties: dict[str, Kind]

    @property
    def key(self) -> str:
        return next(iter(self.properties))


@dataclass(frozen=True)
class RelationshipType:
    """A relationship type between two labels with its properties."""

    name: str
    source: str
    target: str
    properties: dict[str, Kind]


_ROLLUP: Final[dict[str, Kind]] = {
    "class_pathway": "INT64",
    "layer": "INT32",
    "category": "INT64",
    "support": "INT64",
    "flow": "DOUBLE",
    "score": "DOUBLE",
    "weight": "DOUBLE",
    "rank": "INT64",  # 1 for the first: those on the strongest routes
}

OPTIONS: Final[dict[str, Kind]] = {
    "theta": "DOUBLE",
    "phi": "STRING",
    "direction": "STRING",
    "psi": "STRING",
    "depth": "INT64",
    "pixels": "STRING",
    "threshold": "DOUBLE",
    "top": "INT64",
    "kernel": "STRING",
    "init": "STRING",
    "through": "STRING",
    "per_pixel": "BOOL",
    "per_layer": "INT64",
    "every_map": "BOOL",
    "sparsity": "DOUBLE",
    "steps": "INT64",
    "variant": "STRING",
    "recipe": "STRING",
    "per": "STRING",
    "gamma": "DOUBLE",
    "rate": "DOUBLE",
    "iterations": "INT64",
    "rule": "STRING",
    "epsilon": "DOUBLE",
    "share": "DOUBLE",
    "target": "STRING",
    "routes": "INT64",
    "max_edges": "INT64",
    "influence": "DOUBLE",
    "edge_influence": "DOUBLE",
    "floor": "DOUBLE",
}
"""The options of the tracing methods, and of every trace; what is no text of a STRING is JSON."""

NODES: Final[tuple[NodeType, ...]] = (
    NodeType("GraphpathMeta", {"id": "INT64", "schema": "STRING", "engine": "STRING"}),
    NodeType("Model", {"id": "INT64", "name": "STRING", "sha256": "STRING", "layers": "INT32"}),
    NodeType(
        "Run",
        {
            "id": "STRING",
            "method": "STRING",
            "parameters": "STRING",  # JSON
            "model": "INT64",
            "dataset": "STRING",
            "path": "STRING",  # of the trace's directory, absolute
            "counts": "STRING",  # JSON, as in run.json
            "min_support": "INT64",  # as asked for when loading; 0 = the default
            "comparable": "STRING",  # runs with the same value are compared by RESEMBLES
            "complete": "BOOL",
            "schemes": "STRING",  # JSON: the schemes of its class pathways, each with a digest of its groups
            **OPTIONS,
            "name": "STRING",  # that it was given when it was traced; null without one
            "loaded": "STRING",  # date and time, UTC; null in a store rebuilt from one that did not say
        },
    ),
    NodeType(
        "Layer",
        {
            "id": "INT64",
            "model": "INT64",
            "number": "INT32",
            "name": "STRING",
            "kind": "STRING",
            "channels": "INT32",
            "height": "INT32",
            "width": "INT32",
            "possible": "INT64",  # edges that the network can have into it; null where nobody knows
            "possible_maps": "INT64",  # the same between feature maps
            "title": "STRING",  # what the layer is called to a person
            "first_rows": "INT64[]",  # of the image, by the layer's row; null where nobody knows
            "last_rows": "INT64[]",
            "first_columns": "INT64[]",
            "last_columns": "INT64[]",
        },
    ),
    NodeType(
        "FeatureMap",
        {"id": "INT64", "model": "INT64", "layer": "INT32", "channel": "INT32", "name": "STRING"},
    ),
    NodeType(
        "Neuron",
        {
            "id": "INT64",
            "model": "INT64",
            "layer": "INT32",
            "channel": "INT32",
            "y": "INT32",
            "x": "INT32",
            "name": "STRING",
        },
    ),
    NodeType("Category", {"id": "INT64", "scheme": "STRING", "label": "INT32", "name": "STRING"}),
    NodeType(
        "Sample",
        {
            "id": "INT64",
            "dataset": "STRING",
            "split": "STRING",
            "position": "INT64",  # samples.index: "index" is a reserved word of the embedded engine
            "label": "INT32",
            "variant": "STRING",
            "parent": "INT64",  # null for originals
            "detail": "STRING",  # JSON
            "attack": "STRING",  # from detail; null for originals
            "epsilon": "DOUBLE",  # from detail; null for originals
            "label_name": "STRING",  # null without a label
            "predicted": "STRING",  # the name of the first prediction; null where runs differ
            "confidence": "FLOAT",
            "correct": "BOOL",  # null without a label
        },
    ),
    NodeType(
        "Pathway",
        {
            "id": "INT64",
            "run": "STRING",
            "sample": "INT64",
            "target": "INT32",
            "origin": "INT64",  # null unless it starts at one pixel
            "neurons": "INT64",
            "edges": "INT64",
            "map_edges": "INT64",  # between feature maps
            "coverage": "FLOAT",
            "logit": "DOUBLE",
            "bias": "DOUBLE",
            "category": "INT64",  # of its target; null when the target is no class
            "label": "INT32",
            "variant": "STRING",
            "correct": "BOOL",
            "predicted": "STRING",  # the name of its sample's first prediction, in its run
            "confidence": "FLOAT",
        },
    ),
    NodeType(
        "Route",
        {
            "id": "INT64",
            "run": "STRING",
            "pathway": "INT64",
            "rank": "INT32",
            "sign": "INT32",
            "log10_abs": "DOUBLE",
        },
    ),
    NodeType(
        "ClassPathway",
        {
            "id": "INT64",
            "run": "STRING",
            "category": "INT64",
            "variant": "STRING",
            "by": "STRING",  # "target": correctly predicted samples whose target is the category
            "samples": "INT64",
            "edges": "INT64",  # kept: support >= min_support
            "min_support": "INT64",
            "coverage": "DOUBLE",  # share of |score| on the kept edges
            "scheme": "STRING",  # of its category; "classes": each class is one
        },
    ),
    NodeType(
        "Verdict",
        {
            "id": "INT64",
            "model": "INT64",
            "sha256": "STRING",  # of the weights
            "query": "STRING",  # the named query; empty for Cypher of the user's own
            "text": "STRING",  # the Cypher
            "parameters": "STRING",  # JSON
            "answer": "STRING",  # sha256 of what was ablated
            "kind": "STRING",  # neurons or edges
            "by": "STRING",  # answer: all images alike; sample: each its own
            "ablated": "STRING",  # JSON: the layers' numbers
            "dataset": "STRING",
            "fingerprint": "STRING",  # of the images
            "images": "INT64",
            "mode": "STRING",
            "baseline": "STRING",
            "watched": "STRING",  # JSON: the target
            "measure": "STRING",
            "draws": "INT64",
            "seed": "INT64",
            "decision": "STRING",
            "direction": "STRING",
            "words": "STRING",
            "figures": "STRING",  # JSON: the table's rows
            "made": "STRING",  # date and time, UTC
        },
    ),
)

RELATIONSHIPS: Final[tuple[RelationshipType, ...]] = (
    RelationshipType("PART_OF", "Layer", "Model", {}),
    RelationshipType("IN_LAYER", "FeatureMap", "Layer", {}),
    RelationshipType("IN_MAP", "Neuron", "FeatureMap", {}),
    RelationshipType("TRACED", "Run", "Model", {}),
    RelationshipType("FROM_RUN", "Pathway", "Run", {}),
    RelationshipType("OF_SAMPLE", "Pathway", "Sample", {}),
    RelationshipType(
        "DERIVED_FROM",
        "Sample",
        "Sample",
        {"variant": "STRING", "attack": "STRING", "epsilon": "DOUBLE", "detail": "STRING"},
    ),
    RelationshipType("LABELLED", "Sample", "Category", {}),
    RelationshipType("IN_CATEGORY", "Category", "Category", {}),
    RelationshipType(
        "PREDICTED",
        "Sample",
        "Category",
        {"run": "STRING", "rank": "INT32", "logit": "FLOAT", "confidence": "FLOAT"},
    ),
    RelationshipType(
        "FLOWS_TO",
        "Neuron",
        "Neuron",
        {"pathway": "INT64", "layer": "INT32", "flow": "FLOAT", "score": "FLOAT", "rank": "INT32"},
    ),
    RelationshipType(
        "FLOWS_TO_MAP",
        "FeatureMap",
        "FeatureMap",
        {
            "pathway": "INT64",
            "layer": "INT32",
            "flow": "DOUBLE",
            "score": "DOUBLE",
            "weight": "DOUBLE",
            "rank": "INT64",
        },
    ),
    RelationshipType(
        "VISITS", "Pathway", "Neuron", {"layer": "INT32", "activation": "FLOAT", "score": "FLOAT"}
    ),
    RelationshipType("VISITS_MAP", "Pathway", "FeatureMap", {"neurons": "INT64", "score": "DOUBLE"}),
    RelationshipType("CROSSES", "Pathway", "FeatureMap", {"pixels": "INT64", "size": "DOUBLE"}),
    RelationshipType("OF_PATHWAY", "Route", "Pathway", {}),
    RelationshipType("STEP", "Route", "Neuron", {"position": "INT32"}),
    RelationshipType("OF_RUN", "Verdict", "Run", {}),
    RelationshipType("OF_CATEGORY", "ClassPathway", "Category", {}),
    RelationshipType("CLASS_FLOWS_TO", "Neuron", "Neuron", _ROLLUP),
    RelationshipType("MAP_FLOWS_TO", "FeatureMap", "FeatureMap", _ROLLUP),
    RelationshipType(
        "SHARES",
        "ClassPathway",
        "ClassPathway",
        {"unit": "STRING", "shared": "INT64", "J": "DOUBLE", "weighted_J": "DOUBLE"},
    ),
    RelationshipType(
        "RESEMBLES",
        "Pathway",
        "ClassPathway",
        {
            "layer": "INT32",
            "prediction": "INT32",
            "shared": "INT64",
            "edges": "INT64",
            "least": "DOUBLE",
            "most": "DOUBLE",
            "unit": "STRING",  # neuron or map: between what the edges are
        },
    ),
)

NODE: Final[dict[str, NodeType]] = {node.label: node for node in NODES}
RELATIONSHIP: Final[dict[str, RelationshipType]] = {r.name: r for r in RELATIONSHIPS}

NODE_INDEXES: Final = (
    ("Pathway", "run"),
    ("Pathway", "sample"),
    ("ClassPathway", "run"),
    ("Route", "run"),
    ("Neuron", "name"),
    ("Sample", "label"),
    ("Sample", "variant"),
    ("Category", "name"),
)
"""Properties of nodes besides the keys that an engine with such indexes (Neo4j) indexes: what queries, and
people, look for."""

RELATIONSHIP_INDEXES: Final[dict[str, str]] = {
    "FLOWS_TO": "pathway",
    "FLOWS_TO_MAP": "pathway",
    "CLASS_FLOWS_TO": "class_pathway",
    "MAP_FLOWS_TO": "class_pathway",
}
"""Relationship properties that an engine with relationship indexes (Neo4j) indexes."""
