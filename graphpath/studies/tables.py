"""Tables of all units put together, as Parquet and CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from graphpath.record.files import write_atomically
from graphpath.studies.study import Measurement

if TYPE_CHECKING:
    import pandas as pd

Columns = tuple[tuple[str, str | int], ...]
"""What tells a unit from another: names and values of columns."""


def concatenate(units: Mapping[Columns, Measurement]) -> dict[str, pd.DataFrame]:
    """Each table of all units in one, with the columns that tell units apart in front; ``effects`` is one."""
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {}
    for columns, measured in units.items():
        for name, table in {"effects": measured.effects, **measured.tables}.items():
            parts.setdefault(name, []).append(_add_columns(table, columns))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """``name``.parquet and ``name``.csv in ``folder``, each whole or not at all."""
    write_atomically(folder / f"{name}.parquet", lambda path: table.to_parquet(path, index=False))
    write_atomically(
        folder / f"{name}.csv", lambda path: table.to_csv(path, index=False, float_format="%.7g")
    )


def _add_columns(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    made = table.copy()
    for place, (name, value) in enumerate(columns):
        made.insert(place, name, value)
    return made
