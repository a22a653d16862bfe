"""The page of a study: each claim with its verdict and figure, and what the study draws itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.record.files import write_atomically
from graphpath.report.page import Figure, Page, ReportSection, render
from graphpath.report.rows import iterate_rows
from graphpath.report.source import Computed, describe_figure
from graphpath.report.standalone import make_standalone
from graphpath.studies import drawings, verdicts
from graphpath.studies.conditions import MEASURED, PLURAL
from graphpath.studies.intervals import describe_seeds
from graphpath.studies.published import TITLE, WHAT, write_rows
from graphpath.studies.study import Claim, Drawing, Option, Study

if TYPE_CHECKING:
    import pandas as pd

MOST_CALLS = 12
Commands = Mapping[str, Sequence[str]]
"""By unit, what was asked."""


def write_page(
    folder: Path,
    study: Study,
    facts: Mapping[str, Any],
    options: Mapping[str, Option],
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    published: pd.DataFrame,
    commands: Commands,
) -> Path:
    """Write ``study.html`` and ``figures/*.svg`` into ``folder``; returns the page."""
    calls = _list_calls(commands)
    effects = verdicts.select_conditions(tables["effects"])
    sections = [
        _make_claim(number, claim, effects, judged[judged.claim == claim.text], calls, folder)
        for number, claim in enumerate(study.claims, start=1)
    ]
    if drawn := list(study.draw(tables)):
        figures = [_make_figures(one, tables, calls, folder) for one in drawn]
        sections.append(ReportSection("more", "Seen more closely", study.needs, figures))
    if len(published):
        sources = [_make_source(published, "published", calls, folder)]
        figure = Figure(TITLE, WHAT, table=write_rows(published), sources=sources, wrap=True)
        sections.append(
            ReportSection("published", "What the paper prints", "In other settings than ours.", [figure])
        )
    _save_figures(folder / "figures", sections)
    rows = [
        ("Paper", study.paper),
        ("Images", str(facts["data"])),
        ("Networks", f"{facts['network']}; {describe_seeds(facts['seeds'], study.over)}"),
        ("Accuracy", ", ".join(f"{share:.1%}" for share in facts["accuracy"])),
        ("Options", ", ".join(f"{name} = {value}" for name, value in options.items()) or "none"),
        ("Files", str(folder)),
    ]
    page = folder / "study.html"
    html = render(Page(study.title, study.needs, rows, sections))
    _write(page, html)
    return page


def _make_claim(
    number: int,
    claim: Claim,
    effects: pd.DataFrame,
    judged: pd.DataFrame,
    calls: tuple[str, ...],
    folder: Path,
) -> ReportSection:
    said = [f"{one.part + ': ' if one.part else ''}{one.verdict}. {one.why}" for one in iterate_rows(judged)]
    own = effects[effects.quantity == claim.quantity]
    figures = []
    for part in judged.part:
        some = own[own.part == part]
        source = _make_source(some, f"{claim.quantity}{'-' + part if part else ''}", calls, folder)
        figures.append(
            Figure(
                f"{claim.unit or claim.quantity}{', ' + part if part else ''}",
                f"Means over {PLURAL[judged.over.iloc[0]]} with 95 % intervals, cut off where the axis ends; "
                f"no effect is {claim.null:g}. "
                + drawings.describe_controls(dict.fromkeys((MEASURED, *claim.controls, *claim.beside))),
                svg=drawings.draw_claim(claim, some),
                sources=[source],
                half=len(judged) > 1,
            )
        )
    return ReportSection(f"claim{number}", claim.text, " ".join(said), figures)


def _make_figures(
    one: Drawing, tables: Mapping[str, pd.DataFrame], calls: tuple[str, ...], folder: Path
) -> Figure:
    source = _make_source(tables[one.table], one.table, calls, folder)
    return Figure(one.title, one.text, svg=one.svg, sources=[source], half=one.half)


def _make_source(table: pd.DataFrame, name: str, calls: tuple[str, ...], folder: Path) -> Computed:
    query = ", ".join(dict.fromkeys(map(_name_call, calls[:MOST_CALLS]))) or "the network itself"
    return Computed(query, {}, table, str(folder), what=f"Computed from these answers: {name}", calls=calls)


def _name_call(call: str) -> str:
    """The query or analysis that a call asks."""
    return call.split()[2] if call.startswith("graphpath query ") else call.split("(")[0]


def _list_calls(commands: Commands) -> tuple[str, ...]:
    """What the trained networks' units asked, each call once."""
    found = list(dict.fromkeys(call for calls in commands.values() for call in calls))
    more = len(found) - MOST_CALLS
    return (*found[:MOST_CALLS], *([f"... and {more} more, in units/*/unit.json"] if more > 0 else []))


def _save_figures(folder: Path, sections: Sequence[ReportSection]) -> None:
    """Every figure as an SVG document of its own."""
    folder.mkdir(exist_ok=True)
    for section in sections:
        drawn = [figure for figure in section.figures if figure.svg]
        for number, figure in enumerate(drawn, start=1):
            _write(
                folder / f"{section.anchor}-{number}.svg",
                make_standalone(figure.svg, describe_figure(figure.title, figure.sources)),
            )


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
