"""All studies that were run, in one table: HTML, Markdown, CSV and Parquet. Needs no torch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from graphpath.errors import StudyError
from graphpath.record.files import write_atomically
from graphpath.report.page import Figure, Page, ReportSection, render
from graphpath.report.rows import iterate_rows
from graphpath.report.source import Computed
from graphpath.studies import published
from graphpath.studies.board import draw_board
from graphpath.studies.conditions import SEED
from graphpath.studies.intervals import Interval, describe_seeds, format_number
from graphpath.studies.tables import write_table
from graphpath.studies.units import read_facts
from graphpath.studies.verdicts import FAILS, HOLDS, UNSURE

if TYPE_CHECKING:
    import pandas as pd

HEAD = ["study", "claim", "here: effect [95 % interval]", "no effect"]


def gather(out: Path) -> pd.DataFrame:
    """The verdicts of every study below ``out``, with data, network and seeds. Raises StudyError if none."""
    import pandas as pd

    found = []
    for file in sorted(out.glob("*/*/*/study.json")):
        if not (file.parent / "verdicts.parquet").is_file():
            continue
        facts = read_facts(file)
        table = pd.read_parquet(file.parent / "verdicts.parquet")
        accuracy = min(facts["accuracy"])
        found.append(
            table.assign(
                on=facts["on"],
                network=facts["network"],
                accuracy=accuracy,
                over=table.get("over", SEED),
                page=_write_page(file, out),
                command=shlex.join(facts["command"]),
            )
        )
    if not found:
        raise StudyError(f"{out} holds no finished study; graphpath study NAME --out {out} runs one.")
    return pd.concat(found, ignore_index=True)


def write_summary(out: Path) -> pd.DataFrame:
    """Write summary.html, .md, .csv and .parquet into ``out``, of every study there; returns the table.

    The published figures that they stand beside are in published.csv and .parquet.
    """
    table, printed = gather(out), published.gather(out)
    write_table(out, "summary", table)
    write_table(out, "published", printed)
    text = "\n\n".join(
        "\n\n".join(
            [describe_setting(some), to_markdown(some), published.to_markdown(printed[printed.on == on])]
        )
        for on, some in table.groupby("on", sort=False)
    )
    write_atomically(out / "summary.md", lambda path: path.write_text(text, encoding="utf-8"))
    html = render(_make_page(table, printed, out))
    write_atomically(out / "summary.html", lambda path: path.write_text(html, encoding="utf-8"))
    return table


def to_markdown(table: pd.DataFrame) -> str:
    """The verdicts as a Markdown table, a row for each claim."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    for study, claim, here, null in _make_lines(table, "<br>"):
        lines.append(f"| `{study}` | {claim.replace('|', chr(92) + '|')} | {here} | {null} |")
    return "\n".join(lines) + "\n"


def describe_counts(table: pd.DataFrame) -> str:
    """How many verdicts are of which kind, in a sentence."""
    found = table.verdict.value_counts()
    parts = [f"{int(found.get(HOLDS, 0))} hold", f"{int(found.get(FAILS, 0))} do not hold here"]
    return f"Of {len(table)} verdicts {', '.join(parts)}, and {int(found.get(UNSURE, 0))} leave it open."


def _make_lines(table: pd.DataFrame, between: str) -> list[list[str]]:
    """A row for each claim: its study, the claim, what is said of each part, and what no effect would be."""
    found = []
    for (study, claim), some in table.groupby(["study", "claim"], sort=False):
        here = [
            f"{one.part + ': ' if one.part else ''}{one.verdict}: "
            f"{Interval(one.effect, one.low, one.high, one.seeds)}"
            for one in iterate_rows(some)
        ]
        found.append([str(study), str(claim), between.join(here), format_number(some.null.iloc[0])])
    return found


def _make_page(table: pd.DataFrame, printed: pd.DataFrame, out: Path) -> Page:
    sections = [_draw_overview(table, out)]
    for place, (on, some) in enumerate(table.groupby("on", sort=False), start=1):
        why = [[one.study, one.claim, one.part, one.why] for one in iterate_rows(some)]
        sources = [_make_source(some, out)]
        rest = [["study", "claim", "part", "why"], *why]
        figures = [
            Figure("Verdicts", "", table=[HEAD, *_make_lines(some, "; ")], sources=sources, wrap=True),
            Figure("What they rest on", "", table=rest, sources=sources, wrap=True),
        ]
        if len(own := printed[printed.on == on]):
            beside = [_make_source(own, out, "published")]
            text = published.write_rows(own)
            figures.append(Figure(published.TITLE, published.WHAT, table=text, sources=beside, wrap=True))
        sections.append(ReportSection(f"on{place}", f"On {on}", describe_counts(some), figures))
    files = [(str(study), str(page)) for (study, page), _ in table.groupby(["study", "page"], sort=False)]
    lead = (
        "A claim holds if it exceeds no effect and every control by more than the 95 % interval over seeds; "
        "one about every layer, if each does. It does not hold here only where some interval lies at or "
        "below, corrected for the number of layers and controls: so the upper ends."
    )
    return Page("Published claims, tried here", lead, files, sections)


def _draw_overview(table: pd.DataFrame, out: Path) -> ReportSection:
    text = "A mark for each part of a study (its kernels, or its methods). Point at one for what it rests on."
    figure = Figure("Every claim", text, svg=draw_board(table), sources=[_make_source(table, out)])
    return ReportSection("overview", "Which claims hold here?", describe_counts(table), [figure])


def _make_source(some: pd.DataFrame, out: Path, name: str = "verdicts") -> Computed:
    """A table of studies, and the commands that give it."""
    calls = tuple(
        f"graphpath study {' '.join(its.study.drop_duplicates())} {command}"
        for command, its in some.groupby("command", sort=False)
    )
    return Computed(name, {}, some, str(out), what=f"{name.capitalize()} of every study", calls=calls)


def describe_setting(table: pd.DataFrame) -> str:
    """On which images and networks the verdicts of one setting rest, and how many there are of each kind."""
    networks = [
        f"{network} ({some.accuracy.min():.1%} of test images right, or more)"
        for network, some in table.groupby("network", sort=False)
    ]
    by_study = table[table.seeds > 0].groupby("study").seeds.max()
    least, most = (0, 0) if by_study.empty else (int(by_study.min()), int(by_study.max()))
    counted = ("" if least == most else f"{least} to ") + describe_seeds(most, table.over.iloc[0])
    return f"On {table.on.iloc[0]}, {counted}: {'; '.join(networks)}. {describe_counts(table)}"


def _write_page(file: Path, out: Path) -> str:
    return str((file.parent / "study.html").relative_to(out))
