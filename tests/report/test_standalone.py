"""A drawing as a document of its own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from graphpath.report import svg
from graphpath.report.figures import draw_bars
from graphpath.report.standalone import make_standalone, read_style

SVG = "{http://www.w3.org/2000/svg}"


def test_it_has_a_name_space_its_style_and_what_it_is_about() -> None:
    root = ElementTree.fromstring(
        make_standalone(draw_bars({"a": [1.0]}, ["one"]), "a < b & c\nthe second line")
    )
    assert [child.tag for child in root][:3] == [f"{SVG}{name}" for name in ("style", "desc", "title")]
    assert root.findtext(f"{SVG}desc") == "a < b & c\nthe second line"


def test_about_nothing_it_has_no_description() -> None:
    assert "<desc" not in make_standalone(draw_bars({"a": [1.0]}, ["one"]))


def test_its_colours_are_written_out_and_light() -> None:
    """Inkscape, librsvg and other converters know no variables, and print knows no dark."""
    assert not re.search(r"var\(|--|@media|:root", read_style())
    assert re.search(r"svg text \{ fill: #1c2127;", read_style())


def test_its_style_has_no_rules_for_the_page() -> None:
    """In a notebook the style sheet of a drawing holds for the whole page."""
    selectors = re.findall(r"(?:^|\} ?)([^{}]+?) \{", read_style(), flags=re.MULTILINE)
    assert len(selectors) > 40
    first = {one.strip().split()[0] for listed in selectors for one in listed.split(",")}
    assert not first & {"*", "html", "body", "h1", "h2", "h3", "a", "table", "figure", "section", "pre"}


def test_a_drawing_lies_on_the_colour_of_a_panel() -> None:
    assert "svg.figure, svg.pathway { background: #ffffff; }" in read_style()
    assert 'class="figure"' in svg.make_document(1.0, 1.0, label="")
