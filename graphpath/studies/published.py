"""The figures that papers print, beside ours of the same quantity. Needs no torch.

A figure is no claim: other networks and images give others. What is compared is what was meant to be the same
quantity; how the settings differ stands beside it.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphpath.report.rows import rows
from graphpath.studies.conditions import TRAINED
from graphpath.studies.intervals import Interval, interval
from graphpath.studies.study import Printed, Study, Tables
from graphpath.studies.units import facts_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["study", "figure", "printed", "where", "ours", "low", "high", "seeds", "setting"]
HEAD = ["study", "figure", "printed", "there", "ours [95 % interval]", "here"]
TITLE = "Published figures beside ours"
WHAT = "Means over seeds with 95 % intervals. The settings differ, and no verdict rests on these."


def beside(study: Study, tables: Tables, setting: str) -> pd.DataFrame:
    """A row for each figure that the study's paper prints, with ``COLUMNS``.

    ``ours`` is the mean over seeds of the trained networks', low and high its 95 % interval, ``setting`` on
    what it was measured. NaN where a table has not what a figure is compared with.
    """
    import pandas as pd

    found = []
    for one in study.printed:
        ours = measured(one, tables)
        theirs = [study.name, one.figure, one.value, one.where]
        found.append([*theirs, ours.mean, ours.low, ours.high, ours.seeds, setting])
    return pd.DataFrame(found, columns=COLUMNS)


def measured(printed: Printed, tables: Tables) -> Interval:
    """Our figure: over seeds, the mean of each seed's mean of the rows that it is about."""
    table = tables[printed.table]
    chosen = np.logical_and.reduce([table[name] == value for name, value in printed.rows.items()])
    some = table[chosen & (table.network == TRAINED)]
    return interval(some.groupby("seed")[printed.column].mean().to_numpy(float))


def gather(out: Path) -> pd.DataFrame:
    """The figures beside each other of every study below ``out``, and on what each was."""
    import pandas as pd

    found = []
    for file in sorted(out.glob("*/*/*/published.parquet")):
        table, told = pd.read_parquet(file), facts_of(file.parent / "study.json")
        if len(table):
            found.append(table.assign(on=told["on"], command=shlex.join(told["command"])))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*COLUMNS, "on", "command"])


def in_words(table: pd.DataFrame) -> list[list[str]]:
    """The rows in words, under their heads."""
    told = [
        [one.study, one.figure, f"{one.printed:.3g}", one.where, _ours(one), one.setting]
        for one in rows(table)
    ]
    return [HEAD, *told]


def markdown(table: pd.DataFrame) -> str:
    """The rows as Markdown: for every two settings a line that names them, and a table below it."""
    blocks = []
    for (study, where, setting), some in table.groupby(["study", "where", "setting"], sort=False):
        lines = ["| figure | there | here [95 % interval] |", "|---|---:|---:|"]
        lines += [f"| {one.figure} | {one.printed:.3g} | {_ours(one)} |" for one in rows(some)]
        told = "\n".join(lines)
        blocks.append(f"`{study}`. There, {where}. Here, {setting}.\n\n{told}\n")
    return "\n".join(blocks)


def _ours(one: Any) -> str:
    return str(Interval(one.ours, one.low, one.high, one.seeds)) if one.seeds else "not measured"
