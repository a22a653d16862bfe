"""A report about categories of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graphpath.errors import GraphpathError
from graphpath.record import Trace
from graphpath.report import write_report
from graphpath.report.reader import RunReader
from graphpath.report.sections.pathways import spread
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


def test_it_says_of_how_many_an_image_is_drawn(grouped: Store, tmp_path: Path) -> None:
    for samples, said in (
        (3, "One image of 3 of 4 classes (--samples 4 draws all), "),
        (4, "One image of each class, "),
    ):
        page = write_report(grouped, tmp_path / str(samples), run="clean", samples=samples).read_text()
        assert said in page
    page = write_report(grouped, tmp_path / "one", run="clean", scheme=GROUPED, samples=1).read_text()
    assert "One image of 1 of 2 categories (--samples 2 draws all), the one most like its category" in page


@pytest.mark.parametrize(("rows", "count"), [(16, 10), (1000, 10), (10, 10), (3, 10), (5, 1), (0, 10)])
def test_images_are_spread_evenly_over_classes(rows: int, count: int) -> None:
    chosen = spread(pd.DataFrame({"label": range(rows)}), count).label.tolist()
    assert len(chosen) == len(set(chosen)) == min(rows, count)
    assert chosen == sorted(chosen)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, rows - 1)
        gaps = np.diff(chosen)
        assert gaps.max() - gaps.min() <= 1
