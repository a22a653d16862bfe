"""The studies of effective paths: what they compute, against plain loops and the named query."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from graphpath.stores import open_store
from graphpath.studies import Bench, Setting, run_study
from graphpath.studies.conditions import MEASURED, TRAINED
from graphpath.studies.effective_path import classes, detection, gates
from tests.synthetic import write_trace

RANDOM = np.random.default_rng(0)


def test_likeness_of_classes_is_that_of_the_query(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "t", run="run", samples=24, side=2)
    with open_store(tmp_path / "s.lbdb") as store:
        store.load(trace)
        asked = store.query("categories/similarity", run="run")
    found = classes.compare_classes(classes.read_member_edges(trace))
    for layer in (-1, 1, 2, 3, 4):
        ours, theirs = (np.sort(frame[frame.layer == layer].J.dropna()) for frame in (found, asked))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert found.J.nunique() > 10


def test_growth_counts_distinct_edges() -> None:
    """Two classes of four and five images, merged one by one."""
    rows = [
        (sample, label, edge)
        for sample, label in enumerate([0, 0, 0, 0, 1, 1, 1, 1, 1])
        for edge in RANDOM.choice(30, 8, replace=False)
    ]
    edges = pd.DataFrame(rows, columns=["sample", "label", "source"]).assign(target=1, layer=1)
    order = edges.drop_duplicates("sample")[["sample", "label"]].sample(
        frac=1, random_state=np.random.default_rng(5)
    )
    expected = np.zeros((2, 4))
    for label, position in ((label, n) for label in (0, 1) for n in range(4)):
        some = order[order.label == label]["sample"][: position + 1]
        expected[label, position] = edges[edges["sample"].isin(some)].source.nunique()
    grown = classes.measure_growth(edges, np.random.default_rng(5))
    np.testing.assert_allclose(grown, expected.mean(0))
    assert classes.share_at_half(grown) == pytest.approx(grown[1] / grown[3])


def test_half_of_the_images_have_half_of_the_edges_if_none_is_shared() -> None:
    rows = [(sample, sample % 2, 10 * sample + edge) for sample in range(12) for edge in range(3)]
    edges = pd.DataFrame(rows, columns=["sample", "label", "source"]).assign(target=1, layer=1)
    assert classes.share_at_half(classes.measure_growth(edges, RANDOM)) == pytest.approx(0.5)
    likeness = classes.compare_classes(edges.assign(source=edges.source % 3))
    assert (likeness.J == 1).all() and len(likeness) == 2 * len(list(combinations(range(2), 2)))


def test_gates_are_those_of_each_image_and_map(tmp_path: Path) -> None:
    """However many are learned at once; and they answer as the network does, with less."""
    setting = Setting(tmp_path, seeds=(0,), widths=(8, 8), train_images=600)
    with Bench(setting, 0, TRAINED, setting.network(TRAINED, 0), {}) as bench:
        images = bench.images(12)
        found = gates.learn_gates(bench, images)
        alone = gates.learn_gates(bench, images.subset(np.array([4])))
    assert found.shape == (12, 8 + 8 + 64) and list(found.index) == images.rows()["sample"].to_pylist()
    np.testing.assert_allclose(found.loc[alone.index], alone, atol=1e-4)
    assert found.to_numpy().min() >= 0 and (found.sum(axis=1) < found.shape[1]).all()
    assert found.round(3).drop_duplicates().shape[0] == 12


@pytest.mark.slow
def test_both_run_on_a_small_net(tmp_path: Path) -> None:
    """One seed: no verdict, but every quantity and page."""
    setting = Setting(tmp_path, seeds=(0,), widths=(8, 8), train_images=600)
    made = run_study(classes.STUDY, setting, {"images": 80})
    effects = made.tables["effects"].groupby(["quantity", "condition"]).value.mean()
    assert effects["apart", "measured"] > effects["apart", "shuffled labels"]
    assert effects["saturation", "measured"] > 0.5
    assert made.page.is_file()
    published = pd.read_parquet(made.folder / "published.parquet")
    assert len(published) == len(classes.PRINTED) and published.ours.between(0, 1, inclusive="neither").all()
    found = run_study(detection.STUDY, setting, {"images": 60, "classes": 150})
    auc = found.tables["effects"].query("quantity == 'auc'")
    for condition in (MEASURED, detection.GATES):
        some = auc[auc.condition == condition]
        assert list(some.name) == list(detection.ATTACKS) and some.value.between(0, 1).all()
    told = found.tables["gates"].set_index("tested_on").auc
    assert set(told.index) == set(detection.ATTACKS) and told.nunique() > 1
    assert set(found.tables["auc"].tested_on) == set(detection.ATTACKS)
    assert len(found.verdicts) == len(detection.STUDY.claims)
