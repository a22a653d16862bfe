"""How DuckDB is asked."""

from __future__ import annotations

from pathlib import Path

from graphpath.sql import connected, quoted


def test_nothing_is_printed_among_answers(tmp_path: Path) -> None:
    """DuckDB's progress bar goes to standard output, whoever reads that."""
    for path in (None, tmp_path / "some.duckdb"):
        with connected({"memory_limit": "64MiB"}, path) as connection:
            shown = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
            limit = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        assert (shown, limit) == ([(False,)], [("64.0 MiB",)])
    assert (tmp_path / "some.duckdb").is_file()


def test_a_string_stays_one(tmp_path: Path) -> None:
    said = "it's '' 1; DROP TABLE x --"
    with connected({}) as connection:
        assert connection.execute(f"SELECT {quoted(said)}").fetchall() == [(said,)]
        assert connection.execute(f"SELECT {quoted(tmp_path)}").fetchall() == [(str(tmp_path),)]
