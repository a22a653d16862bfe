"""Rows of data frames as plain objects: pandas' own types say too little about a column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def iterate_rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Each row with its columns as attributes."""
    yield from frame.itertuples(index=False)


def find_row(frame: pd.DataFrame, column: str, value: object) -> Any:
    """The one row (a Series) whose ``column`` has ``value``."""
    return frame[frame[column] == value].iloc[0]
