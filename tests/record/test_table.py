"""A table is as its schema says, or is refused by the name of the column that is not."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphpath.errors import RecordError
from graphpath.record import TABLES, Table
from graphpath.record.schema import SCHEMA_KEY


def steps(**changes):
    columns = {"route": np.array([1, 2]), "neuron": np.array([3, 4]), "position": np.array([0, 1])}
    return columns | changes


def test_columns_are_ordered_and_narrowed_to_the_schema():
    table = Table.from_columns("steps", dict(reversed(steps().items())))
    assert table.data.schema.equals(TABLES["steps"], check_metadata=True)
    assert table.data["position"].to_pylist() == [0, 1]
    assert len(table) == 2


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"route": [1]}, "neuron, position"),
        (steps(extra=[1, 2]), "extra"),
        (steps(position=np.array([0])), "length"),
        (steps(position=np.array([0, 2**40])), "steps.position is not int32"),
        (steps(position=np.array([0.5, 1.0])), "steps.position"),
        (steps(position=pa.array([0, None], pa.int32())), "steps.position holds 1 null"),
        (steps(neuron=np.array([[3, 4]])), "2 dimensions"),
        (steps(neuron=["a", "b"]), "steps.neuron is not int64"),
    ],
)
def test_a_wrong_column_is_refused_by_name(columns, named):
    with pytest.raises(RecordError, match=named):
        Table.from_columns("steps", columns)


def test_an_unknown_table_is_refused():
    with pytest.raises(RecordError, match="no table 'egdes'"):
        Table.from_columns("egdes", {})


def test_floats_are_narrowed_only_when_nothing_is_lost():
    def predictions(logit):
        ones = np.ones(len(logit), np.int64)
        return {
            "sample": ones,
            "rank": ones,
            "category": ones,
            "logit": logit,
            "confidence": logit.astype("f4"),
        }

    exact = np.array([0.5, np.nan, -np.inf])
    kept = Table.from_columns("predictions", predictions(exact)).data["logit"].to_numpy()
    np.testing.assert_array_equal(kept, exact.astype(np.float32))
    with pytest.raises(RecordError, match=r"predictions\.logit would lose values"):
        Table.from_columns("predictions", predictions(np.array([0.1])))


def test_nulls_are_kept_where_they_may_be():
    origin = pa.array([None, 7], pa.int64())
    columns = {name: np.zeros(2) for name in TABLES["pathways"].names} | {"origin": origin}
    assert Table.from_columns("pathways", columns).data["origin"].to_pylist() == [None, 7]


def test_every_schema_has_its_version_and_its_ends_first():
    for name, schema in TABLES.items():
        assert schema.metadata == {SCHEMA_KEY: b"1"}, name
    ends = {"edges": ["source", "target"], "visits": ["pathway", "neuron"], "steps": ["route", "neuron"]}
    for name, first in ends.items():
        assert TABLES[name].names[:2] == first


@given(
    values=hnp.arrays(np.int64, st.integers(0, 50), elements=st.integers(0, 2**53)),
    scores=st.lists(st.floats(width=32), max_size=5),
)
def test_a_conforming_table_comes_back_as_it_is(values, scores):
    count = len(values)
    score = np.resize(np.array([0.0, *scores], np.float32), count)
    columns = {"pathway": values, "neuron": values, "layer": np.zeros(count, np.int32)}
    table = Table.from_columns("visits", columns | {"activation": score, "score": score})
    again = Table.from_columns("visits", table.data)
    assert again.data.equals(table.data) or np.isnan(score).any()
    np.testing.assert_array_equal(again.data["score"].to_numpy(), score)
