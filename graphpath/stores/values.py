"""Values that a query is given, as plain Python and as JSON: nothing is pickled between processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from graphpath.errors import QueryParameterError

_READ: Final[dict[str, Callable[[Any], object]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "timedelta": lambda value: timedelta(*value),
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": bytes.fromhex,
    "map": lambda value: {name: decode(item) for name, item in value.items()},
}

_SCALARS: Final = (bool, int, float, str, bytes, date, timedelta, Decimal, UUID)


def to_plain(parameters: Mapping[str, object]) -> dict[str, object]:
    """``parameters`` with numpy's scalars and arrays, sets and tuples as plain Python values and lists.

    Raises:
        QueryParameterError: a value is none that Cypher knows.
    """
    found = {}
    for name, value in parameters.items():
        try:
            found[name] = _to_plain_value(value)
        except TypeError as error:
            raise QueryParameterError(
                f"Parameter {name!r} is no value that Cypher knows: {value!r}."
            ) from error
    return found


def encode(value: Any) -> Any:
    """A plain value as JSON knows it; maps, and what JSON has no form of, as ``{"type", "value"}``."""
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {"type": "map", "value": {name: encode(item) for name, item in value.items()}}
    if isinstance(value, datetime | date):
        name = "datetime" if isinstance(value, datetime) else "date"
        return {"type": name, "value": value.isoformat()}
    if isinstance(value, timedelta):
        return {"type": "timedelta", "value": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, Decimal | UUID):
        return {"type": type(value).__name__.lower(), "value": str(value)}
    if isinstance(value, bytes):
        return {"type": "bytes", "value": value.hex()}
    return value


def decode(value: Any) -> Any:
    """What :func:`encode` made of a value, as it was."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    return _READ[value["type"]](value["value"]) if isinstance(value, dict) else value


def _to_plain_value(value: Any) -> object:
    if hasattr(value, "tolist"):
        kind = getattr(getattr(value, "dtype", None), "kind", "")
        value = (value.astype(f"{kind}8[us]") if kind in ("m", "M") else value).tolist()
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a map's keys are strings")
        return {name: _to_plain_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [_to_plain_value(item) for item in value]
    raise TypeError(type(value).__name__)
