"""Cypher text with its comments and string literals blanked out, so that it can be searched."""

from __future__ import annotations

import re

from graphpath.queries.tokens import tokenize

_LITERAL = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL)


def blank_out(text: str) -> str:
    """``text`` of the same length and lines, with comments and the inside of string literals as spaces."""
    return _LITERAL.sub(lambda found: _blank(found.group()), text)


def find_parameters(text: str) -> dict[str, int]:
    """The ``$names`` that ``text`` uses outside comments and strings, each with its first line (from 1)."""
    found: dict[str, int] = {}
    for token in tokenize(text):
        if token.kind == "parameter":
            found.setdefault(token.name, find_line(text, token.start))
    return found


def find_line(text: str, position: int) -> int:
    """The line, from 1, on which ``position`` lies."""
    return text.count("\n", 0, position) + 1


def _blank(literal: str) -> str:
    if literal.startswith("/"):
        return re.sub(r"[^\n]", " ", literal)
    return literal[0] + re.sub(r"[^\n]", " ", literal[1:-1]) + literal[-1]
