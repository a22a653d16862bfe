"""What every reader of edge lists gives: columns of a file, as text or numbers, and where each row is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphpath.errors import DataError

WEIGHT = "weight"
NUMBER = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"
"""Texts that say no more than an int64 does: 007, +7 and 7.0 do."""
FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True, eq=False)
class EdgeRows:
    """Columns of one file by their keys in the mapping: text for names, float64 for the weight; no nulls."""

    where: str
    columns: Mapping[str, pa.ChunkedArray]
    describe_row: Callable[[int], str]
    """What messages call a row, counted from 0: "line 7", where the file has lines."""
    notes: tuple[str, ...] = field(default=())
    """What was guessed in reading it, in sentences."""

    @classmethod
    def convert(
        cls,
        path: Path,
        found: Mapping[str, pa.ChunkedArray],
        place: Callable[[int], str],
        *,
        decimal: str = ".",
        notes: tuple[str, ...] = (),
    ) -> EdgeRows:
        """The columns ``found`` of ``path``, of whatever types, as they should be.

        Raises:
            DataError: a value that is missing, or no name or number; the message names the file and row.
        """
        made: dict[str, pa.ChunkedArray] = {}
        for key, column in found.items():
            raw = _RawColumn(str(path), key, _to_plain(column), place)
            made[key] = raw.to_numbers(decimal) if key == WEIGHT else raw.to_names()
        return cls(str(path), made, place, (*notes, *_note_doubts(made, place)))


def are_whole_numbers(column: pa.ChunkedArray) -> bool:
    """Whether every text in ``column`` is a whole number as one is written, and may become a number."""
    return pc.all(pc.match_substring_regex(column, WHOLE)).as_py() is True


def _to_plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


@dataclass(frozen=True, eq=False)
class _RawColumn:
    where: str
    key: str
    values: pa.ChunkedArray
    describe_row: Callable[[int], str]

    def to_names(self) -> pa.ChunkedArray:
        """As text; whole numbers as they are usually written."""
        kind = self.values.type
        self._refuse(self.values.is_null(nan_is_null=True), "has no {key}.")
        if pa.types.is_floating(kind):
            self._refuse(pc.not_equal(self.values, pc.floor(self.values)), "has the {key} {value}, no name.")
        try:
            whole = self.values.cast(pa.int64()) if pa.types.is_floating(kind) else self.values
            texts = whole.cast(pa.string())
        except pa.ArrowException as error:
            raise self._type_error("text or whole numbers") from error
        self._refuse(pc.equal(texts, ""), "has no {key}.")
        self._refuse(pc.match_substring(texts, "\0"), "has a {key} with a NUL character.")
        return texts

    def to_numbers(self, decimal: str) -> pa.ChunkedArray:
        """As float64, within what float32 holds."""
        kind = self.values.type
        self._refuse(self.values.is_null(), "has no {key}.")
        if _is_text(kind):
            return self._check_finite(self._parse(decimal))
        if pa.types.is_boolean(kind):
            raise self._type_error("numbers")
        try:
            return self._check_finite(self.values.cast(pa.float64(), safe=False))
        except pa.ArrowException as error:
            raise self._type_error("numbers") from error

    def _parse(self, decimal: str) -> pa.ChunkedArray:
        texts = self.values.cast(pa.string())
        self._refuse(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), "has no {key}.")
        if decimal == ",":
            self._refuse(pc.match_substring(texts, "."), "has the {key} {value}, but decimal is ','.")
            texts = pc.replace_substring(texts, ",", ".")
        why = "has the {key} {value}, which is no number"
        commas = pc.match_substring_regex(texts, r"^\s*[+-]?[0-9]+,[0-9]+\s*$")
        self._refuse(commas, f"{why}; of a list with decimal commas the mapping says decimal = ','.")
        self._refuse(pc.invert(pc.match_substring_regex(texts, NUMBER)), f"{why}.")
        trimmed = pc.utf8_ltrim(pc.utf8_trim_whitespace(texts), "+")
        return trimmed.cast(pa.float64())

    def _check_finite(self, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
        fits = np.abs(numbers.to_numpy()) <= FLOAT32.max
        self._refuse(pa.array(~fits), "has the {key} {value}, which is no finite number of 32 bits.")
        return numbers

    def _refuse(self, wrong: pa.ChunkedArray | pa.Array, why: str) -> None:
        if not pc.any(wrong).as_py():
            return
        row = int(pc.index(wrong, True).as_py())
        value = self.values[row].as_py()
        raise DataError(
            f"{self.where}, {self.describe_row(row)} "
            + why.format(key=repr(self.key), value=repr(value)[:60])
        )

    def _type_error(self, expected: str) -> DataError:
        return DataError(f"{self.where}: {self.key!r} should be {expected}, not {self.values.type}.")


def _note_doubts(columns: Mapping[str, pa.ChunkedArray], place: Callable[[int], str]) -> list[str]:
    """Notes on values that were read as they are, and are perhaps mistakes."""
    said = []
    for key, column in columns.items():
        if key == WEIGHT:
            lost = pc.and_(
                pc.not_equal(column, 0), pc.less(pc.abs(column), float(FLOAT32.smallest_subnormal))
            )
            if count := pc.sum(lost).as_py():
                said.append(f"{count:,} weights are too small for 32 bits and become 0.")
            continue
        spaced = pc.match_substring_regex(column, r"^\s|\s$")
        if pc.any(spaced).as_py():
            row = int(pc.index(spaced, True).as_py())
            said.append(
                f"{key!r} has values that begin or end with a space (first at {place(row)}), kept so."
            )
    return said
