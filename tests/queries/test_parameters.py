"""Typed parameters: what is accepted, and what a refusal says."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpath.errors import QueryParameterError
from graphpath.queries.parameters import Parameter, ParameterType, bind, to_literal

DECLARED = {
    "run": Parameter("run", "string", None, "the run"),
    "layers": Parameter("layers", "list<int>", [], "only these layers"),
    "share": Parameter("share", "float", 0.5, "the least share"),
    "limit": Parameter("limit", "count", 10, "at most so many rows"),
    "raw": Parameter("raw", "bool", False, "as they are"),
    "by": Parameter("by", '"sample"|"category"', "category", "what is counted for"),
}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "7", 7),
        ("int", -3, -3),
        ("int", np.int64(2**52), 2**52),
        ("count", " 12 ", 12),
        ("float", "1e-3", 1e-3),
        ("float", 2, 2.0),
        ("float", np.float32(0.5), 0.5),
        ("string", "7", "7"),
        ("bool", "true", True),
        ("bool", "0", False),
        ("bool", np.True_, True),
        ("list<int>", "1,2, 3", [1, 2, 3]),
        ("list<int>", "[4, 5]", [4, 5]),
        ("list<int>", "", []),
        ("list<int>", 6, [6]),
        ("list<int>", np.array([7, 8]), [7, 8]),
        ("list<int>", pd.Series([9]), [9]),
        ("list<int>", range(2), [0, 1]),
        ("list<string>", "a,b", ["a", "b"]),
        ("list<string>", ("a b",), ["a b"]),
        ("list<float>", "0.5", [0.5]),
        ('"x"|"y"', "y", "y"),
    ],
)
def test_a_value_is_read_by_the_declared_type(kind: str, value: object, expected: object) -> None:
    parsed = ParameterType.parse(kind)
    assert parsed is not None
    read = parsed.read(value)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "seven"),
        ("int", 1.5),
        ("int", True),
        ("int", None),
        ("int", 2**63),
        ("count", -1),
        ("float", "nan"),
        ("float", math.inf),
        ("float", True),
        ("string", 7),
        ("string", None),
        ("bool", "maybe"),
        ("bool", 1),
        ("list<int>", "1,x"),
        ("list<int>", None),
        ("list<int>", [None]),
        ("list<int>", {"a": 1}),
        ("list<int>", "[1"),
        ('"x"|"y"', "z"),
        ('"x"|"y"', ["x"]),
    ],
)
def test_another_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(QueryParameterError, match=r"Parameter p of query q must be .*its parameters are: p"):
        bind("q", {"p": Parameter("p", kind, None, "what it is for")}, {"p": value})


@pytest.mark.parametrize("text", ["integer", "list<list<int>>", "list<any>", '"one"', "", "list<int"])
def test_an_unknown_type_is_none(text: str) -> None:
    assert ParameterType.parse(text) is None


def test_every_declared_parameter_is_bound_and_none_is_null() -> None:
    bound = bind("q", DECLARED, {"run": "r", "layers": 3})
    assert bound == {"run": "r", "layers": [3], "share": 0.5, "limit": 10, "raw": False, "by": "category"}


def test_a_missing_parameter_is_named_with_its_meaning() -> None:
    with pytest.raises(QueryParameterError, match=r"Query q needs run \(string: the run\).*limit=10"):
        bind("q", DECLARED, {})


def test_an_unknown_parameter_is_named_with_the_nearest() -> None:
    with pytest.raises(QueryParameterError, match=r"no parameter 'limits'; did you mean limit\?.*share=0.5"):
        bind("q", DECLARED, {"run": "r", "limits": 3})


@given(st.recursive(st.integers() | st.booleans() | st.text(), st.lists, max_leaves=5))
def test_a_literal_reads_back(value: object) -> None:
    import json

    assert json.loads(to_literal(value)) == value


@pytest.mark.parametrize("value", ["[" * 100_000, "x" * 100_000, np.array(3.5), np.array("a")])
def test_values_that_are_too_deep_or_long_are_refused_in_brief(value: object) -> None:
    with pytest.raises(QueryParameterError, match=r"layers of query topic/name must be") as refused:
        bind("topic/name", DECLARED, {"run": "clean", "layers": value})
    assert len(str(refused.value)) < 800
