"""Lists of JSON objects as columns: one object a line (JSON lines), or one JSON list of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphpath.errors import DataError
from graphpath.imports.documents import refuse_constant
from graphpath.imports.packed import open_packed


@dataclass(frozen=True, eq=False)
class JsonRows:
    """The objects of a file, in their order."""

    path: Path
    rows: Sequence[dict[str, Any]]
    lines: Sequence[int]
    """The line of each, where each has one."""

    @classmethod
    def read(cls, path: Path) -> JsonRows:
        """The objects in ``path``. Raises DataError, naming the line or row of what is none."""
        with open_packed(path) as file:
            data = file.read()
        try:
            text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is no JSON: {error}.") from error
        whole = text.lstrip().startswith("[")
        lines = [] if whole else [number for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        made = cls(path, _parse_list(path, text) if whole else _parse_lines(path, text), lines)
        for row, value in enumerate(made.rows):
            if not isinstance(value, dict):
                raise DataError(
                    f"{path}, {made.describe_row(row)} should be a JSON object, not {type(value).__name__}."
                )
        return made

    @property
    def header(self) -> list[str]:
        """The keys of the first, in whose order messages name them."""
        return list(next(islice(self.rows, 1), {}))

    def describe_row(self, row: int) -> str:
        """What messages call a row."""
        return f"line {self.lines[row]}" if self.lines else f"row {row + 1}"

    def read_column(self, name: str) -> pa.ChunkedArray:
        """The values of a key: text where some are text. Raises DataError for what is neither."""
        for row, value in enumerate(self.rows):
            if name not in value:
                raise DataError(f"{self.path}, {self.describe_row(row)} lacks the key {name!r}.")
        values = [value[name] for value in self.rows]
        try:
            return pa.chunked_array([_to_column(values)])
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise DataError(
                f"{self.path}: {name!r} has values that are neither all texts nor all numbers."
            ) from error


def _to_column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([str(one) if type(one) is int else one for one in values])


def _parse_list(path: Path, text: str) -> list[Any]:
    try:
        found = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}.") from error
    return list(found)


def _parse_lines(path: Path, text: str) -> list[Any]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line, parse_constant=refuse_constant))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number} is no JSON: {error}.") from error
    return found
