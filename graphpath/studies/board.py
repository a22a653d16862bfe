"""All verdicts at one glance: a row for each claim, a column for each setting, a mark for each part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphpath.report import svg
from graphpath.report.rows import iterate_rows
from graphpath.studies.verdicts import FAILS, HOLDS, UNSURE

if TYPE_CHECKING:
    import pandas as pd

CLAIM, COLUMN, ROW, HEAD = 800.0, 130.0, 21.0, 30.0
"""Widths of the claims and of a setting, heights of a claim and of the heads."""
LINE = 13.0
"""The height of each further line of a head."""
APART, RADIUS = 17.0, 5.5
LETTERS = 118
"""Of a claim; the rest is shown where the pointer rests."""


def draw_board(table: pd.DataFrame) -> str:
    """The verdicts as marks: a full circle holds, a diamond does not, an empty circle leaves it open.

    ``table`` is that of all studies, in its order: on, study, claim, part, verdict, seeds, why. Settings of
    a single network have no verdicts. They get no column where other settings have verdicts.
    """
    judged = table[table.seeds > 1]
    table = table if judged.empty else judged
    names = [str(name) for name in table.on.drop_duplicates()]
    heads, y = _draw_heads(names)
    drawn = [*_draw_legend(), *heads]
    for study, its in table.groupby("study", sort=False):
        drawn.append(svg.make_text(0, y + 15, study, "caption"))
        y += ROW
        for claim, some in its.groupby("claim", sort=False):
            drawn += [svg.make_line(0, y, _column_x(len(names) - 0.5), y, "grid"), _draw_claim(str(claim), y)]
            for on, parts in some.groupby("on", sort=False):
                drawn += _draw_marks(parts, _column_x(names.index(str(on))), y + ROW / 2)
            y += ROW
        y += 6
    return svg.make_document(_column_x(len(names) - 0.5), y, *drawn, label="Verdicts on every claim")


def _draw_heads(names: list[str]) -> tuple[list[str], float]:
    """The settings' names over their columns, a line for the data and one for each network; and their end."""
    drawn, most = [], 0
    for place, name in enumerate(names):
        lines = name.split(", ")
        most = max(most, len(lines) - 1)
        drawn += [
            svg.make_text(_column_x(place), HEAD - 12 + at * LINE, line, "tick mid")
            for at, line in enumerate(lines)
        ]
    return drawn, HEAD + most * LINE


def _column_x(place: float) -> float:
    """The middle of a setting's column."""
    return CLAIM + (place + 0.5) * COLUMN


def _draw_claim(text: str, y: float) -> str:
    shown = text if len(text) <= LETTERS else f"{text[: LETTERS - 1].rstrip()}…"
    return svg.make_element("g", svg.make_title(text), svg.make_text(14, y + 15, shown, "name"))


def _draw_marks(parts: pd.DataFrame, x: float, y: float) -> list[str]:
    first = x - APART * (len(parts) - 1) / 2
    return [
        _draw_mark(one.verdict, first + APART * place, y, _describe(one))
        for place, one in enumerate(iterate_rows(parts))
    ]


def _describe(one: Any) -> str:
    return f"{one.on}{', ' + one.part if one.part else ''}: {one.verdict}. {one.why}"


def _draw_mark(verdict: str, x: float, y: float, words: str = "") -> str:
    title = [svg.make_title(words)] if words else []
    if verdict == FAILS:
        side = RADIUS * 1.7
        turned = f"rotate(45 {x:.1f} {y:.1f})"
        at = {"x": x - side / 2, "y": y - side / 2, "width": side, "height": side}
        mark = svg.make_element("rect", *title, **at, class_="against", transform=turned)
    else:
        mark = svg.make_element(
            "circle", *title, cx=x, cy=y, r=RADIUS, class_="for" if verdict == HOLDS else "curve dot"
        )
    return svg.make_element("g", mark, class_="dots")


def _draw_legend() -> list[str]:
    drawn, x = [], RADIUS
    for verdict in (HOLDS, FAILS, UNSURE):
        drawn += [_draw_mark(verdict, x, HEAD - 16), svg.make_text(x + 12, HEAD - 12, verdict, "tick")]
        x += 150
    return drawn
