"""Just enough of Cypher's grammar for the lint: clauses, patterns and projections of bare text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_CLAUSE = re.compile(r"\b(OPTIONAL\s+MATCH|MATCH|WITH|UNWIND|RETURN|UNION(?:\s+ALL)?)\b", re.IGNORECASE)
_TAIL = re.compile(r"\b(ORDER\s+BY|SKIP|LIMIT|WHERE)\b", re.IGNORECASE)
_ITEM = re.compile(r"(.+?)(?:\s+AS\s+(\w+))?", re.IGNORECASE | re.DOTALL)
_AGGREGATE = re.compile(r"\b(count|sum|avg|min|max|collect)\s*\(", re.IGNORECASE)
NODE: Final = re.compile(r"\(\s*(\w*)\s*:\s*(\w+)")
RELATIONSHIP: Final = re.compile(r"-\[([^\]]*)\]-")


@dataclass(frozen=True)
class Item:
    """One expression of a projection; ``alias`` is what it is called afterwards."""

    text: str
    alias: str

    @property
    def aggregates(self) -> bool:
        return _AGGREGATE.search(self.text) is not None


@dataclass(frozen=True)
class Clause:
    """``MATCH``, ``WITH``, ... with its text and where that begins."""

    keyword: str
    text: str
    start: int

    @property
    def body(self) -> str:
        """The text before any WHERE, ORDER BY, SKIP or LIMIT."""
        found = _TAIL.search(self.text)
        return self.text[: found.start()] if found else self.text

    @property
    def items(self) -> list[Item]:
        """The projected expressions."""
        body = re.sub(r"^\s*DISTINCT\b", "", self.body, flags=re.IGNORECASE)
        return [_parse_item(part) for part in split_commas(body) if part.strip()]

    def contains(self, keyword: str) -> bool:
        return re.search(keyword, self.text, re.IGNORECASE) is not None


def parse_clauses(bare: str) -> list[Clause]:
    """The clauses of ``bare`` text in order, those in ``{ ... }`` included with the clause they are in."""
    found = [match for match in _CLAUSE.finditer(bare) if _count_brackets(bare, match.start()) == 0]
    ends = [match.start() for match in found[1:]] + [len(bare)] * bool(found)
    return [
        Clause(re.sub(r"\s+", " ", match[1]).upper(), bare[match.end() : end], match.end())
        for match, end in zip(found, ends, strict=True)
    ]


def split_commas(text: str) -> list[str]:
    """``text`` cut at the commas that lie in no bracket."""
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def remove_aggregates(text: str) -> str:
    """``text`` with every aggregate call, its arguments included, replaced by 0."""
    while found := _AGGREGATE.search(text):
        text = text[: found.start()] + "0" + text[_find_close(text, found.end() - 1) + 1 :]
    return text


def find_relationships(text: str) -> Iterator[tuple[str, str, int]]:
    """Variable, type and place of each relationship in a pattern (either may be empty)."""
    for match in RELATIONSHIP.finditer(text):
        variable, _, kind = match[1].partition(":")
        yield variable.strip(), re.split(r"[\s*{]", kind.strip(), maxsplit=1)[0], match.start()


def _parse_item(text: str) -> Item:
    found = _ITEM.fullmatch(text.strip())
    assert found is not None
    return Item(found[1], found[2] or found[1])


def _count_brackets(text: str, position: int) -> int:
    before = text[:position]
    return sum(before.count(sign) for sign in "([{") - sum(before.count(sign) for sign in ")]}")


def _find_close(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] in "([{") - (text[position] in ")]}")
        if depth == 0:
            return position
    return len(text) - 1
