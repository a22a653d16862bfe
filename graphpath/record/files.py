"""Files of the record, written whole, and what is read of them."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import RecordError
from graphpath.record.schema import SCHEMA_KEY, SCHEMA_VERSION
from graphpath.whole import write_whole

ROW_GROUP = 122_880
"""Rows per row group: DuckDB's own unit of parallel work."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> str:
    """As :func:`graphpath.whole.write_whole`. Returns the SHA-256 of the file.

    Raises:
        RecordError: the system refuses, such as on a full disk; ``path`` is as it was.
    """
    try:
        return write_whole(path, write)
    except OSError as error:
        raise explain_unwritten(path, error) from error


def explain_unwritten(path: Path, error: OSError) -> RecordError:
    """The sentence for a file that the system refuses to write."""
    return RecordError(
        f"{path} cannot be written: {reason(error)}. Nothing half written is left under that name; run the "
        "same command again when that is mended."
    )


def reason(error: OSError) -> str:
    """What the system says, without its number."""
    return (os.strerror(error.errno) if error.errno else str(error)).rstrip(".")


def digest_file(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_parquet(path: Path, table: pa.Table) -> str:
    """Write ``table`` whole, zstd-compressed. Returns the SHA-256 of the file."""
    return write_atomically(
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
    except (OSError, ValueError, RecursionError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise RecordError(f"{path} cannot be read: {why}.") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path} should hold a JSON object, not {type(value).__name__}.")
    return value


def read_number(path: Path, name: str) -> float:
    """The finite number ``name`` of the JSON object in ``path``; RecordError when it is none."""
    value = read_json(path).get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise RecordError(
        f"{path} is damaged ({name} is {value!r}, expected a number): delete it, and it is measured again."
    )


def check_parquet(path: Path, schema: pa.Schema) -> int:
    """The number of rows of ``path`` by its footer, which must have ``schema``.

    Raises:
        RecordError: the file is missing, truncated, of another graphpath schema, or has other columns.
    """
    rows, found = _read_footer(path)
    check_version(path, (found.metadata or {}).get(SCHEMA_KEY, b"none").decode(errors="replace"))
    if not found.equals(schema):
        raise RecordError(
            f"{path} has the columns ({_format_columns(found)}), expected ({_format_columns(schema)})."
        )
    return rows


def _read_footer(path: Path) -> tuple[int, pa.Schema]:
    """How many rows ``path`` has, and its columns."""
    try:
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            return int(file.metadata.num_rows), file.schema_arrow
    except (FileNotFoundError, IsADirectoryError) as error:
        raise RecordError(
            f"{path} is missing: the record is damaged, trace again into a new directory."
        ) from error
    except (OSError, pa.ArrowException, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno:
            raise RecordError(f"{path} cannot be read: {reason(error)}.") from error
        raise RecordError(
            f"{path} is no whole Parquet file (truncated or corrupt): trace again into a new directory."
        ) from error


def check_version(path: Path, version: object) -> None:
    """Refuse a schema that this graphpath does not know."""
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{path} has graphpath.schema {version!r}; this graphpath reads {SCHEMA_VERSION!r}. "
            "Install the graphpath that wrote it, or trace again."
        )


def _format_columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}{'' if field.nullable else ' not null'}" for field in schema)
