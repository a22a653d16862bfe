"""The figures that papers print, beside ours of the same quantity. Needs no torch.

A figure is no claim: other networks and images give other figures. Both are meant to be the same quantity;
how the settings differ stands beside them.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphpath.report.rows import iterate_rows
from graphpath.studies.conditions import TRAINED
from graphpath.studies.intervals import Interval, interval
from graphpath.studies.study import PrintedFigure, Study, Tables
from graphpath.studies.units import read_facts

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["study", "figure", "printed", "where", "ours", "low", "high", "seeds", "setting"]
HEAD = ["study", "figure", "printed", "there", "ours [95 % interval]", "here"]
TITLE = "Published figures beside ours"
WHAT = "Means over seeds with 95 % intervals. The settings differ, and no verdict rests on these."


def compare_with_printed(study: Study, tables: Tables, setting: str) -> pd.DataFrame:
    """A row for each figure that the study's paper prints, with ``COLUMNS``.

    ``ours`` is the mean over seeds of the trained networks' values, low and high are its 95 % interval, and
    ``setting`` is what it was measured on. NaN where a table lacks what a figure is compared with.
    """
    import pandas as pd

    found = []
    for one in study.printed:
        ours = mean_of_seeds(one, tables)
        theirs = [study.name, one.figure, one.value, one.where]
        found.append([*theirs, ours.mean, ours.low, ours.high, ours.seeds, setting])
    return pd.DataFrame(found, columns=COLUMNS)


def mean_of_seeds(printed: PrintedFigure, tables: Tables) -> Interval:
    """Our figure: over seeds, the mean of each seed's mean of the rows that it is about."""
    table = tables[printed.table]
    chosen = np.logical_and.reduce([table[name] == value for name, value in printed.rows.items()])
    some = table[chosen & (table.network == TRAINED)]
    return interval(some.groupby("seed")[printed.column].mean().to_numpy(float))


def gather(out: Path) -> pd.DataFrame:
    """The figures of every study below ``out``, theirs beside ours, and what each was measured on."""
    import pandas as pd

    found = []
    for file in sorted(out.glob("*/*/*/published.parquet")):
        table, facts = pd.read_parquet(file), read_facts(file.parent / "study.json")
        if len(table):
            found.append(table.assign(on=facts["on"], command=shlex.join(facts["command"])))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*COLUMNS, "on", "command"])


def write_rows(table: pd.DataFrame) -> list[list[str]]:
    """The rows in words, under their heads."""
    rows = [
        [one.study, one.figure, f"{one.printed:.3g}", one.where, _format_ours(one), one.setting]
        for one in iterate_rows(table)
    ]
    return [HEAD, *rows]


def to_markdown(table: pd.DataFrame) -> str:
    """The rows as Markdown: for every two settings a line that names them, and a table below it."""
    blocks = []
    for (study, where, setting), some in table.groupby(["study", "where", "setting"], sort=False):
        lines = ["| figure | there | here [95 % interval] |", "|---|---:|---:|"]
        lines += [f"| {one.figure} | {one.printed:.3g} | {_format_ours(one)} |" for one in iterate_rows(some)]
        text = "\n".join(lines)
        blocks.append(f"`{study}`. There, {where}. Here, {setting}.\n\n{text}\n")
    return "\n".join(blocks)


def _format_ours(one: Any) -> str:
    return str(Interval(one.ours, one.low, one.high, one.seeds)) if one.seeds else "not measured"
