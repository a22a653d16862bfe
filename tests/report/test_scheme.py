"""A report about categories of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphpath.errors import GraphpathError
from graphpath.record import Trace
from graphpath.report import write_report
from graphpath.report.reader import RunReader
from graphpath.stores import Store, open_store
from tests.queries.facts import GROUPED, group_of, grouping


@pytest.fixture(scope="module")
def grouped(traces: tuple[Trace, Trace], tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(tmp_path_factory.mktemp("grouped") / "pathways.lbdb")
    for trace in traces:
        store.load(trace, min_support=1, categories=grouping())
    return store


def test_it_is_about_the_categories(grouped: Store, tmp_path: Path) -> None:
    page = write_report(grouped, tmp_path, run="clean", scheme=GROUPED).read_text()
    classes = write_report(grouped, tmp_path / "classes", run="clean").read_text()
    assert "in a category of scheme grouped" in page and "scheme grouped" not in classes
    assert "--scheme grouped" in page  # each figure says how it is asked for
    assert "high" in page and "low" in page
    assert "class 0" in classes


def test_its_samples_are_those_in_a_category(grouped: Store) -> None:
    own, ours = RunReader(grouped, "clean"), RunReader(grouped, "clean", GROUPED)
    assert set(ours.every_class) == {"low", "high"}
    before, after = (one.samples.set_index("pathway").sort_index() for one in (own, ours))
    wanted = before.label.map(lambda label: group_of(int(label)))
    assert after.label_name.where(after.label_name.notna(), None).tolist() == wanted.tolist()
    outside = wanted.isna()
    assert outside.any() and not after.correct[outside].any()
    # Who predicts the class predicts its category; of a category are others too.
    assert after.correct[before.correct & ~outside].all()
    assert after.correct.sum() >= (before.correct & ~outside).sum()
    assert ours.class_names == own.class_names


def test_an_unknown_scheme_is_refused(grouped: Store, tmp_path: Path) -> None:
    with pytest.raises(GraphpathError, match="no scheme of categories 'other'; it has classes, grouped"):
        write_report(grouped, tmp_path, run="clean", scheme="other")
