"""The page's parts, and their assembly into one file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from graphpath.printable import printable
from graphpath.report.pathway.picture import Picture
from graphpath.report.pictures import choose_look
from graphpath.report.source import Source
from graphpath.report.standalone import read_style

WORD = 60
"""Letters of a title that a file's name keeps: most systems allow 255 in all."""


@dataclass(frozen=True)
class Tab:
    """One of several pictures that are shown one at a time, with a small image to choose it by."""

    name: str
    thumbnail: str | None
    facts: Sequence[str]
    body: Picture
    sources: Sequence[Source] = ()


@dataclass(frozen=True)
class Figure:
    """A picture (SVG), tabs or a table, with a title, what to see in it, and its sources."""

    title: str
    text: str
    svg: str = ""
    tabs: Sequence[Tab] = ()
    table: Sequence[Sequence[str]] = ()
    sources: Sequence[Source] = ()
    legend: str = ""
    half: bool = False
    """Whether it stands beside another, where there is room."""
    wrap: bool = False
    """Whether the table's cells hold sentences, which may take several lines."""


@dataclass(frozen=True)
class ReportSection:
    """A question, its answer in a sentence or two, and the figures that show it."""

    anchor: str
    question: str
    answer: str
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Page:
    """Everything that the template needs."""

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[ReportSection]
    commands: Sequence[str] = field(default_factory=tuple)


def render(page: Page) -> str:
    """The HTML: style sheet, pictures, data and the script that saves figures are inside it."""
    environment = Environment(
        loader=PackageLoader("graphpath.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup  # our own drawing, whose texts were escaped when it was made
    environment.filters["file"] = _name_file
    environment.filters["look"] = choose_look
    html = environment.get_template("report.html").render(
        page=page, style=read_style(), made=datetime.now(UTC).date().isoformat()
    )
    return printable(html, lines=True)  # names are escaped above, which leaves control characters


def _name_file(words: Iterable[str]) -> str:
    """What a figure is called when saved, after its page, its place there and its title; no suffix."""
    plain = (re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:WORD] for word in words)
    return "_".join(word.strip("-") for word in plain if word)
