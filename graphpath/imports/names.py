"""Class names from a file."""

from __future__ import annotations

import json
from pathlib import Path

from graphpath.errors import DataError


def class_names(path: str | Path) -> dict[int, str]:
    """Names by label: of a text file with one a line (the first is class 0), or of a JSON list or object.

    An object's keys are labels; its values are names, or lists that end in the name, as Keras gives
    ImageNet's (``{"0": ["n01440764", "tench"]}``).

    Raises:
        DataError: the file cannot be read, or is neither.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not text.lstrip().startswith(("{", "[")):
        return {label: line.strip() for label, line in enumerate(text.splitlines()) if line.strip()}
    try:
        found = json.loads(text)
        pairs = found.items() if isinstance(found, dict) else enumerate(found)
        return {int(label): _name(value) for label, value in pairs}
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f'{path} should hold names by label, one a line or as JSON ({{"0": "tench"}}): {error}.'
        ) from error


def _name(value: object) -> str:
    last = value[-1] if isinstance(value, list) and value else value
    if not isinstance(last, str):
        raise TypeError(f"{json.dumps(value)[:40]} is no name")
    return last
