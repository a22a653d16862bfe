"""Files of edges of any kind: the mapped columns of CSV, JSON lines or Parquet, or of a folder of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.imports.delimited import SEPARATORS, Delimited
from graphpath.imports.documents import natural
from graphpath.imports.mapping import EdgeMapping
from graphpath.imports.objects import Objects
from graphpath.imports.packed import bare, check_plain, member, unreadable
from graphpath.imports.rows import Rows

SEPARATED = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
"""What is tried first of each ending."""
OBJECTS = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
KINDS = (*SEPARATED, *OBJECTS, *PARQUET)
OTHERWISE = "cp1252"
"""What text is taken for that is not UTF-8: Latin-1 as it is really written."""
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Listed:
    """A file, and what the folders above it say of all its rows (``class=cat``)."""

    path: Path
    told: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its ending, or that of the file in a zip that has none besides."""
        found = Path(bare(self.path.name)).suffix
        return found or Path(bare(member(self.path))).suffix

    @property
    def sha256(self) -> str:
        """Of the file as it lies there, and of what the folders say."""
        with self.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        return digest(found, self.told) if self.told else found


def listed(paths: Sequence[Path]) -> list[Listed]:
    """The files of ``paths``, and those within the folders among them, in natural order.

    Raises:
        DataError: a path that is not there, of no kind that is known, or there twice, or an empty folder.
    """
    found = [one for path in paths for one in (_within(path) if path.is_dir() else [_file(path)])]
    places = [one.path.resolve() for one in found]
    if len(set(places)) < len(places):
        number = next(number for number, place in enumerate(places) if place in places[:number])
        raise DataError(f"{found[number].path} is given twice.")
    return found


def _file(path: Path) -> Listed:
    check_plain(path)
    one = Listed(path)
    if one.kind not in KINDS:
        raise DataError(
            f"{path} should be an edge list in {', '.join(KINDS)}, packed or not, or a folder of them."
        )
    return one


def _within(folder: Path) -> Iterator[Listed]:
    """The files below ``folder``, without those that writers keep for themselves (``_SUCCESS``, ``.crc``)."""
    files = sorted(
        (path for path in folder.rglob("*") if not path.is_dir()), key=lambda path: natural(str(path))
    )
    inner = [(path, path.relative_to(folder).parts) for path in files]
    kept = [(path, parts) for path, parts in inner if not any(part.startswith((".", "_")) for part in parts)]
    if not kept:
        raise DataError(f"{folder} holds no files.")
    for path, parts in kept:
        pairs = (part.partition("=") for part in parts[:-1] if "=" in part)
        told = {unquote(name): unquote(value) for name, _, value in pairs}
        yield Listed(_file(path).path, told)


def read(one: Listed, mapping: EdgeMapping) -> Rows:
    """The mapped columns of a file. Raises DataError, naming the file and the column, line or row."""
    if one.kind in SEPARATED:
        return _separated(one, mapping)
    return _objects(one, mapping) if one.kind in OBJECTS else _parquet(one, mapping)


def _separated(one: Listed, mapping: EdgeMapping) -> Rows:
    try:
        return _in_encoding(one, mapping, mapping.encoding)
    except UnicodeDecodeError as error:
        if mapping.encoding is not None:
            raise DataError(
                f"{one.path} is not in the encoding {mapping.encoding}: {error.reason}."
            ) from error
    try:
        return _in_encoding(one, mapping, OTHERWISE)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{one.path} is not UTF-8: say what it is by encoding = '...' in the mapping."
        ) from error


def _in_encoding(one: Listed, mapping: EdgeMapping, encoding: str | None) -> Rows:
    first = SEPARATED[one.kind]
    separators = [mapping.delimiter] if mapping.delimiter else [first, *(s for s in SEPARATORS if s != first)]
    wanted = {key: name.strip() for key, name in mapping.columns.items() if name not in one.told}
    file = Delimited.of(one.path, list(wanted.values()), encoding, separators)
    _check_header(one, mapping, file.header)
    notes = []
    if file.separator not in (first, mapping.delimiter):
        notes.append(f"separated by {SEPARATORS.get(file.separator, repr(file.separator))}.")
    if encoding == OTHERWISE != mapping.encoding:
        notes.append(
            "not UTF-8, read as Latin-1 (Windows-1252); encoding = '...' in the mapping says otherwise."
        )
    found = file.columns(wanted)
    return Rows.of(
        one.path, _complete(one, mapping, found), file.line, decimal=mapping.decimal, notes=tuple(notes)
    )


def _check_header(one: Listed, mapping: EdgeMapping, header: Sequence[str]) -> None:
    every = [*header, *one.told]
    for key, name in mapping.columns.items():
        count = every.count(name) or every.count(name.strip())
        if count == 1:
            continue
        said = "has no column" if not count else f"has {count} columns (or folders) called"
        raise DataError(
            f"{one.path} {said} {name!r}, which {mapping.where} says is {key!r}; it has "
            f"{', '.join(every)[:400]}."
        )


def _complete(
    one: Listed, mapping: EdgeMapping, found: dict[str, pa.ChunkedArray]
) -> dict[str, pa.ChunkedArray]:
    """The columns with those that the folders tell, in the mapping's order."""
    count = len(next(iter(found.values())))
    told = {
        key: pa.chunked_array([pa.repeat(_value(one.told[name]), count)])
        for key, name in mapping.columns.items()
        if name in one.told
    }
    return {key: told[key] if key in told else found[key] for key in mapping.columns}


def _value(text: str) -> pa.Scalar:
    return pa.scalar(None if text == NO_VALUE else text, pa.string())


def _parquet(one: Listed, mapping: EdgeMapping) -> Rows:
    try:
        with pq.ParquetFile(one.path) as file:
            header = file.schema_arrow.names
            _check_header(one, mapping, header)
            wanted = {key: name for key, name in mapping.columns.items() if name not in one.told}
            table = file.read(columns=list(wanted.values()))
            found = {key: table[name] for key, name in wanted.items()}
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(one.path, error) from error
        raise DataError(
            f"{one.path} is no whole Parquet file: {str(error).splitlines()[0].rstrip('.')}."
        ) from error
    return Rows.of(one.path, _complete(one, mapping, found), lambda row: f"row {row + 1}")


def _objects(one: Listed, mapping: EdgeMapping) -> Rows:
    """JSON lines, or one JSON list, of objects."""
    file = Objects.of(one.path)
    _check_header(one, mapping, file.header)
    wanted = {key: name for key, name in mapping.columns.items() if name not in one.told}
    found = {key: file.column(name) for key, name in wanted.items()}
    return Rows.of(one.path, _complete(one, mapping, found), file.place, decimal=mapping.decimal)
