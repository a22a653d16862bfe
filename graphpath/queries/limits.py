"""Answers that end at a limit. One row more than wanted is asked for, which shows whether there are more."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from graphpath.queries.files import Query
from graphpath.queries.graph import edge_key, node_key
from graphpath.queries.parameters import ALL, Parameter, Value

REACHED = "limit_reached"
"""Under this name a frame's ``attrs`` (a graph's ``graph``) say whether there was more than was asked for."""
LIMITS = "limits"
"""Under this, which parameters cut the answer, with their values."""


def find_limits(query: Query) -> dict[str, Parameter]:
    """The parameters that limit the answer. Those of a guard refuse instead."""
    guards = {guard.limit for guard in query.guards}
    return {
        name: parameter
        for name, parameter in query.parameters.items()
        if parameter.limits and name not in guards
    }


def lift_limits(query: Query, given: Mapping[str, object]) -> dict[str, object]:
    """``given``, with every open ``limit`` at "all"; a ``top`` is part of the query's meaning."""
    pages = [name for name, parameter in find_limits(query).items() if parameter.parsed.element == "limit"]
    return {**given, **{name: "all" for name in pages if name not in given}}


def raise_limits(query: Query, bound: Mapping[str, Value]) -> dict[str, Value]:
    """The values bound to the engine's query: each limit raised by one."""
    return {**bound, **{name: _to_number(bound[name]) + 1 for name in find_limits(query)}}


def cut(frame: pd.DataFrame, query: Query, bound: Mapping[str, Value]) -> pd.DataFrame:
    """What was wanted of an answer to ``raise_limits``; its ``attrs`` say whether there was more."""
    reached: dict[str, Value] = {}
    for name, parameter in find_limits(query).items():
        most = _to_number(bound[name])
        if most >= ALL:
            continue
        place = _number_rows(frame, query, parameter.parsed.per)
        if (place >= most).any():
            reached[name] = most
            frame = frame[(place < most).to_numpy()].reset_index(drop=True)
    frame.attrs.update({REACHED: bool(reached), LIMITS: reached})
    return frame


def describe_cut(attrs: Mapping[Any, Any]) -> str:
    """A sentence about what a limit has cut; empty where it cut nothing."""
    if not attrs.get(REACHED):
        return ""
    limits: Mapping[str, object] = attrs.get(LIMITS, {})
    names = " and ".join(f"{name}={value}" for name, value in limits.items())
    return f"{names} was reached: there is more than this answer holds ({next(iter(limits))}=all for all)."


def _to_number(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _number_rows(frame: pd.DataFrame, query: Query, per: tuple[str, ...]) -> pd.Series[int]:
    """The place, from 0, of each row in what a limit counts: rows, or values of the columns ``per``."""
    if not per:
        return pd.Series(range(len(frame)), dtype="int64")
    columns = [[_to_key(value, query.returns[name]) for value in frame[name]] for name in per]
    keys = pd.Series(list(zip(*columns, strict=True)), dtype="object")
    return pd.Series(pd.factorize(keys)[0], dtype="int64")


def _to_key(value: Any, kind: str) -> Hashable:
    if kind == "node":
        return node_key(value)
    key: Hashable = edge_key(value) if kind == "relationship" else value
    return key
