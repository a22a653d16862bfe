"""Files for Neo4j's bulk importer: a header and part files in CSV for each label and relationship type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from graphpath.stores.neo4j import definitions
from graphpath.stores.neo4j.gather import Files, select
from graphpath.stores.neo4j.statements import columns, in_layers
from graphpath.stores.schema import NODE, NODES, RELATIONSHIP, RELATIONSHIPS

TYPES: Final = {
    "INT64": "long",
    "INT32": "long",
    "DOUBLE": "double",
    "FLOAT": "double",
    "STRING": "string",
    "BOOL": "boolean",
}
ARGUMENTS: Final = "arguments"
SCHEMA: Final = "schema.cypher"


@dataclass(frozen=True)
class ImportFiles:
    """A directory that ``neo4j-admin database import full DATABASE @arguments`` reads, and what is in it."""

    directory: Path
    counts: dict[str, int]
    parts: dict[str, list[Path]]
    multiline: bool

    def arguments(self, *, relative: bool) -> list[str]:
        """The importer's options; ``relative`` to the directory."""

        def path(file: Path) -> str:
            return str(file.relative_to(self.directory) if relative else file.resolve())

        words = [
            f"--{'nodes' if name in NODE else 'relationships'}={name}="
            + ",".join(path(file) for file in files)
            for name, files in self.parts.items()
        ]
        report = path(self.directory / "import.report")
        return [
            "--id-type=integer",
            f"--report-file={report}",
            f"--multiline-fields={str(self.multiline).lower()}",
            "--max-off-heap-memory=50%",
            *words,
        ]

    def write_arguments(self, *, relative: bool) -> Path:
        """The options as a file for ``@``: there may be more of them than a command line takes."""
        file = self.directory / ARGUMENTS
        words = (word.replace("\\", "\\\\").replace('"', '\\"') for word in self.arguments(relative=relative))
        file.write_text("".join(f'"{word}"\n' for word in words), encoding="utf-8")
        return file

    def write_schema(self) -> Path:
        """The constraints and indexes as a file for ``cypher-shell``."""
        file = self.directory / SCHEMA
        file.write_text(
            "".join(f"{text};\n" for text in (*definitions.constraints(), *definitions.indexes())),
            encoding="utf-8",
        )
        return file


def convert(files: Files, directory: Path, memory: int) -> ImportFiles:
    """Write ``files`` as CSV into ``directory``, out of core."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {
        "memory_limit": f"{memory >> 20}MiB",
        "temp_directory": str(directory / "spill"),
        "preserve_insertion_order": "false",
    }
    parts: dict[str, list[Path]] = {}
    counts: dict[str, int] = {}
    multiline = False
    with duckdb.connect(config=settings) as connection:
        for name in (*(node.label for node in NODES), *(item.name for item in RELATIONSHIPS)):
            found = files.get(name, [])
            rows = sum(int(pq.read_metadata(file).num_rows) for file in found)
            if rows:  # the importer refuses a relationship between labels of which there are no nodes
                source = select(name, found)
                multiline = multiline or _has_newlines(connection, name, source)
                parts[name] = [_header(name, directory), *_parts(connection, name, source, directory)]
                counts[name] = rows
    return ImportFiles(directory, counts, parts, multiline)


def _header(name: str, directory: Path) -> Path:
    file = directory / f"{name}-header.csv"
    file.write_text(",".join(_fields(name)) + "\n", encoding="utf-8")
    return file


def _fields(name: str) -> Iterator[str]:
    if name in NODE:
        key = NODE[name].key
        if _is_text(name):
            yield f":ID({name})"
        for column, kind in NODE[name].properties.items():
            if column == key and _is_text(name):
                yield _field(column, kind)
                continue
            yield f"{column}:ID({name}){{id-type:{TYPES[kind]}}}" if column == key else _field(column, kind)
        if in_layers(name):
            yield ":LABEL"
        return
    relation = RELATIONSHIP[name]
    yield f":START_ID({relation.source})"
    yield f":END_ID({relation.target})"
    yield from (_field(column, kind) for column, kind in relation.properties.items())


def _field(column: str, kind: str) -> str:
    return f"{column}:{TYPES[kind]}"


def _parts(connection: duckdb.DuckDBPyConnection, name: str, source: str, directory: Path) -> list[Path]:
    folder = directory / name
    target = str(folder).replace("'", "''")
    connection.execute(
        f"COPY (SELECT {', '.join(_expressions(connection, name, source))} FROM {source}) TO '{target}' "
        "(FORMAT csv, HEADER false, PER_THREAD_OUTPUT true)"
    )
    return sorted(folder.glob("*.csv"))


def _expressions(connection: duckdb.DuckDBPyConnection, name: str, source: str) -> list[str]:
    """A column each: floats as the doubles that the driver would send, infinities by Java's names."""
    kinds = NODE[name].properties if name in NODE else RELATIONSHIP[name].properties
    floats = [column for column in columns(name) if kinds.get(column) in ("FLOAT", "DOUBLE")]
    odd: set[str] = set()
    if floats:
        asked = ", ".join(f'bool_or(NOT isfinite("{column}"))' for column in floats)
        row = connection.execute(f"SELECT {asked} FROM {source}").fetchone() or ()
        odd = {column for column, found in zip(floats, row, strict=True) if found}
    texts = _text_ends(name)
    made = [
        _java(column)
        if column in odd
        else f'"{column}"::DOUBLE'
        if column in floats
        else _number(column)
        if column in texts
        else f'"{column}"'
        for column in columns(name)
    ]
    if name not in NODE:
        return made
    keys = [_number(NODE[name].key)] if _is_text(name) else []
    return [*keys, *made, *(["'L' || \"layer\""] if in_layers(name) else [])]


def _is_text(label: str) -> bool:
    """Whether nodes of ``label`` have a text for a key: the importer, told of numbers, gets one instead."""
    return NODE[label].properties[NODE[label].key] == "STRING"


def _text_ends(name: str) -> set[str]:
    if name in NODE:
        return set()
    relation = RELATIONSHIP[name]
    ends = {"start": relation.source, "stop": relation.target}
    return {column for column, label in ends.items() if _is_text(label)}


def _number(column: str) -> str:
    """52 bits of a text: two runs of one number are refused by the importer."""
    return f'(hash("{column}") >> 12)::BIGINT'


def _java(column: str) -> str:
    return (
        f"""CASE WHEN isnan("{column}") THEN 'NaN' WHEN isinf("{column}") """
        f"""THEN CASE WHEN "{column}" > 0 THEN 'Infinity' ELSE '-Infinity' END """
        f"""ELSE "{column}"::DOUBLE::VARCHAR END"""
    )


def _has_newlines(connection: duckdb.DuckDBPyConnection, name: str, source: str) -> bool:
    """Whether a text of ``name`` spans lines: the importer reads faster when told that none does."""
    kinds = NODE[name].properties if name in NODE else RELATIONSHIP[name].properties
    texts = [column for column, kind in kinds.items() if kind == "STRING"]
    if not texts:
        return False
    asked = " OR ".join(
        f"""contains("{column}", chr(10)) OR contains("{column}", chr(13))""" for column in texts
    )
    row = connection.execute(f"SELECT bool_or({asked}) FROM {source}").fetchone()
    return bool(row and row[0])
