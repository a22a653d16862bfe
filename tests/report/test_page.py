"""The report as a file: self-contained, well-formed, and every figure with its source."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from graphpath.errors import GraphpathError, RunNotFound
from graphpath.report import write_report
from graphpath.report.page import Figure, Page, ReportSection, render
from graphpath.stores import open_store

VOID = {"meta", "input", "img", "br", "link", "hr"}


class Checked(HTMLParser):
    """Checks that every tag is closed in order, and gathers addresses and figures."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.figures = self.sources = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [
            str(given[name]) for name in ("src", "href", "xlink:href", "action") if name in given
        ]
        self.figures += tag == "figure"
        self.sources += tag == "details"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def checked(page: str) -> Checked:
    parser = Checked()
    parser.feed(page)
    return parser


def test_the_page_is_well_formed(checked: Checked) -> None:
    assert checked.open == []


def test_nothing_is_fetched_from_anywhere(page: str, checked: Checked) -> None:
    assert all(address.startswith(("#", "data:")) for address in checked.addresses)
    assert not re.search(r"url\((?!data:)|@import|https?://(?!www\.w3\.org)", page)


def test_its_one_script_is_inside_and_reads_only_the_page(page: str) -> None:
    [(attributes, script)] = re.findall(r"<script([^>]*)>(.*?)</script>", page, flags=re.DOTALL)
    assert attributes == ' type="module"'
    assert not re.search(r"fetch|XMLHttpRequest|import|eval|innerHTML|storage|cookie", script)
    assert not re.search(r"<[^>]* on[a-z]+=|javascript:", page.replace(script, ""))


def test_every_figure_says_where_it_comes_from(checked: Checked) -> None:
    assert checked.figures >= 8
    assert checked.sources >= checked.figures


def test_the_three_questions_are_asked(page: str) -> None:
    for question in ("do classes share", "divert an image", "largest pathways overlap"):
        assert question in page


def test_it_reads_in_the_dark_too(page: str) -> None:
    assert "prefers-color-scheme: dark" in page


def test_the_data_behind_a_figure_is_what_the_query_answers(page: str, store) -> None:
    found = re.search(r'download="categories-similarity.csv" href="data:text/csv;base64,([^"]+)"', page)
    frame = pd.read_csv(io.BytesIO(base64.b64decode(found[1])))
    expected = store.query("categories/similarity", run="clean")
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_a_store_without_attacks_has_no_section_about_them(traces, tmp_path) -> None:
    with open_store(tmp_path / "a.lbdb") as alone:
        alone.load(traces[0])
        text = write_report(alone, tmp_path / "page.html").read_text()
    assert "divert an image" not in text
    assert "do classes share" in text


def test_without_pixels_the_pathways_own_are_shown(store, tmp_path) -> None:
    text = write_report(store, tmp_path, run="clean", samples=1).read_text()
    assert "only the pixels that the pathway starts from are known" in text
    assert text.count("data:image/png") > 0


def test_the_run_with_the_most_originals_is_the_reference(store, tmp_path) -> None:
    assert "<dd>clean</dd>" in write_report(store, tmp_path / "r.html").read_text()


def test_a_run_that_is_not_there_is_refused_by_name(store, tmp_path) -> None:
    with pytest.raises(RunNotFound, match=r"nobody.*clean"):
        write_report(store, tmp_path, run="nobody")


def test_a_place_that_cannot_be_written_is_named(store, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GraphpathError, match=r"report\.html"):
        write_report(store, tmp_path / "file")


def test_texts_are_escaped() -> None:
    section = ReportSection("s", "<q>?", "a & b", [Figure("<i>", "<script>", svg="<svg></svg>")])
    text = render(Page("<t>", "<lead>", [("<fact>", "<value>")], [section]))
    for raw in ("<q>", "<script>", "<t>", "<lead>", "<fact>", "<value>"):
        assert raw not in text
    assert "<svg></svg>" in text


def test_classes_stand_in_the_order_of_their_clustering_and_the_page_says_so(page: str, store) -> None:
    """The synthetic class pathways share no edge, so that all ties are broken by name."""
    assert "in the order of a hierarchical clustering" in page
    assert page.count('class="joint"') == store.query("pathways/samples", run="clean").categories[0] - 1 == 3


def test_two_classes_are_not_clustered(store, monkeypatch) -> None:
    from graphpath.report import reader
    from graphpath.report.sections import classes

    monkeypatch.setattr(reader, "MOST_CLASSES", 2)
    figure = classes.make_section(reader.RunReader(store, "clean")).figures[0]
    assert "clustering" not in figure.text
    assert 'class="joint"' not in figure.svg


def test_of_many_classes_those_in_the_most_alike_pairs_are_drawn(store, monkeypatch) -> None:
    from graphpath.report import reader

    monkeypatch.setattr(reader, "MOST_CLASSES", 2)
    asked = reader.RunReader(store, "clean")
    every = store.query("categories/similarity", run="clean", by_layer=False)
    best = every.loc[every.weighted_J.idxmax()]
    assert sorted(asked.classes) == sorted([best.category1, best.category2])
    assert len(asked.similarity_overall.frame) == len(every)
    assert set(
        zip(asked.similarity_by_layer.frame.category1, asked.similarity_by_layer.frame.category2, strict=True)
    ) == {(best.category1, best.category2)}
