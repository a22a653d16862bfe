"""Options of methods, checked against the types that the methods' own signatures give them."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from graphpath.errors import MethodError


def check_type(name: str, value: Any, expected: Any, method: str) -> Any:
    """``value`` as an ``expected``: float, int, str, bool, None, a Literal, or a union of them.

    An int is taken where a float is expected. Raises MethodError, which names the option ``name`` of
    ``method`` and what was expected, for anything else.
    """
    for kind in list_types(expected):
        if get_origin(kind) is Literal:
            if any(type(value) is type(choice) and value == choice for choice in get_args(kind)):
                return value
        elif kind is float and type(value) is int:
            return float(value)
        elif type(value) is kind:
            return value
    wanted = " or ".join(_name_type(kind) for kind in list_types(expected))
    raise MethodError(f"Option {name}={value!r} of {method!r} must be of type {wanted}.")


def list_types(expected: Any) -> tuple[Any, ...]:
    """The members of a union, or the one type."""
    return get_args(expected) if get_origin(expected) in (Union, UnionType) else (expected,)


def _name_type(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(repr(choice) for choice in get_args(kind))
    return "null (None)" if kind is NoneType else str(kind.__name__)
