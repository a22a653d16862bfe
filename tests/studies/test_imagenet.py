"""The studies of one real network, on a small one: what they compute, against loops and named queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from dataclasses import replace  # noqa: E402

from graphpath.data import BaseImages  # noqa: E402
from graphpath.errors import StudyError  # noqa: E402
from graphpath.report.pathway.blocks import gather_blocks  # noqa: E402
from graphpath.stores import open_store  # noqa: E402
from graphpath.studies import MEASURED, SHUFFLED, run_study  # noqa: E402
from graphpath.studies.conditions import LEFT_OUT, TRAINED  # noqa: E402
from graphpath.studies.imagenet import (  # noqa: E402
    attacks,
    categories,
    conflicts,
    cue_conflict,
    pathways,
)
from graphpath.studies.imagenet.maps import MAPS_AT_RANDOM, share_by_map, subtract  # noqa: E402
from graphpath.studies.imagenet.resampling import compare_kinds, make_pseudo_value  # noqa: E402
from graphpath.studies.intervals import interval  # noqa: E402
from tests.studies.test_groups import made, make_setting  # noqa: E402, F401
from tests.synthetic import write_trace  # noqa: E402

RANDOM = np.random.default_rng(0)


def test_likeness_is_that_of_the_query(tmp_path: Path) -> None:
    """Layer by layer, the mean over pairs of one class and of two."""
    trace = write_trace(tmp_path / "t", run="run", samples=9, side=2)
    samples = trace.samples().to_table().to_pandas()
    found = pathways.read_map_edges(trace, samples["sample"].tolist())
    layers = gather_blocks(trace.layers().to_table().to_pandas())[1:]
    alike = pathways.compare_all(found, layers)
    with open_store(tmp_path / "s.lbdb") as store:
        store.load(trace)
        asked = store.query("categories/consistency", run="run", unit="map").set_index("layer")
    labels = samples.label.to_numpy()
    one, two = np.triu_indices(len(labels), 1)
    same = labels[one] == labels[two]
    assert [block.numbers for block in layers] == [(n,) for n in sorted(asked.index) if n > 0]
    for place, block in enumerate(layers):
        values, told = alike[place][one, two], asked.loc[block.numbers[0]]
        assert np.nanmean(values[same]) == pytest.approx(told.weighted_J_within, rel=1e-9)
        assert np.nanmean(values[~same]) == pytest.approx(told.weighted_J_between, rel=1e-9)
    beside = pathways.compare_with(found, found, layers)
    np.testing.assert_allclose(beside, alike)
    assert np.nanmax(np.abs(np.diagonal(alike, axis1=1, axis2=2) - 1)) < 1e-12


def test_the_mean_pathway_of_a_group_is_that_of_its_images() -> None:
    edges = pd.DataFrame(
        {"image": [0, 0, 1, 2], "layer": 1, "source": [1, 2, 1, 9], "target": 5, "weight": [0.25, 0.75, 1, 1]}
    )
    mean = pathways.average(pathways.MapPathways(edges, 3), [np.array([1, 1, 0], bool), np.arange(3) == 2])
    assert mean.images == 2
    assert mean.edges.set_index(["image", "source"]).weight.to_dict() == {
        (0, 1): 0.625, (0, 2): 0.375, (1, 9): 1.0
    }  # fmt: skip


def test_kinds_are_compared_as_by_counting() -> None:
    alike = RANDOM.integers(0, 6, (3, 40)).astype(float)
    first = RANDOM.random(40) < 0.3
    second = ~first & (RANDOM.random(40) < 0.6)
    expected = [np.mean([(a > b) + (a == b) / 2 for a in row[first] for b in row[second]]) for row in alike]
    np.testing.assert_allclose(compare_kinds(alike, first, second), expected)
    assert np.isnan(compare_kinds(alike, first, np.zeros(40, bool))).all()


def test_pseudo_values_of_a_mean_are_the_groups_means() -> None:
    values, groups = RANDOM.normal(size=20), np.arange(20) % 5
    found = [make_pseudo_value(lambda chosen: values[chosen].mean(), groups, group) for group in range(5)]
    np.testing.assert_allclose(found, [values[groups == group].mean() for group in range(5)])


def test_the_interval_over_images_holds_what_it_is_about() -> None:
    """Pairs of images share images: of 300 sets, where categories mean nothing, 95 % or so hold one half."""
    held, below = 0, 0
    kinds, groups = np.array(list("aaaaaaabbbbbbbccc")), np.arange(17) % 5
    for _ in range(300):
        places = RANDOM.normal(size=(17, 2))
        alike = -np.abs(places[:, None] - places[None]).sum(-1)[None]
        values = [
            make_pseudo_value(
                lambda chosen, alike=alike: categories.compare_pairs(alike, kinds, chosen, "", ""),
                groups,
                group,
            )
            for group in range(5)
        ]
        found = interval(np.concatenate(values))
        held += found.low <= 0.5 <= found.high
        below += found.low > 0.5
    assert 270 <= held <= 298 and below <= 15


def test_the_study_of_categories(made: Path, tmp_path: Path) -> None:  # noqa: F811
    setting = replace(make_setting(made, tmp_path, groups=3))
    result = run_study(categories.STUDY, setting, {"images": 20, "top": 3})
    effects = result.tables["effects"]
    own = effects[(effects.network == TRAINED) & (effects.quantity == categories.AMONG)]
    assert set(own.condition) == {MEASURED, SHUFFLED, LEFT_OUT}
    blocks = own[own.condition == MEASURED].name.unique()
    assert len(blocks) == 2 and own[own.condition == LEFT_OUT].layer.eq(2).all()
    shuffled = own[own.condition == SHUFFLED].groupby("layer").value.mean()
    assert shuffled.between(0.3, 0.7).all()
    lead = effects[effects.quantity == categories.LEAD].groupby("condition").value.mean()
    assert set(lead.index) == {MEASURED, MAPS_AT_RANDOM}
    page = result.page.read_text()
    assert "data:image/png;base64," in page and "Which categories share most" in page
    assert result.verdicts.over.eq("group of images").all() and result.verdicts.seeds.eq(3).all()
    with pytest.raises(Exception, match="in the category 'horse', and each of 3 groups needs one"):
        run_study(categories.STUDY, setting, {"other": "horse"})


def test_shares_of_maps_and_what_leads() -> None:
    edges = pd.DataFrame(
        [
            (0, 1, 7, 50, 0.5),
            (0, 1, 8, 50, 0.25),
            (0, 1, 8, 51, 0.25),
            (1, 1, 7, 51, 1.0),
            (1, 2, 50, 60, 1.0),
        ],
        columns=["image", "layer", "source", "target", "weight"],
    )
    layers = pd.DataFrame(
        {"layer": [0, 1, 2, 3], "name": ["input", "a", "b", "c"], "kind": "convolution", "channels": 1,
         "height": 1, "width": 1}
    )  # fmt: skip
    shares = share_by_map(pathways.MapPathways(edges, 3), gather_blocks(layers)[1:])
    assert shares.loc[(0, 50)].tolist()[:2] == [0.75, 0] and np.isnan(shares.loc[(0, 50), 2])
    assert shares.loc[(1, 60)].dropna().tolist() == [1.0]
    lead = subtract(shares, np.array([1, 0, 0], bool), np.array([0, 1, 0], bool))
    assert lead[0, 50] == 0.75 and lead[0, 51] == -0.75


def test_references_are_other_photographs_of_every_category() -> None:
    kinds = np.array(["a"] * 5 + ["b"] * 2 + ["c"])
    chosen = attacks.split_references(kinds, 3)
    assert pd.Series(kinds[chosen]).value_counts().to_dict() == {"a": 2, "b": 1}
    assert attacks.split_references(kinds, 2).sum() == 2


def test_companions_are_the_others_of_a_category() -> None:
    alike = RANDOM.random((2, 5, 5))
    kinds = np.array(["a", "b", "a", "a", "b"])
    found = attacks.average_companions(alike, np.append(kinds[:4], "c"))
    assert np.isnan(found[:, [1, 4]]).all()
    np.testing.assert_allclose(found[1, 2], np.mean([alike[1, 2, 0], alike[1, 2, 3]]))
    np.testing.assert_allclose(attacks.average_known(found)[0], found[0, [0, 2, 3]].mean())


def test_the_study_of_attacks(
    made: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attacks large enough to fool it."""
    monkeypatch.setattr(attacks, "EPSILONS", {"1/255": 0.3, "4/255": 0.6})
    setting = make_setting(made, tmp_path, groups=3, trained=True)
    result = run_study(attacks.STUDY, setting, {"images": 18, "references": 8})
    effects = result.tables["effects"]
    areas = effects[effects.quantity == "auc, 4/255"].pivot_table(
        index="seed", columns="condition", values="value"
    )
    assert areas.shape == (3, 2) and areas.notna().all(axis=None)
    counted = result.tables["counted"].drop_duplicates("attack").set_index("attack").images
    assert counted["none"] > 3 and counted["pgd 0.6"] > 3 and counted["pgd 0.6"] <= counted["none"]
    kept = result.tables["kept"].groupby(["attack", "place"])[["likeness", "null", "left"]].mean()
    assert kept.stack().between(0, 1).all() and len(kept) == 2 * 3
    assert kept.likeness["1/255"].iloc[0] > kept.likeness["4/255"].iloc[0]
    assert len(result.verdicts) == 8 and result.page.is_file()


