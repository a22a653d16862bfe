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
from graphpath.imports.documents import natural_key
from graphpath.imports.mapping import EdgeMapping
from graphpath.imports.objects import JsonRows
from graphpath.imports.packed import check_plain, explain_unreadable, find_member, strip_packing
from graphpath.imports.rows import EdgeRows

SEPARATED = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
"""What is tried first of each ending."""
OBJECTS = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
KINDS = (*SEPARATED, *OBJECTS, *PARQUET)
FALLBACK_ENCODING = "cp1252"
"""What text is taken for that is not UTF-8: Latin-1 as it is really written."""
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class EdgeFile:
    """A file, and what the folders above it say of all its rows (``class=cat``)."""

    path: Path
    folder_columns: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its ending, or that of the file in a zip that has none besides."""
        found = Path(strip_packing(self.path.name)).suffix
        return found or Path(strip_packing(find_member(self.path))).suffix

    @property
    def sha256(self) -> str:
        """Of the file as it lies there, and of what the folders say."""
        with self.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        return digest(found, self.folder_columns) if self.folder_columns else found


def list_files(paths: Sequence[Path]) -> list[EdgeFile]:
    """The files of ``paths``, and those within the folders among them, in natural order.

    Raises:
        DataError: a path that is not there, of no kind that is known, or there twice, or an empty folder.
    """
    found = [one for path in paths for one in (_list_folder(path) if path.is_dir() else [_check_file(path)])]
    places = [one.path.resolve() for one in found]
    if len(set(places)) < len(places):
        number = next(number for number, place in enumerate(places) if place in places[:number])
        raise DataError(f"{found[number].path} is given twice.")
    return found


def _check_file(path: Path) -> EdgeFile:
    check_plain(path)
    one = EdgeFile(path)
    if one.kind not in KINDS:
        raise DataError(
            f"{path} should be an edge list in {', '.join(KINDS)}, packed or not, or a folder of them."
        )
    return one


def _list_folder(folder: Path) -> Iterator[EdgeFile]:
    """The files below ``folder``, without those that writers keep for themselves (``_SUCCESS``, ``.crc``)."""
    files = sorted(
        (path for path in folder.rglob("*") if not path.is_dir()), key=lambda path: natural_key(str(path))
    )
    inner = [(path, path.relative_to(folder).parts) for path in files]
    kept = [(path, parts) for path, parts in inner if not any(part.startswith((".", "_")) for part in parts)]
    if not kept:
        raise DataError(f"{folder} holds no files.")
    for path, parts in kept:
        pairs = (part.partition("=") for part in parts[:-1] if "=" in part)
        folder_columns = {unquote(name): unquote(value) for name, _, value in pairs}
        yield EdgeFile(_check_file(path).path, folder_columns)


def read_edges(one: EdgeFile, mapping: EdgeMapping) -> EdgeRows:
    """The mapped columns of a file. Raises DataError, naming the file and the column, line or row."""
    if one.kind in SEPARATED:
        return _read_separated(one, mapping)
    return _read_objects(one, mapping) if one.kind in OBJECTS else _read_parquet(one, mapping)


def _read_separated(one: EdgeFile, mapping: EdgeMapping) -> EdgeRows:
    try:
        return _read_in_encoding(one, mapping, mapping.encoding)
    except UnicodeDecodeError as error:
        if mapping.encoding is not None:
            raise DataError(
                f"{one.path} is not in the encoding {mapping.encoding}: {error.reason}."
            ) from error
    try:
        return _read_in_encoding(one, mapping, FALLBACK_ENCODING)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{one.path} is not UTF-8: say what it is by encoding = '...' in the mapping."
        ) from error


def _read_in_encoding(one: EdgeFile, mapping: EdgeMapping, encoding: str | None) -> EdgeRows:
    first = SEPARATED[one.kind]
    separators = [mapping.delimiter] if mapping.delimiter else [first, *(s for s in SEPARATORS if s != first)]
    wanted = {key: name.strip() for key, name in mapping.columns.items() if name not in one.folder_columns}
    file = Delimited.open_separated(one.path, list(wanted.values()), encoding, separators)
    _check_header(one, mapping, file.header)
    notes = []
    if file.separator not in (first, mapping.delimiter):
        notes.append(f"separated by {SEPARATORS.get(file.separator, repr(file.separator))}.")
    if encoding == FALLBACK_ENCODING != mapping.encoding:
        notes.append(
            "not UTF-8, read as Latin-1 (Windows-1252); encoding = '...' in the mapping says otherwise."
        )
    found = file.read_columns(wanted)
    return EdgeRows.convert(
        one.path,
        _add_folder_columns(one, mapping, found),
        file.locate_line,
        decimal=mapping.decimal,
        notes=tuple(notes),
    )


def _check_header(one: EdgeFile, mapping: EdgeMapping, header: Sequence[str]) -> None:
    every = [*header, *one.folder_columns]
    for key, name in mapping.columns.items():
        count = every.count(name) or every.count(name.strip())
        if count == 1:
            continue
        said = "has no column" if not count else f"has {count} columns (or folders) called"
        raise DataError(
            f"{one.path} {said} {name!r}, which {mapping.where} says is {key!r}; it has "
            f"{', '.join(every)[:400]}."
        )


def _add_folder_columns(
    one: EdgeFile, mapping: EdgeMapping, found: dict[str, pa.ChunkedArray]
) -> dict[str, pa.ChunkedArray]:
    """The columns, and those of the folders' names, in the mapping's order."""
    count = len(next(iter(found.values())))
    constant = {
        key: pa.chunked_array([pa.repeat(_to_scalar(one.folder_columns[name]), count)])
        for key, name in mapping.columns.items()
        if name in one.folder_columns
    }
    return {key: constant[key] if key in constant else found[key] for key in mapping.columns}


def _to_scalar(text: str) -> pa.Scalar:
    return pa.scalar(None if text == NO_VALUE else text, pa.string())


def _read_parquet(one: EdgeFile, mapping: EdgeMapping) -> EdgeRows:
    try:
        with pq.ParquetFile(one.path) as file:
            header = file.schema_arrow.names
            _check_header(one, mapping, header)
            wanted = {key: name for key, name in mapping.columns.items() if name not in one.folder_columns}
            table = file.read(columns=list(wanted.values()))
            found = {key: table[name] for key, name in wanted.items()}
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise explain_unreadable(one.path, error) from error
        raise DataError(
            f"{one.path} is no whole Parquet file: {str(error).splitlines()[0].rstrip('.')}."
        ) from error
    return EdgeRows.convert(one.path, _add_folder_columns(one, mapping, found), lambda row: f"row {row + 1}")


def _read_objects(one: EdgeFile, mapping: EdgeMapping) -> EdgeRows:
    """JSON lines, or one JSON list, of objects."""
    file = JsonRows.read(one.path)
    _check_header(one, mapping, file.header)
    wanted = {key: name for key, name in mapping.columns.items() if name not in one.folder_columns}
    found = {key: file.read_column(name) for key, name in wanted.items()}
    return EdgeRows.convert(
        one.path, _add_folder_columns(one, mapping, found), file.describe_row, decimal=mapping.decimal
    )
