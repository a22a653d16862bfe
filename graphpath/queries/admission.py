"""Whether a user's own Cypher may be run: it asks the graph, or changes it where that is allowed.

The text is read against what is allowed, never searched for what is not: a keyword that is in no list of
:mod:`graphpath.queries.keywords` is refused, and so is a function or procedure that
:mod:`graphpath.queries.vocabulary` does not name. Cypher makes that sure without a whole grammar. Two
operands (a name, a value, a bracketed expression) never stand side by side without a keyword between, and
everything that leaves the graph is written as a word beside another (``LOAD CSV``, ``COPY t``, ``ATTACH
'f'``, ``CALL p``) or before a parenthesis. So it is enough to let no word stand after an operand, and none
begin a statement, that is not in the lists; a word where an operand is expected can only be a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.queries.reader import StatementReader
from graphpath.queries.tokens import Token, tokenize

OPTIONS: Final = frozenset({"write", "timeout"})
"""Options of :meth:`Store.cypher`, whose names a parameter may have too."""


def admit(text: str, dialect: str, parameters: Iterable[str] = (), *, write: bool = False) -> str:
    """``text`` as the engine ``dialect`` ("neo4j" or "ladybug") is to get it: one statement.

    Raises:
        QueryFailed: it holds several statements, or what it may not: without ``write`` it may only read the
            graph; with it, change it; never reach files, the network, extensions or settings.
        QueryParameterError: ``parameters`` lacks a name that the text has as ``$name``, or has one that it
            has not.
    """
    if not isinstance(text, str):
        raise QueryFailed(f"A query is a text, not {type(text).__name__}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryFailed(f"The query is no Unicode text: {error.reason} at {error.start}.") from error
    found = _require_statement(text)
    StatementReader(text, found, dialect, write=write).read()
    decoded = re.sub(r"\\u+([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    if decoded != text:  # Neo4j reads \u0027 as the quote itself, wherever it stands
        StatementReader(decoded, _require_statement(decoded), dialect, write=write).read()
    check_bound({token.name for token in found if token.kind == "parameter"}, set(parameters))
    return text if not found else text[: found[-1].end]


def check_bound(used: set[str], given: set[str]) -> None:
    """Refuse a parameter that is used and not given, or given and not used. Raises QueryParameterError."""
    if missing := used - given:
        names = ", ".join(f"${name}" for name in sorted(missing))
        others = f"; given are: {', '.join(sorted(given))}" if given else ""
        how = (
            "by its name" if missing.isdisjoint(OPTIONS) else 'in a dictionary: cypher(text, {"name": value})'
        )
        raise QueryParameterError(
            f"The query has {names}, without a value{others}: give every parameter one, {how}."
        )
    if unused := given - used:
        names = ", ".join(f"${name}" for name in sorted(used)) or "none"
        raise QueryParameterError(
            f"The query does not use {', '.join(sorted(unused))}, given with it; its parameters are: {names}."
        )


def _require_statement(text: str) -> list[Token]:
    """The tokens of the one statement that ``text`` holds."""
    found = tokenize(text)
    end = next((number for number, token in enumerate(found) if token.is_symbol(";")), len(found))
    if any(not token.is_symbol(";") for token in found[end:]):
        raise QueryFailed("One statement at a time, please: the text holds several.")
    if not end:
        raise QueryFailed("The query is empty.")
    return found[:end]
