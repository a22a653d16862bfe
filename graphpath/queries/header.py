"""The ``//`` lines at the head of a query file.

    // Title
    //
    // What it answers, in a paragraph or more.
    //
    // engine: neo4j with gds                        where only such a server can answer
    // param NAME TYPE = DEFAULT: meaning            without a default it is required
    // returns: NAME TYPE, NAME TYPE
    // guard QUERY.COLUMN <= PARAM: remedy           refused where that query's answer exceeds the parameter
    // :params {NAME: DEFAULT}                       for Neo4j Browser, generated from the defaults

A line indented by two or more spaces goes on with the line above. Types of columns: ``int``, ``int?``
(nullable), ``float`` (NaN for null), ``string``, ``bool``, ``list<string>``, ``set<string>`` and
``set<int>`` (lists without a meaning in their order, which the runner sorts), ``node``, ``relationship``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphpath.errors import QueryFileError
from graphpath.queries.parameters import (
    Parameter,
    ParameterType,
    Value,
    format_params_line,
    make_placeholders,
)
from graphpath.queries.units import take_unit

COLUMNS: Final = frozenset(
    {
        "int",
        "int?",
        "float",
        "string",
        "bool",
        "list<string>",
        "set<string>",
        "set<int>",
        "node",
        "relationship",
    }
)
_PARAM = re.compile(r'param (\w+) ((?:"[^"]*"\|?)+|[\w<>,]+)(?: = (\[.*?\]|"[^"]*"|[^:\s]+))?: (\S.*)')
_GUARD = re.compile(r"guard ([\w/]+)\.(\w+) <= (\w+): (\S.*)")
_COLUMN = re.compile(r"(\w+) (\S+)")
_KEYWORDS: Final = ("param", "returns", "guard", "engine", ":params")
GDS: Final = "neo4j with gds"
"""The engine of the queries that use Neo4j's Graph Data Science; others run on every engine."""


@dataclass(frozen=True)
class Guard:
    """Another query whose ``column`` (one row) must not exceed parameter ``limit``; else ``remedy``."""

    query: str
    column: str
    limit: str
    remedy: str


@dataclass(frozen=True)
class Header:
    """What the head of a query file says."""

    title: str
    description: str
    parameters: dict[str, Parameter]
    returns: dict[str, str]
    guards: tuple[Guard, ...]
    engine: str | None = None


def split_header(text: str) -> tuple[list[str], int]:
    """The leading ``//`` lines without their slashes, and the number of lines that they take."""
    lines = text.splitlines()
    count = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    return [line[2:].removeprefix(" ").rstrip() for line in lines[:count]], count


def parse_header(text: str, path: Path) -> Header:
    """The header of the query file ``path`` that holds ``text``.

    Raises:
        QueryFileError: no title, a line that is not understood, no ``returns``, or ``:params`` out of date.
    """
    items = _join_lines(split_header(text)[0])
    if not items or not items[0][1] or _find_keyword(items[0][1]):
        raise QueryFileError(f"{path}:1: the first line must be a title: // What the query answers.")
    parameters: dict[str, Parameter] = {}
    found: dict[str, tuple[int, str]] = {}
    guards: list[Guard] = []
    prose: list[str] = []
    for line, item in items[1:]:
        match _find_keyword(item):
            case "param":
                parameter = _parse_parameter(item, f"{path}:{line}")
                if parameter.name in parameters:
                    raise QueryFileError(f"{path}:{line}: parameter {parameter.name} is declared twice.")
                parameters[parameter.name] = parameter
            case "guard":
                guards.append(_parse_guard(item, f"{path}:{line}"))
            case None:
                prose.append(item)
            case keyword:
                if keyword in found:
                    raise QueryFileError(f"{path}:{line}: a second {keyword} line.")
                found[keyword] = (line, item)
    returns = _parse_returns(found.get("returns"), path)
    engine = _parse_engine(found.get("engine"), path)
    _check_params_line(found.get(":params"), parameters, path)
    _check_limits(parameters, returns, path)
    title = items[0][1]
    return Header(title, "\n".join(prose).strip(), parameters, returns, tuple(guards), engine)


def _join_lines(lines: list[str]) -> list[tuple[int, str]]:
    """Lines with their numbers, each continuation joined to the keyword line that it goes on with."""
    items: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("  ") and items and _find_keyword(items[-1][1]):
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}")
        else:
            items.append((number, line.strip()))
    return items


def _find_keyword(item: str) -> str | None:
    word = re.split(r"[\s:]", item.removeprefix(":"), maxsplit=1)[0]
    word = f":{word}" if item.startswith(":") else word
    if word in ("returns", "engine") and not item.startswith(f"{word}:"):
        return None
    return word if word in _KEYWORDS else None


def _parse_parameter(item: str, place: str) -> Parameter:
    found = _PARAM.fullmatch(item)
    if not found:
        raise QueryFileError(f"{place}: write // param NAME TYPE = DEFAULT: meaning, not {item!r}.")
    name, text, default, meaning = found.groups()
    kind = ParameterType.parse(text)
    if kind is None:
        raise QueryFileError(f"{place}: parameter {name} has the unknown type {text!r}.")
    return Parameter(name, text, _parse_default(kind, default, f"{place}: parameter {name}"), meaning)


def _parse_default(kind: ParameterType, text: str | None, place: str) -> Value | None:
    if text is None:
        return None
    try:
        return kind.read(text.strip('"') if text.startswith('"') else text)
    except (ValueError, TypeError, OverflowError) as error:
        raise QueryFileError(f"{place}: the default {text} is not of type {kind.text}.") from error


def _parse_guard(item: str, place: str) -> Guard:
    found = _GUARD.fullmatch(item)
    if not found:
        raise QueryFileError(f"{place}: write // guard QUERY.COLUMN <= PARAM: remedy, not {item!r}.")
    return Guard(*found.groups())


def _parse_engine(found: tuple[int, str] | None, path: Path) -> str | None:
    if found is None:
        return None
    line, item = found
    if item != f"engine: {GDS}":
        raise QueryFileError(f"{path}:{line}: write // engine: {GDS}, or nothing where any engine will do.")
    return GDS


def _parse_returns(found: tuple[int, str] | None, path: Path) -> dict[str, str]:
    if found is None:
        raise QueryFileError(f"{path}:1: the header lacks // returns: NAME TYPE, ...")
    line, item = found
    returns: dict[str, str] = {}
    for part in item.removeprefix("returns:").split(","):
        column = _COLUMN.fullmatch(part.strip())
        if not column or column[2] not in COLUMNS:
            raise QueryFileError(f"{path}:{line}: {part.strip()!r} is no column and type in // returns.")
        if column[1] in returns:
            raise QueryFileError(f"{path}:{line}: column {column[1]} is returned twice.")
        returns[column[1]] = column[2]
    return returns


def _check_params_line(found: tuple[int, str] | None, parameters: dict[str, Parameter], path: Path) -> None:
    expected = format_params_line(take_unit(parameters, make_placeholders(parameters))[1])
    line, item = found or (1, "")
    if item != expected and (parameters or found):
        raise QueryFileError(f"{path}:{line}: the line for Neo4j Browser must be // {expected}")


def _check_limits(parameters: dict[str, Parameter], returns: dict[str, str], path: Path) -> None:
    for parameter in parameters.values():
        for column in parameter.parsed.per:
            if column not in returns:
                raise QueryFileError(
                    f"{path}:1: {parameter.name} counts values of {column}, which the query does not return."
                )
