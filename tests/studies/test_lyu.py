"""The experiments of Lyu et al. at tiny size, end to end, and their statistics against slow twins.

The twins are written from the definitions (graphpath/tracing/README.md), by loops over the
trace's own Parquet rows and plain forward passes.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from graphpath.data import BaseImages  # noqa: E402
from graphpath.errors import StudyError  # noqa: E402
from graphpath.record import Trace  # noqa: E402
from graphpath.studies import AREA, MEASURED, SHUFFLED, STUDIES, Bench, Setting, run_study  # noqa: E402
from graphpath.studies.conditions import LEFT_OUT  # noqa: E402
from graphpath.studies.lyu import (  # noqa: E402
    attacked,
    causal,
    consistency,
    counts,
    key_maps,
    movement,
    occlusion,
    profiles,
)
from graphpath.studies.setting import halve_canvas, room  # noqa: E402

TINY: dict[str, dict[str, Any]] = {
    "lyu/key_maps": {"images": 20, "held_out": 60, "permutations": 19},
    "lyu/causal": {"images": 20, "held_out": 60, "draws": 2},
    "lyu/consistency": {"images": 20},
    "lyu/portion_hot": {"images": 20, "folds": 2},
    "lyu/attacked": {"images": 20},
    "lyu/occlusion": {"images": 10},
    "lyu/movement": {"images": 6, "steps": 2},
    "lyu/counts": {"images": 6, "pairs": 1, "folds": 2},
}
TOP = 5


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(tmp_path_factory.mktemp("lyu"), seeds=(0,), widths=(8, 12), train_images=600)


@pytest.fixture(scope="module")
def bench(setting: Setting) -> Any:
    options = {"images": 20, "top": TOP, "held_out": 60, "permutations": 19, "share": 0.25, "draws": 2}
    with Bench(setting, 0, "trained", setting.network("trained", 0), options, part="signed") as made:
        yield made


@pytest.fixture(scope="module")
def clean(bench: Bench) -> tuple[BaseImages, Trace]:
    images = bench.images(20)
    return images, profiles.trace_diffusion(bench, images)


def crossed(traced: Trace) -> pd.DataFrame:
    """A row for each sample, layer, foreground pixel and one of its largest maps."""
    pathways = traced.pathways().to_table().to_pandas()[["pathway", "sample"]]
    found = traced.crosses().to_table().to_pandas().merge(pathways)
    return found[(found.layer > 0) & (found["rank"] <= TOP)]


def test_every_study_has_a_tiny_run() -> None:
    assert TINY.keys() == {name for name in STUDIES if name.startswith("lyu/")}


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_end_to_end(name: str, setting: Setting) -> None:
    study = STUDIES[name]
    result = run_study(study, setting, TINY[name])
    effects = result.tables["effects"]
    assert len(result.verdicts) == len(study.claims) * 2
    for claim in study.claims:
        rows = effects[(effects.quantity == claim.quantity) & (effects.network == "trained")]
        wanted = {MEASURED, *claim.controls, *claim.beside} - {"random weights"}
        assert wanted <= set(rows.condition)
        assert set(rows.part) == {"signed", "plus_one"}
        assert {"trained", "random weights"} == set(effects[effects.quantity == claim.quantity].network)
    page = result.page.read_text()
    assert "pathways/counts" in page or "graphpath.analysis" in page
    again = run_study(study, setting, TINY[name])
    pd.testing.assert_frame_equal(again.tables["effects"], effects)


def test_profiles_are_the_pixels_of_the_trace(bench: Bench, clean: tuple[BaseImages, Trace]) -> None:
    images, traced = clean
    found, rows = profiles.count_maps(bench, traced, images), crossed(traced)
    assert found.layers == [1, 2]
    for place, sample in enumerate(images.rows()["sample"].to_pylist()):
        for layer in found.layers:
            own = rows[(rows["sample"] == sample) & (rows.layer == layer)]
            expected = [int((own.channel == c).sum()) for c in range(found.by_layer[layer].shape[1])]
            assert found.by_layer[layer][place].tolist() == expected


def test_active_area_is_counted_in_the_module_itself(bench: Bench, clean: tuple[BaseImages, Trace]) -> None:
    images, traced = clean
    found = profiles.read_active_area(bench, images, profiles.list_map_layers(traced))
    value = images.batch(0, len(images))
    with torch.no_grad():
        for layer, part in ((1, bench.model.module[:2]), (2, bench.model.module[2:4])):
            value = part(value)
            expected = [[(plane != 0).float().mean().item() for plane in image] for image in value]
            np.testing.assert_allclose(found.by_layer[layer], expected, atol=1e-6)


def test_key_maps_are_looked_for_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = pd.DataFrame({"layer": [1], "channels": [8]})
    first = key_maps.find_key_maps(bench, layers, beside=20)
    monkeypatch.delattr(key_maps, "key_maps")
    np.testing.assert_array_equal(key_maps.find_key_maps(bench, layers, beside=20)[1], first[1])
    for other, beside in ((layers, 21), (layers.assign(layer=[2]), 20)):
        with pytest.raises(NameError):
            key_maps.find_key_maps(bench, other, beside)


def test_lift_is_the_mean_share_of_large_pathways_on_key_maps(
    bench: Bench, clean: tuple[BaseImages, Trace]
) -> None:
    images, traced = clean
    measured = profiles.count_maps(bench, traced, images)
    keys = key_maps.find_key_maps(bench, profiles.list_map_layers(traced), beside=20)
    rows, labels = crossed(traced), images.labels
    for layer in measured.layers:
        shares, chances = [], []
        for sample, label in zip(images.rows()["sample"].to_pylist(), labels, strict=True):
            own = rows[(rows["sample"] == sample) & (rows.layer == layer)]
            if len(own):
                shares.append(np.mean([keys[layer][label, c] for c in own.channel]))
                chances.append(np.mean(keys[layer][label]))
        expected = np.mean(shares) / np.mean(chances)
        assert key_maps.lift(measured.by_layer[layer], keys[layer], labels) == pytest.approx(expected)
        assert keys[layer].sum(1).tolist() == [4] * 10  # a tenth of the maps, and at least four


def test_lift_of_chance_is_one_and_of_certainty_the_inverse() -> None:
    random, labels = np.random.default_rng(0), np.arange(4).repeat(500)
    keys = np.zeros((4, 20), bool)
    keys[np.arange(4)[:, None], np.arange(5)] = True
    anything = random.integers(0, 9, (2000, 20)).astype(float)
    assert key_maps.lift(anything, keys, labels) == pytest.approx(1, abs=0.05)
    assert key_maps.lift(keys[labels].astype(float), keys, labels) == pytest.approx(4)
    assert np.isnan(key_maps.lift(np.zeros((2000, 20)), keys, labels))


def test_permutations_of_nothing_are_not_small_and_of_something_are(bench: Bench) -> None:
    keys = np.zeros((2, 20), bool)
    keys[:, :4] = True
    labels = np.array([0, 1] * 10)
    hit, even = keys[labels].astype(float), np.ones((20, 20))
    assert key_maps.permutation_p(bench, hit, keys, labels, 5.0) == pytest.approx(1 / 20)
    assert key_maps.permutation_p(bench, even, keys, labels, 1.0) == 1.0


def test_taking_maps_out_equals_a_network_with_them_zeroed(
    bench: Bench, clean: tuple[BaseImages, Trace]
) -> None:
    images, module = clean[0], bench.model.module
    sets = np.random.default_rng(0).random((10, 8)) < 0.4
    none = np.zeros_like(sets)
    lost = causal.measure_losses(
        bench, images, {1: {"some": [sets], "half": [sets, none]}, 2: {"none": [none]}}
    )
    accuracy, logit = lost[1]["some"]
    assert lost[1]["half"] == pytest.approx((accuracy / 2, logit / 2)) and lost[2]["none"] == (0, 0)
    drops, right = [], {label: [] for label in range(10)}
    with torch.no_grad():
        for position, label in enumerate(images.labels):
            pixels = images.batch(position, position + 1)
            maps = module[:2](pixels)
            without = maps.clone()
            without[:, torch.from_numpy(sets[label])] = 0
            one, two = module[2:](maps)[0], module[2:](without)[0]
            drops.append(float(one[label] - two[label]))
            right[int(label)].append(float(one.argmax() == label) - float(two.argmax() == label))
    assert logit == pytest.approx(np.mean(drops), abs=1e-5)
    assert accuracy == pytest.approx(np.mean([np.mean(values) for values in right.values()]))


def test_likeness_of_profiles_and_their_auc() -> None:
    from scipy import stats

    random = np.random.default_rng(1)
    values, labels = random.integers(0, 5, (12, 9)).astype(float), np.array([0, 1, 2] * 4)
    values[3] = 2.0  # of one value: its correlation is none
    alike = consistency.spearman(values)
    pairs: dict[bool, list[float]] = {True: [], False: []}
    for one, two in itertools.combinations(range(12), 2):
        if 3 in (one, two):
            assert np.isnan(alike[one, two])
            continue
        expected = float(stats.spearmanr(values[one], values[two]).statistic)
        assert alike[one, two] == pytest.approx(expected)
        assert profiles.paired_spearman(values[[one]], values[[two]])[0] == pytest.approx(expected)
        pairs[bool(labels[one] == labels[two])].append(alike[one, two])
    wins = [(a > b) + 0.5 * (a == b) for a in pairs[True] for b in pairs[False]]
    assert consistency.auc(alike, labels) == pytest.approx(np.mean(wins))
    assert consistency.mean_similarity(alike, labels) == pytest.approx(
        (np.mean(pairs[True]), np.mean(pairs[False]))
    )
    assert np.isnan(consistency.auc(alike, np.arange(12)))


def test_jaccard_of_the_most_crossed_maps() -> None:
    top = profiles.mark_largest(np.array([[3.0, 1, 2, 0], [0, 5, 5, 1], [0, 0, 0, 0], [0, 0, 0, 0]]), 2)
    assert [set(np.flatnonzero(row)) for row in top] == [{0, 2}, {1, 2}, set(), set()]
    alike = consistency.jaccard(top)
    assert alike[0, 1] == pytest.approx(1 / 3) and alike[0, 2] == 0 and np.isnan(alike[2, 3])


def test_shuffled_labels_are_a_control(bench: Bench) -> None:
    """Profiles that tell their class: dealt labels leave the AUC at one half, own ones do not."""
    random = np.random.default_rng(2)
    labels = np.repeat(np.arange(5), 30)
    values = random.poisson(3 + 6 * (np.arange(20) % 5 == labels[:, None])).astype(float)
    alike = consistency.spearman(values)
    assert consistency.auc(alike, labels) > 0.9
    dealt = [consistency.auc(alike, random.permutation(labels)) for _ in range(20)]
    assert np.mean(dealt) == pytest.approx(0.5, abs=0.01)


@pytest.mark.slow
def test_the_measured_effect_of_shuffled_labels_is_none(setting: Setting) -> None:
    """Of the real pathways: over all units of a study, the shuffled AUC lies about one half."""
    effects = run_study(STUDIES["lyu/consistency"], setting, {"images": 60}).tables["effects"]
    auc = effects[effects.quantity == "AUC"].groupby("condition").value.mean()
    assert abs(auc[SHUFFLED] - 0.5) < 0.03 < auc[MEASURED] - 0.5


def test_mean_profiles_leave_an_images_own_original_out() -> None:
    clean = np.array([[1.0, 0], [3.0, 2], [5.0, 5], [0, 8.0]])
    seen = np.array([0, 0, 1, 1])
    found = attacked.mean_profiles(clean, seen, np.array([0, 1, 2]), np.array([0, 0, 0]))
    np.testing.assert_allclose(found[0], clean[1])  # itself left out
    np.testing.assert_allclose(found[1], (clean[2] + clean[3]) / 2)
    assert np.isnan(found[2]).all()  # a class that no clean image is seen as


def test_lean_is_likeness_to_the_target_less_to_the_source() -> None:
    seen = np.array([0, 0, 0, 1, 1, 1])
    clean = np.array([[5.0, 3, 1, 0], [4, 3, 2, 1], [6, 2, 1, 0], [0, 1, 3, 5], [1, 2, 3, 4], [0, 1, 2, 6]])
    before = profiles.Profiles({1: clean}, {1: "one"})
    turned = profiles.Profiles({1: clean[[3]]}, {1: "one"})
    fooled = attacked.FoolingImages(None, np.array([0]), np.array([0]), np.array([1]))  # type: ignore[arg-type]
    assert attacked.measure_lean(before, turned, seen, fooled)[1] == pytest.approx(2.0)
    stayed = profiles.Profiles({1: clean[[0]]}, {1: "one"})
    assert attacked.measure_lean(before, stayed, seen, fooled)[1] == pytest.approx(-2.0)


def test_attacked_images_that_count_were_fooled(bench: Bench, clean: tuple[BaseImages, Trace]) -> None:
    bench.options = {**bench.options, "epsilon": 0.3}
    seen = bench.predict(clean[0])
    fooled = attacked.attack_images(bench, clean[0], seen, "pgd")
    assert len(fooled.images) and (fooled.source != fooled.target).all()
    parents = fooled.images.rows()["parent"].to_pylist()
    assert parents == clean[0].rows()["sample"].take(fooled.original).to_pylist()
    assert (bench.predict(fooled.images) == fooled.target).all()


@pytest.mark.parametrize("share", occlusion.SHARES)
def test_rectangles_cover_what_they_should(share: float) -> None:
    boxes = occlusion.draw_rectangles(np.random.default_rng(0), 400, (28, 28), share)
    top, left, height, width = boxes.T
    assert (top >= 0).all() and (top + height <= 28).all() and (left + width <= 28).all()
    assert (height * width / 28**2).mean() == pytest.approx(share, rel=0.05)


def test_occluded_images_are_their_parents_with_a_hole(bench: Bench, clean: tuple[BaseImages, Trace]) -> None:
    whole = clean[0]
    images, share = occlusion.occlude(bench, whole)
    before, after = whole.batch(0, 20).repeat(len(occlusion.SHARES), 1, 1, 1), images.batch(0, len(images))
    assert ((after == before) | (after == 0)).all() and len(share) == len(images)
    assert images.rows()["parent"].to_pylist() == whole.rows()["sample"].to_pylist() * len(occlusion.SHARES)
    assert set(images.rows()["variant"].to_pylist()) == {"occluded"}


def test_the_right_are_compared_with_the_wrong_equally_occluded() -> None:
    share = np.array([0.1, 0.1, 0.1, 0.5, 0.5, 0.9])
    right = np.array([True, True, False, True, False, True])
    kept = np.array([0.9, 0.7, 0.5, 0.4, 0.3, 0.0])
    # (.8 - .5) with weight 2/3, (.4 - .3) with weight 1/2; the last share has no wrong one
    expected = (0.3 * 2 / 3 + 0.1 / 2) / (2 / 3 + 1 / 2)
    assert occlusion.measure_advantage(kept, right, share) == pytest.approx(expected)
    assert np.isnan(occlusion.measure_advantage(kept, np.ones(6, bool), share))


def test_only_the_mover_moves(setting: Setting) -> None:
    composed = setting.compose_pairs()
    options = {"images": 6, "top": TOP, "steps": 3}
    with Bench(composed, 0, "trained", composed.network("trained", 0), options, part="signed") as bench:
        unmoved = movement.stage_scenes(bench)
        moved = movement.shift_scenes(bench, unmoved)
        whole, after = unmoved.images.batch(0, 6), moved.images.batch(0, len(moved.images))
        assert not (unmoved.mover & unmoved.still).any() and not (moved.mover & moved.still).any()
        for place, start in enumerate(moved.start):
            detail = json.loads(moved.images.rows()["detail"][place].as_py())
            down, right = detail["down"], detail["right"]
            assert abs(down) + abs(right) == moved.distance[place] > 0
            before = unmoved.mover[start]
            ys, xs = np.nonzero(before)
            assert moved.mover[place][ys + down, xs + right].all()
            assert moved.mover[place].sum() == before.sum()
            still = torch.from_numpy(unmoved.still[start])
            assert torch.equal(after[place, 0][still], whole[start, 0][still])
            shifted = after[place, 0].numpy()[ys + down, xs + right]
            np.testing.assert_array_equal(shifted, whole[start, 0].numpy()[ys, xs])


def test_what_moves_is_not_asked_of_the_first_convolution(setting: Setting) -> None:
    """There a pixel's pathways depend on the pixel alone: what is moved keeps them, but at the border."""
    with Bench(
        setting.compose_pairs(),
        0,
        "trained",
        setting.compose_pairs().network("trained", 0),
        {"images": 6, "top": TOP, "steps": 2},
        part="signed",
    ) as bench:
        found = movement.measure(bench)
    asked = found.effects[found.effects.quantity == "mover over still"].set_index("layer")
    changes = found.tables["changes"].set_index(["layer", "whose"]).change
    first = changes.index.levels[0].min()
    assert asked.condition[first] == LEFT_OUT and np.isnan(asked.value[first])
    assert (asked.condition.drop(first) == "measured").all() and len(asked) > 1


