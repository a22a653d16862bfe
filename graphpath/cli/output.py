"""``--table``, ``--csv``, ``--json`` and ``--parquet FILE``: how a verb shows a data frame."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli.shared import in_place_of
from graphpath.errors import GraphpathError

if TYPE_CHECKING:
    import pandas as pd

PIPED = 10_000
SHOWN = 40
"""Rows of a table on a terminal; the rest is counted."""


@dataclass(frozen=True)
class Output:
    """Where and how a data frame goes."""

    csv: bool = False
    json: bool = False
    parquet: Path | None = None

    @property
    def machine(self) -> bool:
        """Whether a program reads what is shown: then nothing else goes to stdout."""
        return self.csv or self.json

    def show(self, frame: pd.DataFrame, columns: list[str] | None = None) -> None:
        """Print ``frame``, or write it to the Parquet file; a table has only ``columns``, where given."""
        if self.parquet is not None:
            _write_parquet(frame, self.parquet)
        elif self.csv:
            frame.to_csv(sys.stdout, index=False)
        elif self.json:
            typer.echo(frame.to_json(orient="records", indent=2, double_precision=15))
        else:
            show_table(frame if columns is None else frame[columns])


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "table": (Annotated[bool, typer.Option("--table", help="A table (the default).")], False),
    "csv": (Annotated[bool, typer.Option("--csv", help="Comma-separated values.")], False),
    "json": (Annotated[bool, typer.Option("--json", help="A JSON list of objects.")], False),
    "parquet": (Annotated[Path | None, typer.Option("--parquet", help="Write this Parquet file.")], None),
}


def _chosen(*, table: bool, csv: bool, json: bool, parquet: Path | None) -> Output:
    if table + csv + json + (parquet is not None) > 1:
        raise typer.BadParameter("choose one of --table, --csv, --json and --parquet.")
    return Output(csv, json, parquet)


output_options = in_place_of("output", _OPTIONS, _chosen)
"""Gives a verb that takes ``output: Output`` the four options of this module in its place."""


def show_table(frame: pd.DataFrame, limit: int = SHOWN) -> None:
    """``frame`` as a rich table: numbers to the right, floats rounded, null as a dash."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # Piped, a table is as wide as it needs to be; on a terminal, as the terminal.
    width = None if sys.stdout.isatty() else PIPED
    console = Console(width=width, highlight=False, markup=False, emoji=False)  # "[viz]" is no style here
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in frame.columns:
        table.add_column(str(name), justify="right" if frame[name].dtype.kind in "iuf" else "left")
    for row in frame.head(limit).itertuples(index=False):
        table.add_row(*map(cell, row))
    console.print(table)
    if len(frame) > limit:
        console.print(f"... and {len(frame) - limit:,} more rows; --csv, --json or --parquet give all.")
    elif frame.empty:
        console.print("(no rows)")


def cell(value: object) -> str:
    """One value as text in a table."""
    if value is None or str(value) == "<NA>" or value != value:  # pandas.NA != pandas.NA is no bool
        return "-"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _number(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        frame.to_parquet(path, index=False)
    except OSError as error:
        raise GraphpathError(f"{path} cannot be written: {error.strerror or error}.") from error
    typer.echo(f"{len(frame):,} rows written to {path}", err=True)