def test_decisions_are_counted_as_geirhos_et_al_count_them() -> None:
    """Of seven images one has no conflict, and two are decided for neither."""
    shape = np.array(["cat", "cat", "dog", "dog", "dog", "cat", "dog"])
    texture = np.array(["dog", "dog", "cat", "dog", "cat", "dog", "cat"])
    decided = np.array(["cat", "dog", "cat", "dog", "bear", "oven", "cat"])
    found = conflicts.Conflicts(BaseImages, shape, texture, decided)  # type: ignore[arg-type]
    every = np.ones(7, bool)
    assert found.conflicting.tolist() == [True, True, True, False, True, True, True]
    assert conflicts.count_shape_bias(found, every) == pytest.approx(1 / 4)
    assert np.isnan(conflicts.count_shape_bias(found, np.arange(7) == 4))
    table = cue_conflict.count_decisions(found, every).set_index("kind")
    assert table.loc["dog", ["images", "shape", "texture", "bias"]].tolist() == [3, 0, 2 / 3, 0]


def test_what_an_image_shares_with_its_textures_category() -> None:
    own = pd.DataFrame(
        {"image": [0, 0, 0, 1], "layer": [1, 1, 2, 1], "source": [1, 2, 5, 1], "target": [5, 6, 9, 5],
         "weight": [0.7, 0.3, 1.0, 1.0]}
    )  # fmt: skip
    means = pd.DataFrame(
        {"image": [0, 1, 1], "layer": 1, "source": [1, 2, 1], "target": [5, 6, 5], "weight": [0.2, 0.6, 0.4]}
    )
    paths = [pathways.MapPathways(one, 2) for one in (own, means)]
    maps = cue_conflict.choose_maps(*paths, np.array([0, 1]), np.array([1, 0]), 5, last=2)
    # Image 0: min(.3, .6) into map 6, and .4 - .2 into map 5. Image 1 shares less with its texture's.
    assert maps.to_numpy().tolist() == [[0, 1, 6], [0, 1, 5]]
    drawn = cue_conflict.draw_maps(paths[0], maps.iloc[:1], np.random.default_rng(0))
    assert len(drawn) == 1 and drawn["map"].isin([5, 6]).all() and drawn.image.eq(0).all()
    layers = pd.DataFrame({"channels": 3, "height": 2, "width": 2, "offset": -3}, index=[1])
    factors = cue_conflict.make_factors(maps, layers, 0, 2)[1]
    assert factors[:, :, 0, 0].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_the_study_of_cue_conflicts(made: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = write_conflicts(tmp_path / "images" / "cues")
    setting = replace(make_setting(made, tmp_path, groups=3, trained=True), data=str(folder))
    result = run_study(cue_conflict.STUDY, setting, {"images": 12, "references": 2, "ablated": 2})
    effects = result.tables["effects"]
    values = effects[effects.network == TRAINED].groupby(["quantity", "condition"]).value.mean()
    assert 0 < values["texture decisions", MEASURED] < 1
    assert {MEASURED, SHUFFLED} == {
        condition for name, condition in values.index if name == cue_conflict.LEAN
    }
    assert {MEASURED, MAPS_AT_RANDOM} <= {c for name, c in values.index if name == cue_conflict.TURNED}
    own = result.tables["decisions"].query("network == 'trained' and kind == 'all'")
    assert own.images.sum() == 24
    published = pd.read_parquet(result.folder / "published.parquet")
    assert published.ours.iloc[0] == pytest.approx(1 - values["texture decisions", MEASURED])
    assert len(result.verdicts) == 5 and result.page.is_file()
    with pytest.raises(StudyError, match="is not called SHAPEn-TEXTUREm"):
        run_study(cue_conflict.STUDY, make_setting(made, tmp_path, "kinds", groups=3))


def write_conflicts(folder: Path) -> Path:
    """Noise of the colours of cats and dogs, half of them of neither."""
    for shape in ("cat", "dog"):
        (folder / shape).mkdir(parents=True)
        for texture in ("cat", "dog"):
            for number in range(12 if shape != texture else 4):
                pixels = np.random.default_rng((ord(shape[0]), ord(texture[0]), number)).integers(
                    0, 255, (20, 20, 3)
                )
                file = folder / shape / f"{shape}{number}-{texture}1.png"
                Image.fromarray(pixels.astype(np.uint8)).save(file)
    return folder
