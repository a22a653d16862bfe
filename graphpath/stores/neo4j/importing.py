"""Files for Neo4j's bulk importer: a header and part files in CSV for each label and relationship type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from graphpath.schema import NODE, NODES, RELATIONSHIP, RELATIONSHIPS
from graphpath.sql import connect, quote
from graphpath.stores.neo4j import definitions
from graphpath.stores.neo4j.gather import Files, select_rows
from graphpath.stores.neo4j.statements import is_in_layers

TYPES: Final = {
    "INT64": "long",
    "INT32": "long",
    "DOUBLE": "double",
    "FLOAT": "double",
    "STRING": "string",
    "BOOL": "boolean",
    "INT64[]": "long[]",
}
Numbers = dict[str, str]
"""For each label, how SQL computes the importer's number of a node from its key."""

ARGUMENTS: Final = "arguments"
SCHEMA: Final = "schema.cypher"


@dataclass(frozen=True)
class ImportFiles:
    """A directory that ``neo4j-admin database import full DATABASE @arguments`` reads, and what is in it."""

    directory: Path
    counts: dict[str, int]
    parts: dict[str, list[Path]]
    multiline: bool

    def list_arguments(self, *, relative: bool) -> list[str]:
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
        words = (
            word.replace("\\", "\\\\").replace('"', '\\"') for word in self.list_arguments(relative=relative)
        )
        file.write_text("".join(f'"{word}"\n' for word in words), encoding="utf-8")
        return file

    def write_schema(self) -> Path:
        """The constraints and indexes as a file for ``cypher-shell``."""
        file = self.directory / SCHEMA
        file.write_text(
            "".join(
                f"{text};\n"
                for text in (*definitions.constraint_statements(), *definitions.index_statements())
            ),
            encoding="utf-8",
        )
        return file


def convert(files: Files, directory: Path, memory: int) -> ImportFiles:
    """Write ``files`` as CSV into ``directory``, out of core."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {
        "memory_limit": f"{memory >> 20}MiB",
        "preserve_insertion_order": "false",
    }
    parts: dict[str, list[Path]] = {}
    counts: dict[str, int] = {}
    numbers: Numbers = {}
    multiline = False
    with connect(settings, spill=directory / "spill") as connection:
        for name in (*(node.label for node in NODES), *(item.name for item in RELATIONSHIPS)):
            found = files.get(name, [])
            rows = sum(int(pq.read_metadata(file).num_rows) for file in found)
            if rows:  # the importer refuses a relationship between labels of which there are no nodes
                source = select_rows(name, found)
                multiline = multiline or _has_newlines(connection, name, source)
                if name in NODE:
                    numbers[name] = _number_expression(connection, name, source)
                parts[name] = [
                    _write_header(name, directory),
                    *_write_parts(connection, name, source, numbers, directory),
                ]
                counts[name] = rows
    return ImportFiles(directory, counts, parts, multiline)


def _write_header(name: str, directory: Path) -> Path:
    file = directory / f"{name}-header.csv"
    file.write_text(",".join(_list_fields(name)) + "\n", encoding="utf-8")
    return file


def _list_fields(name: str) -> Iterator[str]:
    if name in NODE:
        yield f":ID({name})"
        yield from _list_properties(NODE[name].properties)
        if is_in_layers(name):
            yield ":LABEL"
        return
    relation = RELATIONSHIP[name]
    yield f":START_ID({relation.source})"
    yield f":END_ID({relation.target})"
    yield from _list_properties(relation.properties)


def _list_properties(kinds: Mapping[str, str]) -> list[str]:
    return [f"{column}:{TYPES[kind]}" for column, kind in kinds.items()]


def _write_parts(
    connection: duckdb.DuckDBPyConnection, name: str, source: str, numbers: Numbers, directory: Path
) -> list[Path]:
    folder = directory / name
    connection.execute(
        f"COPY (SELECT {', '.join(_list_expressions(connection, name, source, numbers))} FROM {source}) "
        f"TO {quote(folder)} (FORMAT csv, HEADER false, PER_THREAD_OUTPUT true)"
    )
    return sorted(folder.glob("*.csv"))


def _list_expressions(
    connection: duckdb.DuckDBPyConnection, name: str, source: str, numbers: Numbers
) -> list[str]:
    """A column each: floats as the doubles that the driver would send, infinities by Java's names.

    (The importer has a 32-bit ``float`` too, but the server takes one of these for the decimal number that
    it prints as, which is off by 1e-8.)
    """
    kinds = NODE[name].properties if name in NODE else RELATIONSHIP[name].properties
    floats = [column for column, kind in kinds.items() if kind in ("FLOAT", "DOUBLE")]
    odd: set[str] = set()
    if floats:
        asked = ", ".join(f'bool_or(NOT isfinite("{column}"))' for column in floats)
        row = connection.execute(f"SELECT {asked} FROM {source}").fetchone() or ()
        odd = {column for column, found in zip(floats, row, strict=True) if found}
    values = [
        _java_expression(column)
        if column in odd
        else f'"{column}"::DOUBLE'
        if column in floats
        else f"array_to_string(\"{column}\", ';')"
        if kind.endswith("[]")
        else f'"{column}"'
        for column, kind in kinds.items()
    ]
    if name in NODE:
        label = ["'L' || \"layer\""] if is_in_layers(name) else []
        return [numbers[name].format(NODE[name].key), *values, *label]
    ends = {"start": RELATIONSHIP[name].source, "stop": RELATIONSHIP[name].target}
    return [*(numbers[label].format(end) for end, label in ends.items()), *values]


def _number_expression(connection: duckdb.DuckDBPyConnection, label: str, source: str) -> str:
    """The importer's own number of a node, by its key: counted from the smallest, which makes files short.

    Of a text it is 52 bits of a hash: two nodes of one number are refused by the importer.
    """
    key = NODE[label].key
    if NODE[label].properties[key] == "STRING":
        return '(hash("{}") >> 12)::BIGINT'
    row = connection.execute(f'SELECT min("{key}") FROM {source}').fetchone()
    return f'"{{}}" - {row[0] if row else 0}'


def _java_expression(column: str) -> str:
    return (
        f"""CASE WHEN isnan("{column}") THEN 'NaN' WHEN isinf("{column}") """
        f"""THEN CASE WHEN "{column}" > 0 THEN 'Infinity' ELSE '-Infinity' END """
        f"""ELSE "{column}"::DOUBLE::VARCHAR END"""
    )


def _has_newlines(connection: duckdb.DuckDBPyConnection, name: str, source: str) -> bool:
    """Whether a text of ``name`` spans lines: the importer reads faster where none does."""
    kinds = NODE[name].properties if name in NODE else RELATIONSHIP[name].properties
    texts = [column for column, kind in kinds.items() if kind == "STRING"]
    if not texts:
        return False
    asked = " OR ".join(
        f"""contains("{column}", chr(10)) OR contains("{column}", chr(13))""" for column in texts
    )
    row = connection.execute(f"SELECT bool_or({asked}) FROM {source}").fetchone()
    return bool(row and row[0])
