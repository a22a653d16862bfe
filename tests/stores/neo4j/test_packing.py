"""Rows as parameters: nothing is lost, each key is sent once, and what repeats is sent once."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.schema import NODE, NODES, RELATIONSHIP, RELATIONSHIPS
from graphpath.stores.load import ARROW
from graphpath.stores.neo4j.packing import pack_parameters
from graphpath.stores.neo4j.statements import REPEATED, group_ends, list_columns, write_statement

NAMES = [relation.name for relation in RELATIONSHIPS]


def kinds(name: str) -> dict[str, str]:
    if name in NODE:
        return dict(NODE[name].properties)
    relation = RELATIONSHIP[name]
    labels = {"start": relation.source, "stop": relation.target}
    keys = {end: NODE[label].properties[NODE[label].key] for end, label in labels.items()}
    return keys | relation.properties


def drawn(data: st.DataObject, name: str) -> pa.Table:
    """Rows with few values, so that many repeat; two chunks."""
    of_kind: dict[str, Any] = {
        "STRING": "abc",
        "FLOAT": (0.5, 1.5),
        "DOUBLE": (0.5, None),
        "BOOL": (True, False),
    }
    of_kind["INT64[]"] = (None, [0], [1, 2])
    few = {key: st.sampled_from(of_kind.get(kind, range(4))) for key, kind in kinds(name).items()}
    rows = data.draw(st.lists(st.fixed_dictionaries(few), min_size=1, max_size=30))
    schema = pa.schema([(key, ARROW[kind]) for key, kind in kinds(name).items()])
    cut = data.draw(st.integers(0, len(rows)))
    return pa.concat_tables(pa.Table.from_pylist(part, schema) for part in (rows[:cut], rows[cut:]))


def rows_of(name: str, sent: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What the statement makes of the parameters, row by row."""
    repeated = REPEATED.get(name, ())
    first = sent["first"] if repeated else [0, sent["rows"]]
    keys = {end: sent[given] for given, served in group_ends(name).items() for end in served}
    made = []
    for g, (low, high) in enumerate(pairwise(first)):
        for i in range(low, high):
            row = {column: sent[column][g if column in repeated else i] for column in list_columns(name)}
            made.append(tuple(keys[c][row[c]] if c in keys else row[c] for c in list_columns(name)))
    return made


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_rows_survive(name: str, data: st.DataObject) -> None:
    table = drawn(data, name)
    sent = pack_parameters(name, table)
    expected = [tuple(row[column] for column in list_columns(name)) for row in table.to_pylist()]
    assert sorted(rows_of(name, sent), key=repr) == sorted(expected, key=repr)
    for given_keys in group_ends(name):
        assert len(sent[given_keys]) == len(set(sent[given_keys]))
    if repeated := REPEATED.get(name):
        distinct = {tuple(row[list_columns(name).index(column)] for column in repeated) for row in expected}
        assert len(sent["first"]) == len(distinct) + 1
    assert all(type(value) is list for key, value in sent.items() if key != "rows")


@pytest.mark.parametrize("name", [node.label for node in NODES] + NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_a_statement_names_what_is_sent(name: str, data: st.DataObject) -> None:
    sent = pack_parameters(name, drawn(data, name))
    assert set(re.findall(r"\$(\w+)", write_statement(name))) == set(sent)
