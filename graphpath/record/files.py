"""Files that are either whole or absent: written to a temporary name, flushed to disk, renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import RecordError
from graphpath.record.schema import SCHEMA_KEY, SCHEMA_VERSION

TEMPORARY = ".tmp-"
ROW_GROUP = 122_880
"""Rows per row group: DuckDB's own unit of parallel work."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` fill a temporary file beside ``path``, flush it and rename it to ``path``."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def rename(source: Path, target: Path) -> None:
    """Rename within a directory, and flush the directory so that the new name survives a crash."""
    source.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write ``table`` whole, zstd-compressed."""
    write_atomically(
        path, lambda temporary: pq.write_table(table, temporary, compression="zstd", row_group_size=ROW_GROUP)
    )


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write ``value`` whole as indented JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``; RecordError when it is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path} should hold a JSON object, not {type(value).__name__}.")
    return value


def check_parquet(path: Path, schema: pa.Schema) -> int:
    """The number of rows of ``path`` by its footer, which must have ``schema``.

    Raises:
        RecordError: the file is missing, truncated, of another graphpath schema, or has other columns.
    """
    if not path.is_file():
        raise RecordError(f"{path} is missing: the record is damaged, trace again into a new directory.")
    try:
        with pq.ParquetFile(path) as file:
            rows, found = int(file.metadata.num_rows), file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise RecordError(
            f"{path} is no whole Parquet file (truncated or corrupt): trace again into a new directory."
        ) from error
    check_version(path, (found.metadata or {}).get(SCHEMA_KEY, b"none").decode(errors="replace"))
    if not found.equals(schema):
        raise RecordError(f"{path} has the columns ({_columns(found)}), expected ({_columns(schema)}).")
    return rows


def check_version(path: Path, version: object) -> None:
    """Refuse a schema that this graphpath does not know."""
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{path} has graphpath.schema {version!r}; this graphpath reads {SCHEMA_VERSION!r}. "
            "Install the graphpath that wrote it, or trace again."
        )


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}{'' if field.nullable else ' not null'}" for field in schema)
