"""How DuckDB is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphpath.sql import connect, quote, read_parquet


def test_nothing_is_printed_among_answers(tmp_path: Path) -> None:
    """DuckDB's progress bar goes to standard output, whoever reads that."""
    for path in (None, tmp_path / "some.duckdb"):
        with connect({"memory_limit": "64MiB"}, path) as connection:
            shown = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
            limit = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        assert (shown, limit) == ([(False,)], [("64.0 MiB",)])
    assert (tmp_path / "some.duckdb").is_file()


def test_a_string_stays_one(tmp_path: Path) -> None:
    said = "it's '' 1; DROP TABLE x --"
    with connect({}) as connection:
        assert connection.execute(f"SELECT {quote(said)}").fetchall() == [(said,)]
        assert connection.execute(f"SELECT {quote(tmp_path)}").fetchall() == [(str(tmp_path),)]


@pytest.mark.parametrize("name", ["layer=3", "run=007", "st*r", "a?b", "q[1]", "it's", "two words"])
def test_a_folders_name_is_no_column_and_no_pattern(name: str, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for folder, layer in ((name, 1), ("star", 8), ("axb", 8), ("q1", 8)):
        (tmp_path / folder).mkdir(exist_ok=True)
        pq.write_table(pa.table({"layer": [layer]}), tmp_path / folder / "part.parquet")
    with connect({}) as connection:
        found = connection.execute(f"SELECT * FROM {read_parquet([tmp_path / name / 'part.parquet'])}")
        assert ([one[0] for one in found.description], found.fetchall()) == (["layer"], [(1,)])
