"""The table of times adds up what pytest reports."""

from __future__ import annotations

from pathlib import Path

from tests import workers
from tests.documents import CHECKOUT, shown
from tests.times import DOCUMENT, MARKS, table

REPORT = """<testsuites><testsuite>
<testcase classname="tests.network.test_laws" name="a" time="1.5"/>
<testcase classname="tests.network.test_laws.TestMore" name="b" time="2.5"/>
<testcase classname="tests.network.test_reach" name="c" time="3"/>
<testcase classname="tests.stores.contract.test_loads" name="d" time="9"/>
<testcase classname="tests.test_links" name="e" time="1"/>
</testsuite></testsuites>"""


def test_a_row_a_part_the_dearest_first(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")
    lines = table(tmp_path / "report.xml").splitlines()[2:]
    assert lines == [
        "| `tests/stores/contract` | 1 | 9 | 9 in `tests/stores/contract/test_loads.py` |",
        "| `tests/network` | 3 | 7 | 4 in `tests/network/test_laws.py` |",
        "| `tests` | 1 | 1 | 1 in `tests/test_links.py` |",
        "| all | 5 | 17 | |",
    ]


def test_the_document_has_the_table() -> None:
    assert shown(DOCUMENT, MARKS).startswith("| part | tests | seconds |")


def test_the_groups_that_are_sent_first_are_there() -> None:
    named = [*workers.TOGETHER, *(group for group in workers.DEAREST if group != "neo4j")]
    assert [place for place in named if not (CHECKOUT / place).exists()] == []
