"""DuckDB, as graphpath asks it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connected(settings: dict[str, str], path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A database with these settings, in memory or in the file ``path``; closed as a context manager."""
    import duckdb

    connection = duckdb.connect(":memory:" if path is None else str(path), config=settings)
    # Of what takes seconds it would print how far it is, to standard output, where answers go.
    connection.execute("SET enable_progress_bar = false")
    return connection


def quoted(value: object) -> str:
    """``value`` as an SQL string, where it must stand in the text (a view takes no parameters)."""
    return "'" + str(value).replace("'", "''") + "'"
