"""The statements that write, generated from the graph's schema, and the shape of the rows they take.

Rows come as columns, a list each, not as a map per row: names are sent once. A value that is the same on
many rows running (``REPEATED``) is sent once for all of them. The ends of relationships come as two lists of
numbers into one list of keys (``group_ends``). So each node is looked up once, however many relationships
of the batch it has. The server's own order of that list is checked before anything is made of it.
"""

from __future__ import annotations

from typing import Final

from graphpath.schema import NODE, RELATIONSHIP

SHARED: Final = frozenset({"PART_OF", "IN_LAYER", "IN_MAP", "LABELLED", "IN_CATEGORY", "DERIVED_FROM"})
"""Relationships that belong to no run: written so that a second time changes nothing."""

REPEATED: Final[dict[str, tuple[str, ...]]] = {
    "FLOWS_TO": ("pathway", "layer"),
    "FLOWS_TO_MAP": ("pathway", "layer"),
    "VISITS": ("start", "layer"),
    "CLASS_FLOWS_TO": ("class_pathway", "layer", "category"),
    "MAP_FLOWS_TO": ("class_pathway", "layer", "category"),
}
"""Columns that hold one value for many rows once these are sorted by them."""

ROWS: Final = "UNWIND range(0, $rows - 1) AS i "
RUNS: Final = "UNWIND range(0, size($first) - 2) AS g UNWIND range($first[g], $first[g + 1] - 1) AS i "


def list_columns(name: str) -> list[str]:
    """What the columns of the files of ``name`` are called as parameters, by position."""
    if name in NODE:
        return list(NODE[name].properties)
    return ["start", "stop", *RELATIONSHIP[name].properties]


def is_in_layers(label: str) -> bool:
    """Whether nodes of ``label`` stand in a layer, and so get a second label, L0, L1, ...

    Neo4j Browser chooses colours by label alone.
    """
    return "layer" in NODE[label].properties


def group_ends(name: str) -> dict[str, list[str]]:
    """The lists of keys that relationships ``name`` refer to, each with the ends that it serves.

    One list where both ends have one label: a neuron is often the end of one edge and the start of another.
    """
    relation = RELATIONSHIP[name]
    if relation.source == relation.target:
        return {"ends": ["start", "stop"]}
    return {"sources": ["start"], "targets": ["stop"]}


def write_statement(name: str) -> str:
    """The statement that writes rows of the label or relationship type ``name``.

    Of relationships it returns how many rows it took, ``stored``: all, or none where an end is missing.
    """
    return _node_statement(name) if name in NODE else _relationship_statement(name)


def _node_statement(name: str) -> str:
    key, *others = NODE[name].properties
    given = ", ".join(f"n.{other} = ${other}[i]" for other in others)
    if is_in_layers(name):
        given += ", n:$('L' + toString($layer[i]))"
    return f"{ROWS}MERGE (n:{name} {{{key}: ${key}[i]}})" + (f" ON CREATE SET {given}" if given else "")


def _relationship_statement(name: str) -> str:
    relation = RELATIONSHIP[name]
    repeated = REPEATED.get(name, ())
    value = {column: f"${column}[{'g' if column in repeated else 'i'}]" for column in list_columns(name)}
    list_of = {end: given for given, served in group_ends(name).items() for end in served}
    found = f"{list_of['start']}[{value['start']}] AS a, {list_of['stop']}[{value['stop']}] AS b"
    begin = f"{_ends_clause(name)}{RUNS if repeated else ROWS}WITH {found}, i{', g' if repeated else ''} "
    if name in SHARED:
        given = ", ".join(f"r.{key} = {value[key]}" for key in relation.properties)
        make = f"MERGE (a)-[r:{name}]->(b)" + (f" ON CREATE SET {given}" if given else "")
    else:
        given = ", ".join(f"{key}: {value[key]}" for key in relation.properties)
        make = f"CREATE (a)-[:{name} {{{given}}}]->(b)"
    return f"{begin}{make} RETURN count(*) AS stored"


def _ends_clause(name: str) -> str:
    """The lists of nodes by the lists of their keys; nothing unless each is where its key is."""
    labels = {"start": RELATIONSHIP[name].source, "stop": RELATIONSHIP[name].target}
    made, checks = [], []
    for given, served in group_ends(name).items():
        label = labels[served[0]]
        key = NODE[label].key
        made.append(
            f"COLLECT {{ UNWIND ${given} AS key MATCH (n:{label} {{{key}: key}}) RETURN n }} AS {given}"
        )
        checks.append(f"[n IN {given} | n.{key}] = ${given}")
    return f"WITH {', '.join(made)} WHERE {' AND '.join(checks)} "
