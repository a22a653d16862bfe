"""Typed query parameters: what a header declares, and the values bound to it.

Types: ``int``, ``count`` (an int of at least 0), ``float``, ``string``, ``bool``, ``list<T>`` of one of
these, a choice of strings, ``"a"|"b"``, and ``limit`` or ``top``: a count, or "all" (in Python also None).
A ``limit`` says how much of the answer is wanted on one page, a ``top`` how much of a ranking, which is part
of the question; ``limit<a,b>`` counts distinct values of the columns a and b, not rows. No other value is
null. Strings, as a command line gives them, are read by the declared type; a list is comma-separated or JSON.
"""

from __future__ import annotations

import difflib
import json
import math
import numbers
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from graphpath.errors import QueryParameterError

Scalar = int | float | str | bool
Value = Scalar | list[Scalar]

SCALARS: Final = ("int", "count", "float", "string", "bool")
LIMITS: Final = ("limit", "top")
ALL: Final = 1 << 40
"""What "all" is for an engine: more rows than any store holds."""
_LIST = re.compile(r"list<(\w+)>")
_LIMIT = re.compile(rf"({'|'.join(LIMITS)})(?:<(\w+(?:,\w+)*)>)?")
_CHOICE = re.compile(r'"[^"|]+"(\|"[^"|]+")+')
_TRUE: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EMPTY: Final[dict[str, Scalar]] = {
    "int": 0, "count": 0, "float": 0.0, "string": "", "bool": False, "limit": 0, "top": 0
}  # fmt: skip
_SAID: Final = {
    "int": ("a whole number", "whole numbers"),
    "count": ("a whole number of at least 0", "whole numbers of at least 0"),
    "float": ("a number", "numbers"),
    "string": ("a string", "strings"),
    "bool": ("true or false", "true or false"),
    "limit": ("a whole number of at least 0, or all", ""),
    "top": ("a whole number of at least 0, or all", ""),
}
_INT64: Final = 1 << 63
_MOST_SHOWN: Final = 200
"""Characters of a refused value that are shown."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter; ``default`` is None where it is required."""

    name: str
    kind: str
    default: Value | None
    meaning: str

    @property
    def required(self) -> bool:
        return self.default is None

    @property
    def parsed(self) -> ParameterType:
        """``kind``, taken apart."""
        found = ParameterType.parse(self.kind)
        assert found is not None, self.kind
        return found

    @property
    def limits(self) -> bool:
        """Whether it says how much of the answer is wanted."""
        return self.parsed.element in LIMITS

    def to_given(self, value: Value) -> Value:
        """``value`` as a user gives it: "all" where it stands for everything."""
        return "all" if self.limits and value == ALL else value

    def __str__(self) -> str:
        return self.name if self.default is None else f"{self.name}={to_literal(self.to_given(self.default))}"


