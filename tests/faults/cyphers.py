"""Cypher of a user's own, cut up and mixed with what nobody may run."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from graphpath.queries.admission import admit
from graphpath.queries.keywords import LEAVING
from graphpath.queries.reader import ENGINES
from graphpath.queries.tokens import tokenize
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random, mutated
from tests.queries.admitted import BENIGN, CHANGING, FORBIDDEN, NESTED

MEANT = [text for _, text in BENIGN]
FOREIGN = [*FORBIDDEN, *CHANGING, *NESTED]
SIGNS = [*"{}()`'\"\n\r;*+|!$\x00", "/*", "*/", "//", "\\u0027"]


def _pieces(text: str) -> list[str]:
    return [text[token.start : token.end] for token in tokenize(text)]


POOL = [piece for text in (*MEANT, *FOREIGN) for piece in _pieces(text)]


def _drawn(items: list[str], random: Random) -> str:
    return items[int(random.integers(len(items)))]


def _prepare(folder: Path) -> Attempt:
    def attempt(random: Random) -> None:
        text = _mixed(random)
        engine = _drawn(list(ENGINES), random)
        admit(text, engine)
        _check(text)

    return attempt


def _mixed(random: Random) -> str:
    if random.random() < 0.2:
        return mutated(_drawn(MEANT, random).encode(), random).decode(errors="surrogateescape")
    pieces = _pieces(_drawn(MEANT, random))
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(pieces) + 1))
        kind = random.random()
        if kind < 0.4:
            pieces.insert(at, _drawn(POOL, random))
        elif kind < 0.6:
            pieces.insert(at, _drawn(SIGNS, random))
        elif kind < 0.75:
            del pieces[at : at + 1]
        else:
            pieces[at:at] = _pieces(_drawn(FOREIGN, random))
    return " ".join(pieces)


def _check(text: str) -> None:
    """Nothing that was let through has a word that leaves the graph beside a name or a value."""
    found = tokenize(text)
    for one, two in pairwise(found):
        if one.upper in LEAVING and two.kind in ("string", "quoted", "parameter"):
            raise Wrong(f"let through: {text!r}")
        if one.upper in LEAVING and two.upper in {"CSV", "FROM", "TO", "DATABASE", "TRANSACTION"}:
            raise Wrong(f"let through: {text!r}")


LOOPS = {"cypher": Loop("Cypher of a user's own, mixed with what nobody may run", _prepare, 600)}
