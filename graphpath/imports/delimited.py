"""Separated values (CSV and its kin), read strictly: every value is text, and damage is refused by its line.

The rows are those of Python's ``csv`` module with ``strict=True``. That does not notice a quote that is
opened in one row and closed in another, which makes one value of all between; such a value holds a line's
end and at least as many separators as a row has, and is refused by that.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from graphpath.errors import DataError
from graphpath.imports.packed import detect_mark, open_packed

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", " ": "spaces"}
BATCH = 8192
LONGEST = 1 << 24
"""Characters of a line; what has longer ones is no such file."""
CSV_ERRORS = {
    "unexpected end of data": "a quote is opened and never closed",
    "expected after": "a quote is closed and more follows, or one is opened that should not be",
    "field limit": "a value has more than 131,072 characters: is a quote opened and not closed?",
}
"""The sentences of ``csv`` in ours, by a part of each."""


@dataclass(frozen=True)
class Delimited:
    """A file of separated values whose header has been looked at."""

    path: Path
    encoding: str
    separator: str
    lines_before: int
    """Lines that are no rows, with the header: two where Excel's ``sep=;`` is above it."""
    header: tuple[str, ...]

    @classmethod
    def open_separated(
        cls, path: Path, wanted: Sequence[str], encoding: str | None, separators: Sequence[str]
    ) -> Delimited:
        """The file ``path``, separated by the first of ``separators`` by which its header has all ``wanted``.

        ``encoding`` is UTF-8 where it is None and the file has no byte order mark.

        Raises:
            DataError: the file is empty, or holds what no text does.
            UnicodeDecodeError: it is in another encoding.
        """
        encoding = encoding or _detect_encoding(path)
        with _open_text(path, encoding) as file:
            lines = (line for line in _read_lines(file, path) if line.strip())
            head, before = next(lines, ""), 1
            if head.lower().startswith("sep=") and len(head.rstrip("\r\n")) == 5:
                separators, head, before = [head[4]], next(lines, ""), 2
        if not head:
            raise DataError(f"{path} is empty.")
        headers = [_split_header(head, one) for one in separators]
        fits = [place for place, header in enumerate(headers) if set(wanted) <= set(header)]
        place = fits[0] if fits else max(range(len(headers)), key=lambda place: len(headers[place]))
        return cls(path, encoding, separators[place], before, headers[place])

    def read_columns(self, wanted: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
        """The columns ``wanted`` (key to name in the header) as text.

        Raises:
            DataError: a row has more or fewer values than the header, or a quote too many; names the line.
            UnicodeDecodeError: the file is in another encoding.
        """
        places = [self.header.index(name) for name in wanted.values()]
        chunks: list[list[pa.Array]] = [[] for _ in places]
        for rows in self._read_batches():
            across = list(zip(*rows, strict=True))
            for chunk, place in zip(chunks, places, strict=True):
                chunk.append(pa.array(across[place], pa.string()))
        made = [pa.chunked_array(chunk, pa.string()) for chunk in chunks]
        return dict(zip(wanted, made, strict=True))

    def locate_line(self, row: int) -> str:
        """Where the ``row``-th row (from 0) begins, found by reading the file once more."""
        with self._open_rows() as reader:
            begun = 0
            while row >= 0:
                begun, found = reader.line_num + 1, next(reader)
                row -= not _is_blank(found)
        return f"line {begun}"

    def _read_batches(self) -> Iterator[list[list[str]]]:
        """The rows that are not blank."""
        with self._open_rows() as reader:
            while True:
                before = reader.line_num
                try:
                    rows = list(islice(reader, BATCH))
                except csv.Error as error:
                    raise self._find_error() from error
                if not rows:
                    return
                if reader.line_num - before > len(rows) and any(map(self._spans_rows, rows)):
                    raise self._find_error()
                if set(map(len, rows)) != {len(self.header)}:
                    rows = [row for row in rows if not _is_blank(row)]
                    if any(len(row) != len(self.header) for row in rows):
                        raise self._find_error()
                if rows:
                    yield rows

    def _find_error(self) -> DataError:
        """What is wrong in the first row that is, found by reading the file once more, row by row."""
        with self._open_rows() as reader:
            while True:
                begun = reader.line_num + 1
                try:
                    row = next(reader)
                except csv.Error as error:
                    said = next((ours for part, ours in CSV_ERRORS.items() if part in str(error)), str(error))
                    return DataError(f"{self.path}, line {begun}: {said}.")
                if self._spans_rows(row):
                    return DataError(
                        f"{self.path}, line {begun}: the row runs to line {reader.line_num}, and one of its "
                        "values holds whole rows: a quote is opened here that should not be, or closed too "
                        "late. (A value that is meant so can be read from Parquet.)"
                    )
                if not _is_blank(row) and len(row) != len(self.header):
                    return DataError(
                        f"{self.path}, line {begun} has {len(row)} value{'s' * (len(row) != 1)}, where the "
                        f"header has {len(self.header)}."
                    )

    def _spans_rows(self, row: Sequence[str]) -> bool:
        """Whether a value holds the end of a row and the beginning of the next."""
        least = len(self.header) - 1
        return any(("\n" in one or "\r" in one) and one.count(self.separator) >= least for one in row)

    @contextmanager
    def _open_rows(self) -> Iterator[Reader]:
        """A reader that has read the header."""
        with _open_text(self.path, self.encoding) as file:
            reader = csv.reader(_read_lines(file, self.path), delimiter=self.separator, strict=True)
            above = self.lines_before
            while above:
                above -= not _is_blank(next(reader))
            yield reader


def _detect_encoding(path: Path) -> str:
    """The encoding by the file's byte order mark, else UTF-8."""
    with open_packed(path) as file:
        head = file.read(4096)
    found = detect_mark(head)
    if found is None and b"\0" in head:
        raise DataError(
            f"{path} holds NUL bytes, as no text does: it is of another kind, or in UTF-16 without a mark "
            "(say so by encoding = 'utf-16-le' in the mapping)."
        )
    return found or "utf-8"


@contextmanager
def _open_text(path: Path, encoding: str) -> Iterator[io.TextIOBase]:
    with open_packed(path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        yield text


def _read_lines(file: io.TextIOBase, path: Path) -> Iterator[str]:
    """The lines with their ends."""
    for line in iter(lambda: file.readline(LONGEST), ""):
        if len(line) == LONGEST:
            raise DataError(
                f"{path} has a line of more than {LONGEST:,} characters, as no list of edges has."
            )
        yield line


def _split_header(line: str, separator: str) -> tuple[str, ...]:
    """The header's names, without the spaces around them."""
    try:
        return tuple(name.strip() for name in chain(*csv.reader([line], delimiter=separator, strict=True)))
    except csv.Error:
        return (line.strip(),)


def _is_blank(row: Sequence[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip())
