"""DuckDB, as graphpath asks it."""

from __future__ import annotations

import glob
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect(
    settings: dict[str, str], path: Path | None = None, *, spill: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """A database with these settings, in memory or in the file ``path``; closed as a context manager.

    What does not fit in memory goes to the directory ``spill``.
    """
    import duckdb

    folders: list[Path] = []
    file = ":memory:" if path is None else str(_avoid_misreading(path, folders))
    spill_setting = {} if spill is None else {"temp_directory": str(_avoid_misreading(spill, folders))}
    connection = duckdb.connect(file, config={**settings, **spill_setting})
    for folder in folders:
        weakref.finalize(connection, shutil.rmtree, folder, ignore_errors=True)
    # Of what takes seconds it would print how far it is, to standard output, where answers go.
    connection.execute("SET enable_progress_bar = false")
    return connection


def _avoid_misreading(path: Path, folders: list[Path]) -> Path:
    """``path``, or one in a temporary folder, which ``folders`` gets, where DuckDB would misread it.

    What follows a ``?`` is no name to it, and a backslash is a slash; it sees through links.
    """
    if not set("?\\") & set(str(path.parent.resolve())):
        return path
    folders.append(Path(tempfile.mkdtemp(prefix="graphpath-")))
    return folders[-1] / path.name


def read_parquet(paths: Iterable[Path], *, filename: bool = False) -> str:
    """The rows of the Parquet files ``paths``, which have the same columns, as SQL reads them.

    A path is a name and no more: ``*``, ``?`` and ``[`` in it are no pattern, and a folder called
    ``layer=3`` is no column. With ``filename`` a column of that name says which file a row is from.
    """
    files = ", ".join(quote(glob.escape(str(path))) for path in paths)
    said = ", filename = true" if filename else ""
    return f"read_parquet([{files}], hive_partitioning = false{said})"


def quote(value: object) -> str:
    """``value`` as an SQL string, where it must stand in the text (a view takes no parameters)."""
    return "'" + str(value).replace("'", "''") + "'"