@dataclass(frozen=True)
class ParameterType:
    """A parsed type: ``element`` is a scalar type, "choice", "limit" or "top"; ``many`` says that it is a
    list of it, ``per`` what columns a limit counts, none where it counts rows.
    """

    text: str
    element: str
    many: bool = False
    choices: tuple[str, ...] = field(default=())
    per: tuple[str, ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> ParameterType | None:
        """The type that ``text`` names, or None."""
        if text in SCALARS:
            return cls(text, text)
        if _CHOICE.fullmatch(text):
            return cls(text, "choice", choices=tuple(part.strip('"') for part in text.split("|")))
        if limit := _LIMIT.fullmatch(text):
            return cls(text, limit[1], per=tuple(limit[2].split(",")) if limit[2] else ())
        found = _LIST.fullmatch(text)
        return cls(text, found[1], many=True) if found and found[1] in SCALARS else None

    @property
    def words(self) -> str:
        """The type in words, for messages."""
        if self.choices:
            return " or ".join(self.choices)
        return f"a list of {_SAID[self.element][1]}" if self.many else _SAID[self.element][0]

    def read(self, value: object) -> Value:
        """``value`` as this type. Raises ValueError or TypeError."""
        if not self.many:
            return self._read_scalar(value)
        return [self._read_scalar(item) for item in _split_items(value)]

    def _read_scalar(self, value: object) -> Scalar:
        if self.element == "choice":
            return _check_choice(value, self.choices)
        return _READERS[self.element](value)

    def make_placeholder(self) -> Value:
        """What ``:params`` shows for a required parameter of this type."""
        if self.many:
            return []
        return _EMPTY[self.element] if not self.choices else self.choices[0]


def bind(query: str, declared: Mapping[str, Parameter], given: Mapping[str, object]) -> dict[str, Value]:
    """Every declared parameter with its value: the given one, coerced, or the default.

    Raises:
        QueryParameterError: one is unknown, missing, null or of another type.
    """
    values = coerce(query, declared, given)
    for name, parameter in declared.items():
        if name not in values and parameter.default is None:
            raise QueryParameterError(
                f"Query {query} needs {name} ({parameter.kind}: {parameter.meaning}); "
                f"{_list_known(declared)}."
            )
    return {**make_placeholders(declared), **values}


def coerce(query: str, declared: Mapping[str, Parameter], given: Mapping[str, object]) -> dict[str, Value]:
    """The given values as their declared types. Raises QueryParameterError, but not for missing ones."""
    values: dict[str, Value] = {}
    for name, value in given.items():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f" did you mean {near[0]}?" if near else ""
            raise QueryParameterError(
                f"Query {query} has no parameter {name!r};{hint} {_list_known(declared)}."
            )
        try:
            values[name] = declared[name].parsed.read(value)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise QueryParameterError(
                f"Parameter {name} of query {query} must be {declared[name].parsed.words}, not "
                f"{_format_value(value)} ({declared[name].meaning}); {_list_known(declared)}."
            ) from error
    return values


def _format_value(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def to_literal(value: object) -> str:
    """``value`` as a Cypher literal."""
    if isinstance(value, list):
        return "[" + ", ".join(map(to_literal, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def make_placeholders(declared: Mapping[str, Parameter]) -> dict[str, Value]:
    """The default of every parameter, or an empty value of its type where it is required."""
    return {
        name: parameter.parsed.make_placeholder() if parameter.default is None else parameter.default
        for name, parameter in declared.items()
    }


def format_params_line(values: Mapping[str, Value]) -> str:
    """The ``:params {...}`` command for Neo4j Browser."""
    return ":params {" + ", ".join(f"{name}: {to_literal(value)}" for name, value in values.items()) + "}"


def _list_known(declared: Mapping[str, Parameter]) -> str:
    return f"its parameters are: {', '.join(map(str, declared.values())) or 'none'}"


def _split_items(value: object) -> list[object]:
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            return list(json.loads(text))
        return [part.strip() for part in text.split(",")] if text else []
    if value is None or isinstance(value, Mapping):
        raise TypeError("not a list")
    return list(value) if isinstance(value, Iterable) else [value]


def _to_int(value: object) -> int:
    if not isinstance(value, str | numbers.Integral) or isinstance(value, bool):
        raise TypeError("not a whole number")
    number = int(value)
    if not -_INT64 <= number < _INT64:
        raise OverflowError("not a 64-bit integer")
    return number


def _to_count(value: object) -> int:
    number = _to_int(value)
    if number < 0:
        raise ValueError("negative")
    return number


def _to_limit(value: object) -> int:
    if value is None or (isinstance(value, str) and value.strip().lower() == "all"):
        return ALL
    return min(_to_count(value), ALL)


def _to_float(value: object) -> float:
    if not isinstance(value, str | numbers.Real) or isinstance(value, bool):
        raise TypeError("not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _to_string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _to_bool(value: object) -> bool:
    if isinstance(value, str):
        return _TRUE[value.lower()] if value.lower() in _TRUE else _refuse()
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    return _refuse()


def _refuse() -> bool:
    raise ValueError("neither true nor false")


def _check_choice(value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError("not one of the choices")
    return str(value)


_READERS: Final[dict[str, Callable[[object], Scalar]]] = {
    "int": _to_int,
    "count": _to_count,
    "limit": _to_limit,
    "top": _to_limit,
    "float": _to_float,
    "string": _to_string,
    "bool": _to_bool,
}
