"""Cypher text taken apart into its tokens, as both engines' lexers do.

What no engine knows (a string that never ends, a character that has no place in Cypher) is a token of the
kind "stray", so that whoever lets texts through can refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n\u00a0\u2000-\u200a\u202f\u205f\u3000]+ | //[^\n\r]* | /\*.*?\*/)
    | (?P<stray>/\*)
    | (?P<string>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
    | (?P<quoted>`(?:``|[^`])*`)
    | (?P<number>0[xX][0-9a-fA-F]+ | 0o[0-7]+ | [0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][+-]?[0-9]+)?)
    | (?P<word>[^\W\d]\w*)
    | (?P<symbol>[()\[\]{},.:;=<>+\-*/%^|&!~$])
    | (?P<other>.)
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """A piece of text: its kind (string, number, word, quoted, parameter, symbol or stray), where it begins
    and ends, and the name that it stands for (of a quoted one without its quotes, of a parameter its own)."""

    kind: str
    name: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"${self.name}" if self.kind == "parameter" else self.name

    @property
    def upper(self) -> str:
        """The keyword that it may be; none for what is quoted."""
        return self.name.upper() if self.kind == "word" else ""

    def is_symbol(self, signs: str) -> bool:
        """Whether it is one of these symbols."""
        return self.kind == "symbol" and self.name in signs


def tokenize(text: str) -> list[Token]:
    """The tokens of ``text`` in order, without comments and white space."""
    found: list[Token] = []
    for token in _scan_tokens(text):
        if found and found[-1].is_symbol("$") and token.kind in ("word", "quoted", "number"):
            found[-1] = Token("parameter", token.name, found[-1].start, token.end)
        else:
            found.append(token)
    return found


def _scan_tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        kind, name = match.lastgroup or "", match.group()
        if kind == "space":
            continue
        if kind == "quoted":
            name = name[1:-1].replace("``", "`")
        yield Token("stray" if kind == "other" else kind, name, match.start(), match.end())
