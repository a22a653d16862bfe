"""Named queries with hostile values, asked of a small embedded store from Python and on the command line."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from graphpath.cli.app import app
from graphpath.errors import QueryParameterError
from graphpath.queries import Query, catalogue
from graphpath.stores import Store
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random
from tests.samples import anchors, sample_store

WORDS = [
    "", " ", "0", "-1", "1", "5", " 5 ", "+5", "--5", "1_000", "1e3", "0x10", "1.5", "1e999", "nan", "inf",
    "-inf", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + "0" * 60, "١٢",
    "²", "1,2", ",", "[1", "true", "False", "yes", "null", "None", "[]", "{}", "[[]]", "[null]", "[1,[2]]",
    '{"a":1}', "clean", "Clean", "'", '"', "`", "\\", "\\'", "$run", "{run}", "%s", "x' OR 1=1 //",
    "'] RETURN 1 //", "; DROP", "/* ", "//", "\n", "\x1b[31mred", "\x07", "é", "猫", "\u202e", "\ufeff",
    "-", "--", "=", "@x", "../../etc/passwd", "a" * 20_000, "1," * 3_000, "[" * 2_000, "all", "predicted",
    "conv", "original", "adversarial",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**60, 0.5, -0.0, 1e308,
    1e-320, float("nan"), float("inf"), b"bytes", b"", [], [None], [[]], [1, "a"], [1.5], {}, {"a": 1},
    set(), {1}, (1, 2), object(), int, len, range(3), Path("x"), Decimal("1.5"), datetime.date(2020, 1, 1),
    1j, "\ud800", "\x00", "a\x00b", np.int64(2), np.int8(-1), np.uint64(2**64 - 1), np.float32(0.5),
    np.float64("nan"), np.bool_(True), np.str_("1"), np.array([1, 2]), np.array(3), np.array([]),
    np.array([["a"]]), np.datetime64("2020-01-01"), ["x"] * 5_000, [2**63], list(range(3_000)), iter([1]),
    ..., NotImplemented, Ellipsis, memoryview(b"x"), bytearray(b"x"),
]  # fmt: skip


def _prepare(folder: Path) -> Attempt:
    store = sample_store(folder)
    path, right = folder / "pathways.lbdb", anchors(store)
    known = [query for query in catalogue().values() if not query.needs_gds]

    def attempt(random: Random) -> None:
        query = known[int(random.integers(len(known)))]
        if random.random() < 0.6:
            _from_python(store, query, _given(query, right, VALUES, random))
        else:
            _from_the_command_line(path, query, _given(query, right, WORDS, random), random)

    return attempt


def _given(query: Query, right: dict[str, Any], hostile: list[Any], random: Random) -> dict[str, Any]:
    """Right values for some of the parameters, hostile ones for others; rarely one that is unknown."""
    given: dict[str, Any] = {"ünknown": "1"} if random.random() < 0.02 else {}
    harm = random.random() * 0.6
    for name, one in query.parameters.items():
        if random.random() < harm:
            given[name] = hostile[int(random.integers(len(hostile)))]
        elif one.required and name in right:
            given[name] = right[name]
    return given


def _from_python(store: Store, query: Query, given: dict[str, Any]) -> None:
    if "node" in query.returns.values():
        store.graph(query.name, **given)
    elif list((frame := store.query(query.name, **given)).columns) != list(query.returns):
        raise Wrong(f"{query.name} gives the columns {list(frame.columns)}")


def _from_the_command_line(path: Path, query: Query, given: dict[str, Any], random: Random) -> None:
    words = [
        "query",
        query.name,
        "--store",
        str(path),
        ("--csv", "--json", "--table")[int(random.integers(3))],
    ]
    for name, value in given.items():
        words += [f"--{name}={value}"] if random.random() < 0.5 else ["--param", f"{name}={value}"]
    done = CliRunner().invoke(app, words)
    if done.exit_code == 0:
        return
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if "should not happen" in done.output or "Traceback" in done.output:
        raise RuntimeError(done.output)
    raise QueryParameterError(done.output)


LOOPS = {
    "parameters": Loop("named queries with hostile values, from Python and the command line", _prepare, 100)
}