def test_a_given_network_sees_two_small_objects(setting: Setting, tmp_path: Path) -> None:
    """On canvases of its own shape, as large as they can be and yet move; none are trained for it."""
    pairs = setting.compose_pairs()
    pairs.network("trained", 0)
    [checkpoint] = (pairs.folder / "networks").glob("*seed0.pt")  # for canvases of 14 x 28
    given = replace(setting, out=tmp_path, seeds=(0,), models=(str(checkpoint),)).compose_pairs()
    assert given.network("trained", 0).sha256 == pairs.network("trained", 0).sha256
    ours, theirs = given.images(), pairs.images()
    assert torch.equal(ours.batch(0, 20), theirs.batch(0, 20)) and ours.fingerprint == theirs.fingerprint
    assert given.describe()["network"] == f"{checkpoint.stem} on images in pairs"
    assert given.measure_accuracy(0) == pytest.approx(pairs.measure_accuracy(0), abs=1e-9)
    for canvas, side in (((14, 28), 8), ((32, 32), 10), ((64, 84), 28), ((40, 224), 27)):
        assert halve_canvas(canvas) == (side, side)
        assert side + 2 * room((1, side, side)) <= min(canvas[0], canvas[1] // 2)
        assert side + 1 + 2 * room((1, side + 1, side + 1)) > min(canvas[0], canvas[1] // 2)
    with pytest.raises(StudyError, match="images of 8 x 8 has no room for two objects that move"):
        halve_canvas((8, 8))


def test_what_is_told_by_counts_is_told_of_images_not_seen(bench: Bench) -> None:
    """Features that are the image's own noise tell nothing; those of its kind do; chance is 0."""
    bench.options = {**bench.options, "folds": 4}
    random = np.random.default_rng(3)
    kind, group = np.repeat([0, 1, 2], 40), np.r_[np.arange(40), np.arange(40), 40 + np.arange(40)]
    noise = random.normal(size=(120, 6))
    told = counts.measure_discrimination(bench, noise, kind, group)
    assert abs(told["three kinds"]) < 0.15 and abs(told["original or deformed"]) < 0.2
    known = counts.measure_discrimination(
        bench, noise + 3 * np.eye(3)[kind][:, [0, 1, 2, 0, 1, 2]], kind, group
    )
    assert known["three kinds"] > 0.6 and known["original or deformed"] > 0.45


def test_pathways_are_no_random_networks(setting: Setting) -> None:
    """Random weights are another network, and the area baseline is of other numbers."""
    effects = run_study(STUDIES["lyu/key_maps"], setting, TINY["lyu/key_maps"]).tables["effects"]
    values = effects[effects.condition == MEASURED].groupby("network").value.apply(tuple)
    assert values["trained"] != values["random weights"]
    area = effects[(effects.condition == AREA) & (effects.network == "trained")].value
    assert tuple(area) != values["trained"]


def test_another_setting_keeps_its_own_files(setting: Setting, tmp_path: Path) -> None:
    assert setting.compose_pairs().folder != setting.folder
    assert setting.compose_pairs().images("test", 30).shape == (1, 14, 28)


def test_portions_are_of_the_originals_foreground(bench: Bench, clean: tuple[BaseImages, Trace]) -> None:
    images, traced = clean
    places = attacked.mark_foreground(images)
    pixels = images.batch(0, len(images))
    assert places.tolist() == [
        [[value > 0.1 for value in row] for row in image[0].tolist()] for image in pixels
    ]
    found, whole = (
        attacked.measure_portions(bench, traced, images, places),
        profiles.count_maps(bench, traced, images),
    )
    for layer in found.layers:
        np.testing.assert_allclose(found.by_layer[layer], whole.by_layer[layer] / places.sum((1, 2))[:, None])
    half = places.copy()
    half[:, 4:] = False
    assert not np.allclose(
        attacked.measure_portions(bench, traced, images, half).by_layer[1], found.by_layer[1]
    )
