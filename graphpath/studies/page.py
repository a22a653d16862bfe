"""The page of a study: each claim with its verdict and figure, and what the study draws itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.record.files import write_atomically
from graphpath.report.page import Figure, Page, Section, render
from graphpath.report.rows import rows
from graphpath.report.source import Computed, about
from graphpath.report.standalone import standalone
from graphpath.studies import drawings, verdicts
from graphpath.studies.conditions import MEASURED
from graphpath.studies.intervals import seeded
from graphpath.studies.published import TITLE, WHAT, in_words
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
    calls = _calls(commands)
    effects = verdicts.conditions(tables["effects"])
    sections = [
        _claim(number, claim, effects, judged[judged.claim == claim.text], calls, folder)
        for number, claim in enumerate(study.claims, start=1)
    ]
    if drawn := list(study.draw(tables)):
        figures = [_drawn(one, tables, calls, folder) for one in drawn]
        sections.append(Section("more", "Seen more closely", study.needs, figures))
    if len(published):
        sources = [_source(published, "published", calls, folder)]
        figure = Figure(TITLE, WHAT, table=in_words(published), sources=sources, wrap=True)
        sections.append(
            Section("published", "What the paper prints", "In other settings than ours.", [figure])
        )
    _save(folder / "figures", sections)
    told = [
        ("Paper", study.paper),
        ("Images", str(facts["data"])),
        ("Networks", f"{facts['network']}; {seeded(facts['seeds'])}"),
        ("Accuracy", ", ".join(f"{share:.1%}" for share in facts["accuracy"])),
        ("Options", ", ".join(f"{name} = {value}" for name, value in options.items()) or "none"),
        ("Files", str(folder)),
    ]
    page = folder / "study.html"
    html = render(Page(study.title, study.needs, told, sections))
    _write(page, html)
    return page


def _claim(
    number: int,
    claim: Claim,
    effects: pd.DataFrame,
    judged: pd.DataFrame,
    calls: tuple[str, ...],
    folder: Path,
) -> Section:
    said = [f"{one.part + ': ' if one.part else ''}{one.verdict}. {one.why}" for one in rows(judged)]
    own = effects[effects.quantity == claim.quantity]
    figures = []
    for part in judged.part:
        some = own[own.part == part]
        source = _source(some, f"{claim.quantity}{'-' + part if part else ''}", calls, folder)
        figures.append(
            Figure(
                f"{claim.unit or claim.quantity}{', ' + part if part else ''}",
                f"Means over seeds with 95 % intervals, cut off where the axis ends; no effect is "
                f"{claim.null:g}. "
                + drawings.controls_told(dict.fromkeys((MEASURED, *claim.controls, *claim.beside))),
                svg=drawings.claim_figure(claim, some),
                sources=[source],
                half=len(judged) > 1,
            )
        )
    return Section(f"claim{number}", claim.text, " ".join(said), figures)


def _drawn(one: Drawing, tables: Mapping[str, pd.DataFrame], calls: tuple[str, ...], folder: Path) -> Figure:
    source = _source(tables[one.table], one.table, calls, folder)
    return Figure(one.title, one.text, svg=one.svg, sources=[source], half=one.half)


def _source(table: pd.DataFrame, name: str, calls: tuple[str, ...], folder: Path) -> Computed:
    query = ", ".join(dict.fromkeys(map(_named, calls[:MOST_CALLS]))) or "the network itself"
    return Computed(query, {}, table, str(folder), what=f"Computed from these answers: {name}", calls=calls)


def _named(call: str) -> str:
    """The query or analysis that a call asks."""
    return call.split()[2] if call.startswith("graphpath query ") else call.split("(")[0]


def _calls(commands: Commands) -> tuple[str, ...]:
    """What the trained networks' units asked, each call once."""
    found = list(dict.fromkeys(call for calls in commands.values() for call in calls))
    more = len(found) - MOST_CALLS
    return (*found[:MOST_CALLS], *([f"... and {more} more, in units/*/unit.json"] if more > 0 else []))


def _save(folder: Path, sections: Sequence[Section]) -> None:
    """Every figure as an SVG document of its own."""
    folder.mkdir(exist_ok=True)
    for section in sections:
        drawn = [figure for figure in section.figures if figure.svg]
        for number, figure in enumerate(drawn, start=1):
            _write(
                folder / f"{section.anchor}-{number}.svg",
                standalone(figure.svg, about(figure.title, figure.sources)),
            )


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
