"""SQL that DuckDB is asked, where a value must stand in the text (a view takes no parameters)."""

from __future__ import annotations


def quoted(value: object) -> str:
    """``value`` as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"
