"""``--table``, ``--csv``, ``--json`` and ``--parquet FILE``: how a verb shows a data frame."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli.say import make_console, say
from graphpath.cli.shared import replace_parameter
from graphpath.errors import GraphpathError
from graphpath.printable import printable
from graphpath.record.files import write_atomically

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
    spreadsheet: bool = False

    @property
    def machine(self) -> bool:
        """Whether a program reads what is shown: then nothing else goes to stdout."""
        return self.csv or self.json

    @property
    def is_table(self) -> bool:
        """Whether a person reads it."""
        return not self.machine and self.parquet is None

    def show(self, frame: pd.DataFrame, columns: list[str] | None = None) -> None:
        """Print ``frame``, or write it to the Parquet file; a table has only ``columns``, where given."""
        if self.parquet is not None:
            _write_parquet(frame, self.parquet)
        elif self.csv:
            _write_csv(escape_formulas(frame) if self.spreadsheet else frame)
        elif self.json:
            say(_to_json(frame))
        else:
            show_table(frame if columns is None else frame[columns])

    def show_answer(self, query: str, frame: pd.DataFrame) -> None:
        """Show the answer of a named query, and say on stderr what a limit cut (JSON has it too) and what was
        taken where nothing was given.
        """
        from graphpath.queries import limits
        from graphpath.queries.variants import NOTES

        if self.json:
            reached = json.dumps(bool(frame.attrs.get(limits.REACHED)))
            say(f'{{"query": {json.dumps(query)}, "limit_reached": {reached}, "rows": {_to_json(frame)}}}')
        else:
            self.show(frame)
        for said in [*frame.attrs.get(NOTES, []), limits.describe_cut(frame.attrs)]:
            if said:
                say(f"{query}: {said}", err=True)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "table": (Annotated[bool, typer.Option("--table", help="A table (the default).")], False),
    "csv": (Annotated[bool, typer.Option("--csv", help="Comma-separated values.")], False),
    "json": (
        Annotated[bool, typer.Option("--json", help='JSON: a list of objects, of a query in "rows".')],
        False,
    ),
    "parquet": (Annotated[Path | None, typer.Option("--parquet", help="Write this Parquet file.")], None),
    "spreadsheet": (
        Annotated[
            bool,
            typer.Option("--spreadsheet", help="With --csv: no cell that a spreadsheet takes for a formula."),
        ],
        False,
    ),
}


def _choose_output(*, table: bool, csv: bool, json: bool, parquet: Path | None, spreadsheet: bool) -> Output:
    if table + csv + json + (parquet is not None) > 1:
        raise typer.BadParameter("choose one of --table, --csv, --json and --parquet.")
    if spreadsheet and not csv:
        raise typer.BadParameter("--spreadsheet belongs to --csv.")
    return Output(csv, json, parquet, spreadsheet)


output_options = replace_parameter("output", _OPTIONS, _choose_output)
"""Gives a verb that takes ``output: Output`` the options of this module in its place."""


def _write_csv(frame: pd.DataFrame) -> None:
    """The rows to stdout: as they are for a program, with nothing that a terminal obeys for a terminal."""
    if sys.stdout.isatty():
        say(frame.to_csv(index=False).removesuffix("\n"))
        return
    with _map_write_errors("standard output"):
        frame.to_csv(sys.stdout, index=False)


@contextmanager
def _map_write_errors(name: object) -> Iterator[None]:
    """Raise what the system refuses to write as a GraphpathError; a closed pipe is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)  # pyarrow's own words name its code
        raise GraphpathError(f"{name} cannot be written: {said}.") from error


def _to_json(frame: pd.DataFrame) -> str:
    return frame.to_json(orient="records", indent=2, double_precision=15).replace("\x7f", "\\u007f")


def show_table(frame: pd.DataFrame, limit: int = SHOWN) -> None:
    """``frame`` as a rich table: numbers to the right, floats rounded, null as a dash."""
    from rich import box
    from rich.table import Table

    # Piped, a table is as wide as it needs to be; on a terminal, as the terminal.
    shown = make_console(width=None if sys.stdout.isatty() else PIPED, soft_wrap=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in frame.columns:
        table.add_column(printable(name), justify="right" if frame[name].dtype.kind in "iuf" else "left")
    for row in frame.head(limit).itertuples(index=False):
        table.add_row(*map(format_cell, row))
    shown.print(table)
    if len(frame) > limit:
        rest = f"{len(frame) - limit:,} more rows of {len(frame):,}"
        shown.print(f"... and {rest}; --csv, --json or --parquet give them.")
    elif frame.empty:
        shown.print("(no rows)")


def format_cell(value: object) -> str:
    """One value as text in a table."""
    if value is None or str(value) == "<NA>" or value != value:  # pandas.NA != pandas.NA is no bool
        return "-"
    if isinstance(value, float):
        return _format_number(value)
    if isinstance(value, list | tuple):
        return printable(", ".join(map(str, value)))
    return printable(value)


def _format_number(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What the text of a formula begins with in a spreadsheet, full-width signs included."""


def escape_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with an apostrophe before each text that a spreadsheet would run; numbers stay numbers."""
    return frame.rename(columns=_escape_formula).map(_escape_formula)


def _escape_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) else value


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write the file whole or not at all: a full disk leaves what was there before."""
    with _map_write_errors(path):
        if path.exists() and not path.is_file():  # a pipe or a device
            made = io.BytesIO()
            _fill(frame, made, path)
            path.write_bytes(made.getvalue())
        else:
            write_atomically(path.resolve(), lambda temporary: _fill(frame, temporary, path))
    say(f"{len(frame):,} rows written to {path}", err=True)


def _fill(frame: pd.DataFrame, file: IO[bytes] | Path, path: Path) -> None:
    try:
        frame.to_parquet(file, index=False)
    except (ValueError, TypeError) as error:  # pyarrow's errors are one of them
        raise GraphpathError(
            f"{path} cannot be written: a column has values of several types ({error}); take --json."
        ) from error
