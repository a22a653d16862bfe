"""A page about names that try to be more: markup, scripts, control characters, letters turned round."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graphpath.report import write_report
from graphpath.report.standalone import make_standalone
from graphpath.report.svg import make_document, make_text
from graphpath.stores import Store, open_store
from tests.synthetic import write_trace

NAME = "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\x07\u202e]]>\"'&\x00"
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufffe\uffff]")


class Elements(HTMLParser):
    """The names of a page's elements, and of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("hostile")
    clean = write_trace(folder / "clean", run="clean", samples=12)
    opened = open_store(folder / "s.lbdb", buffer_bytes=128 << 20)
    opened.load(clean)
    opened.load(write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean))
    text = "MATCH (c:Category), (l:Layer), (m:Model), (r:Run) SET c.name = $n, l.name = $n, m.name = $n"
    opened.cypher(f"{text}, r.method = $n", write=True, n=NAME.rstrip("\x00"))
    return opened


def test_a_report_holds_nothing_that_a_name_brought(store: Store, tmp_path: Path) -> None:
    file = write_report(store, tmp_path, run="clean", samples=2, pairs=2, title=NAME)
    html = file.read_text(encoding="utf-8")
    assert not UNSEEN.search(html)
    page = Elements()
    page.feed(html)
    assert page.found.count("script") == 1
    assert not {name for name in page.attributes if name.startswith("on")}
    assert "alert(1)" in html and "<img src=x" not in html
    drawings = re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL)
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_a_drawing_of_its_own_is_xml() -> None:
    drawn = make_document(10.0, 10.0, make_text(1, 1, NAME, label=NAME), label=NAME)
    parsed = ElementTree.fromstring(make_standalone(drawn, about=NAME))
    assert parsed.tag == "{http://www.w3.org/2000/svg}svg"
    assert "alert(1)" in str(parsed[0].text) + str(parsed[1].text)
