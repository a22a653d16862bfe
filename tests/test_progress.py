"""One shape of callback, and the one that takes no stage."""

from __future__ import annotations

from typing import Any

import pytest

from graphpath.errors import GraphpathError
from graphpath.progress import as_progress


class Method:
    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def two(self, done: int, total: int) -> None:
        self.seen.append((done, total))

    def two_and_one_at_will(self, done: int, total: int, last: bool = False) -> None:
        self.seen.append((done, total, last))

    def three(self, stage: str, done: int, total: int) -> None:
        self.seen.append((stage, done, total))

    def any(self, *told: object) -> None:
        self.seen.append(told)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("two", (1, 2)),
        ("two_and_one_at_will", (1, 2, False)),
        ("three", ("tracing", 1, 2)),
        ("any", ("tracing", 1, 2)),
    ],
)
def test_what_a_callback_is_told(name: str, seen: tuple[object, ...]) -> None:
    method = Method()
    as_progress(getattr(method, name))("tracing", 1, 2)
    assert method.seen == [seen]


def test_nobody_watches() -> None:
    as_progress(None)("tracing", 1, 2)
    as_progress(print)  # written in C


def test_what_is_watched_may_be_watched_again() -> None:
    method = Method()
    as_progress(as_progress(method.two))("tracing", 1, 2)
    assert method.seen == [(1, 2)]


@pytest.mark.parametrize("given", [5, "bar", lambda: None, lambda done: None, lambda a, b, c, d: None])
def test_what_takes_neither_two_nor_three_is_refused(given: Any) -> None:
    with pytest.raises(GraphpathError, match=r"expected a function of \(stage, done, total\)"):
        as_progress(given)
