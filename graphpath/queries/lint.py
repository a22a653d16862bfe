"""Rules that keep the query files to the Cypher which Neo4j 5.26 and LadybugDB 0.18.3 share.

The engines differ in silence in places: what one of them lacks, or answers differently, is refused here.
``check`` is run on every file when it is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from graphpath.queries import clauses as grammar
from graphpath.queries.text import blank_out, find_line
from graphpath.schema import NODE, RELATIONSHIP

FUNCTIONS: Final = frozenset(
    {"count", "sum", "avg", "min", "max", "collect", "abs", "size", "coalesce", "nodes", "relationships"}
)
"""The functions that mean the same on both engines. ``log`` is the decimal one on LadybugDB, for instance."""

_WORDS: Final = frozenset(
    {"match", "optional", "where", "with", "return", "unwind", "and", "or", "not", "xor", "in", "as", "when"}
    | {"then", "else", "case", "distinct", "by", "exists", "union", "limit", "skip", "order"}
)
_RESERVED: Final = frozenset(
    {"all", "column", "end", "ends", "group", "index", "null", "only", "order", "profile", "table", "union"}
    | {"default", "by", "limit"}
)
_CALL = re.compile(r"(?<![$.:`])\b([A-Za-z_]\w*)\s*\(")
_ALIAS = re.compile(r"\bAS\s+(\w+)", re.IGNORECASE)
_PROPERTY = re.compile(r"(?<![$\w.])([A-Za-z_]\w*)\.(\w+)")


@dataclass(frozen=True)
class Fault:
    """A breach of a rule: the line, and what is wrong with what to write instead."""

    line: int
    message: str


@dataclass(frozen=True)
class Pattern:
    """A rule that a regular expression finds."""

    expression: re.Pattern[str]
    message: str


def _make_rule(expression: str, message: str) -> Pattern:
    return Pattern(re.compile(expression, re.IGNORECASE | re.DOTALL), message)


READING: Final = (
    _make_rule(
        r"(?<!\.)\b(CREATE|MERGE|DELETE|DETACH|SET|REMOVE|DROP|ALTER|COPY|LOAD|INSTALL|FOREACH|ATTACH|IMPORT|EXPORT)\b",
        "a named query only reads: {0} is refused.",
    ),
    _make_rule(r"\bgds\.[\w.]+\.write\b", "a named query only reads: {0} is refused."),
)
"""What no query may hold, whatever its engine."""

PATTERNS: Final = (
    *READING,
    _make_rule(r"\bCALL\b", "LadybugDB has no CALL subquery; carry values through WITH."),
    _make_rule(r"\b(USE|CYPHER|PROFILE|EXPLAIN|YIELD)\b", "{0} is not of the shared dialect."),
    _make_rule(r";", "one statement a file, without a semicolon."),
    _make_rule(r"\[\s*\w+\s+IN\b", "LadybugDB has no list comprehension; UNWIND and collect."),
    _make_rule(r"\[\s*\(", "LadybugDB has no pattern comprehension; MATCH and collect."),
    _make_rule(
        r"(?<![\w$])(?!(?:IN|UNWIND|AS|RETURN|WITH|THEN|ELSE|WHEN|AND|OR|NOT|BY)\b)\$?\w+\s*\[|[)\]]\s*\[",
        "lists count from 0 on Neo4j and from 1 on LadybugDB; UNWIND instead of indexing.",
    ),
    _make_rule(r"\{\s*\.", "LadybugDB has no map projection; name the properties."),
    _make_rule(r"\(\s*\w*\s*:\s*\w+\s*:", ":A:B means both on Neo4j and either on LadybugDB."),
    _make_rule(r"[(\[]\s*\w*\s*:\s*\w+\s*[|&!]", "name one label or type in each pattern."),
    _make_rule(r"\(\s*\w*\s*:\s*\w+\s+WHERE\b", "LadybugDB has no WHERE in a pattern; put it after MATCH."),
    _make_rule(
        r"\b(?:WHERE|AND|OR|NOT)\s+\w+\s*:\s*\w", "LadybugDB has no label test; name the label in MATCH."
    ),
    _make_rule(
        r"-\[[^\]]*\*(?!\s*\d+\s*\.\.\s*\d)", "bound every variable length: *1..3 (LadybugDB stops at 30)."
    ),
    _make_rule(r"(--+>|<--+|\)\s*--+\s*\()|-\[\s*\w*\s*\]-", "name the type of every relationship."),
    _make_rule(r"->\s*[{+]|\)\s*\{\s*\d|\)\s*\+\s*\(", "LadybugDB has no quantified pattern; use *1..3."),
    _make_rule(r"\bSHORTEST\w*", "the engines write shortest paths differently."),
    _make_rule(r"\b(?:EXISTS|COUNT)\s*\{(?!\s*MATCH\b)", "write EXISTS { MATCH ... } with its MATCH."),
    _make_rule(r"\bCOLLECT\s*\{", "LadybugDB has no COLLECT { }; MATCH and collect."),
    _make_rule(r"\$\w+\s+IS\b", "no parameter is ever null; use size($list) = 0 OR ..."),
    _make_rule(r"coalesce\s*\([^(),]*=", "coalesce of a comparison matches nulls on LadybugDB."),
    _make_rule(
        r"\bsum\s*\(\s*CASE\b(?:(?!\bELSE\b|\bEND\b).)*\bEND\b",
        "a sum of nothing is 0 on Neo4j and null on LadybugDB: end CASE with ELSE 0.",
    ),
    _make_rule(r"\|\|", "LadybugDB has no ||; leave joining strings to Python."),
    _make_rule(r"`", "no quoted names: choose one that needs no quotes."),
    _make_rule(r"\^|%", "^ and % are not of the shared dialect."),
)


def check(content: str, *, portable: bool = True) -> list[Fault]:
    """The faults of the query text ``content``, by line. A text for one engine is not ``portable``: it is
    checked only for writing, for what it leaves in the server, and for unknown names."""
    stripped = blank_out(content)
    faults = [*_check_patterns(stripped, PATTERNS if portable else READING), *_check_names(stripped)]
    for rule in STRUCTURAL if portable else (_check_projections,):
        faults += rule(stripped)
    return sorted(faults, key=lambda fault: (fault.line, fault.message))


def _check_patterns(stripped: str, patterns: tuple[Pattern, ...]) -> Iterator[Fault]:
    for pattern in patterns:
        for match in pattern.expression.finditer(stripped):
            words = re.sub(r"\s+", " ", match.group()).strip()
            yield Fault(find_line(stripped, match.start()), pattern.message.replace("{0}", words))


def _check_functions(stripped: str) -> Iterator[Fault]:
    for match in _CALL.finditer(stripped):
        name = match[1].lower()
        if name not in FUNCTIONS and name not in _WORDS:
            yield Fault(find_line(stripped, match.start()), f"{match[1]}() is not the same on both engines.")


def _check_aliases(stripped: str) -> Iterator[Fault]:
    for match in _ALIAS.finditer(stripped):
        if match[1].lower() in _RESERVED:
            yield Fault(
                find_line(stripped, match.start()), f"{match[1]} is a reserved word; choose another name."
            )


def _check_orders(stripped: str) -> Iterator[Fault]:
    """LadybugDB from 0.19 on drops the ORDER BY below an aggregate, and keeps the LIMIT."""
    limited = False
    for clause in grammar.parse_clauses(stripped):
        if clause.keyword not in ("WITH", "RETURN"):
            continue
        line = find_line(stripped, clause.start)
        if limited and any(item.aggregates for item in clause.items):
            yield Fault(line, "an aggregate after WITH ... LIMIT is wrong on some versions of LadybugDB.")
        if (
            clause.keyword == "WITH"
            and clause.contains(r"\bORDER\s+BY\b")
            and not clause.contains(r"\bLIMIT\b")
        ):
            yield Fault(line, "LadybugDB refuses WITH ... ORDER BY without LIMIT; order in RETURN.")
        limited = limited or (clause.keyword == "WITH" and clause.contains(r"\bLIMIT\b"))


def _check_grouping(stripped: str) -> Iterator[Fault]:
    """Neo4j refuses an expression that mixes an aggregate with something that is no grouping key."""
    for clause in grammar.parse_clauses(stripped):
        if clause.keyword not in ("WITH", "RETURN"):
            continue
        keys = {re.sub(r"\s+", "", item.text) for item in clause.items if not item.aggregates}
        for item in clause.items:
            if not item.aggregates:
                continue
            rest = grammar.remove_aggregates(item.text)
            for name in re.findall(r"(?<![\w$.])([A-Za-z_]\w*(?:\.\w+)?)(?!\s*[(:])", rest):
                if name not in keys and name.lower() not in _WORDS | {"end", "null", "is", "true", "false"}:
                    yield Fault(
                        find_line(stripped, clause.start),
                        f"{name} stands beside an aggregate and is no grouping key; project it first.",
                    )


def _check_distinct(stripped: str) -> Iterator[Fault]:
    """LadybugDB 0.18.3 garbles what is aggregated after a DISTINCT aggregate in a grouped projection."""
    for clause in grammar.parse_clauses(stripped):
        if clause.keyword not in ("WITH", "RETURN") or all(item.aggregates for item in clause.items):
            continue
        aggregates = [item for item in clause.items if item.aggregates]
        if any(re.search(r"\(\s*DISTINCT\b", item.text, re.IGNORECASE) for item in aggregates[:-1]):
            yield Fault(
                find_line(stripped, clause.start),
                "an aggregate after a DISTINCT one is garbled on LadybugDB: put the DISTINCT one last.",
            )


def _check_trails(stripped: str) -> Iterator[Fault]:
    """Within one MATCH Neo4j uses a relationship once, LadybugDB as often as it fits."""
    for clause in grammar.parse_clauses(stripped):
        if not clause.keyword.endswith("MATCH"):
            continue
        for one, two in combinations(grammar.find_relationships(clause.body), 2):
            if one[1] != two[1] or _are_distinguished(clause.text, one[0], two[0]):
                continue
            yield Fault(
                find_line(stripped, clause.start + two[2]),
                f"two {one[1]} in one MATCH: compare a property of both in WHERE, or use two MATCH clauses.",
            )


def _are_distinguished(text: str, one: str, two: str) -> bool:
    if not (one and two):
        return False
    pair = rf"\b{one}\.(\w+)\s*(<>|<|>|=)\s*{two}\.\1\b|\b{two}\.(\w+)\s*(<>|<|>|=)\s*{one}\.\3\b"
    return any(
        (m[2] or m[4]) != "=" or re.match(r"\s*\+\s*1", text[m.end() :]) for m in re.finditer(pair, text)
    )


def _check_projections(stripped: str) -> Iterator[Fault]:
    """A projection of Graph Data Science stays in the server's memory until it is dropped."""
    made = list(re.finditer(r"\bgds\.graph\.project\b", stripped))
    dropped = re.findall(r"\bgds\.graph\.drop\b", stripped)
    if len(made) > len(dropped):
        yield Fault(find_line(stripped, made[0].start()), "drop with gds.graph.drop what is projected.")


def _check_names(stripped: str) -> Iterator[Fault]:
    """Unknown labels, types and properties: null on Neo4j, an error on LadybugDB."""
    known: dict[str, set[str]] = {}
    for match in grammar.NODE.finditer(stripped):
        if match[2] not in NODE:
            yield Fault(find_line(stripped, match.start()), f"there is no label {match[2]}.")
        elif match[1]:
            known.setdefault(match[1], set()).update(NODE[match[2]].properties)
    for variable, kind, place in grammar.find_relationships(stripped):
        for one in kind.split("|"):
            if one not in RELATIONSHIP:
                yield Fault(find_line(stripped, place), f"there is no relationship type {one or '(none)'}.")
            elif variable:
                known.setdefault(variable, set()).update(RELATIONSHIP[one].properties)
    for match in _PROPERTY.finditer(stripped):
        if match[1] in known and match[2] not in known[match[1]]:
            yield Fault(find_line(stripped, match.start()), f"{match[1]} has no property {match[2]}.")


STRUCTURAL: Final[tuple[Callable[[str], Iterator[Fault]], ...]] = (
    _check_functions,
    _check_aliases,
    _check_distinct,
    _check_orders,
    _check_grouping,
    _check_trails,
)
