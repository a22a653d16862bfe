"""The experiments of Khakzar et al.: each statistic against plain loops, and bounds measured on the toy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from graphpath.attribution import attribute  # noqa: E402
from graphpath.studies import RANDOM, STUDIES, Bench, Measurement, Setting, Study, run_study  # noqa: E402
from graphpath.studies.conditions import SHUFFLED, TRAINED  # noqa: E402
from graphpath.studies.khakzar import (  # noqa: E402
    decoding,
    degradation,
    linearity,
    overlap,
    roar,
    sanity,
    sensitivity,
)
from graphpath.studies.khakzar.saliency import (  # noqa: E402
    attribute_images,
    compute_logits,
    deal_classes,
    mean_colour,
    saliency,
)
from graphpath.studies.khakzar.selections import (  # noqa: E402
    independent_jaccard,
    iterate_selections,
    jaccard,
    select_neurons,
)

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(tmp_path_factory.mktemp("khakzar"), seeds=SEEDS, widths=(16, 32), train_images=900)


@contextmanager
def at_work(setting: Setting, study: Study, seed: int = 0, part: str = "", **options: Any) -> Iterator[Bench]:
    model = setting.network(TRAINED, seed)
    with Bench(setting, seed, TRAINED, model, {**study.options, **options}, part) as bench:
        yield bench


def effect(measured: Measurement, quantity: str, condition: str = "measured") -> float:
    """The one value of a quantity, or the least of its layers."""
    some = measured.effects
    chosen = some[(some.quantity == quantity) & (some.condition == condition)].value
    assert len(chosen)
    return float(chosen.min())


def contributions(module: nn.Module, image: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """``|a * df/da|`` and a of all units behind ReLUs, of one image (1, C, H, W), by autograd alone."""
    kept, value = [], image
    for child in module.children():
        value = child(value)
        if isinstance(child, nn.ReLU):
            value.retain_grad()
            kept.append(value)
    value.max().backward()
    flat = [(a * a.grad).detach().flatten().double().numpy() for a in kept]
    return np.abs(np.concatenate(flat)), np.concatenate([a.detach().flatten().numpy() for a in kept])


# overlap


def test_selections_are_the_method_s(setting: Setting) -> None:
    with at_work(setting, overlap.STUDY) as bench:
        images = bench.images(6)
        found = select_neurons(bench.model, images, "neuron_mct", sparsity=0.9)
        for number in range(6):
            score, output = contributions(bench.model.module, images.batch(number, number + 1))
            assert np.array_equal(found.live[number], output != 0)
            wanted = score > np.percentile(score, 90)
            assert (found.kept[number] != wanted).sum() <= 2  # at the threshold, by rounding
    assert found.layer.tolist() == sorted(found.layer) and len(found.names) == 3


def test_overlaps_are_those_of_sets() -> None:
    random = np.random.default_rng(0)
    one, two = random.random((2, 5, 40)) < 0.3
    two[3], one[4], two[4] = one[3], False, False
    found, chance = jaccard(one, two), independent_jaccard(one, two)
    for row in range(4):
        a, b = (set(np.flatnonzero(values[row]).tolist()) for values in (one, two))
        assert found[row] == pytest.approx(len(a & b) / len(a | b))
        p, q = len(a) / 40, len(b) / 40
        assert chance[row] == pytest.approx(p * q / (p + q - p * q))
    assert found[3] == 1 and np.isnan(found[4]) and np.isnan(chance[4])


def test_independent_sets_share_what_the_formula_says() -> None:
    random = np.random.default_rng(1)
    for sparsity in (0.8, 0.9, 0.98):
        one, two = random.random((2, 200, 3000)) >= sparsity
        assert jaccard(one, two).mean() == pytest.approx((1 - sparsity) / (1 + sparsity), rel=0.03)
        assert independent_jaccard(one, two).mean() == pytest.approx(
            (1 - sparsity) / (1 + sparsity), rel=0.03
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_methods_overlap_as_measured_on_the_toy(setting: Setting, seed: int) -> None:
    with at_work(setting, overlap.STUDY, seed, images=20, iterations=100) as bench:
        found = overlap.measure(bench)
    table = found.tables["overlaps"]
    whole = table[table.layer == -1].set_index(["one", "two"])
    assert effect(found, "J") == whole.J["NeuronMCT", "NeuronIntGrad"] > 0.8
    assert 0.053 < whole.J["NeuronMCT", "DGR"] < 0.8
    assert whole.J["NeuronMCT", "random"] == pytest.approx(0.1 / 1.9, abs=0.005)
    dead = found.tables["dead"].set_index("method")
    assert (dead.dead[["NeuronMCT", "NeuronIntGrad"]] == 0).all() and effect(found, "live") == 1
    assert dead.kept["greedy"] > 0.6 and dead.dead["greedy"] > dead.base["greedy"]
    assert dead.dead["random"] == pytest.approx(dead.base["random"], abs=0.03)
    controls = [effect(found, "J", f"{name} with DGR") for name in ("NeuronMCT", "NeuronIntGrad")]
    assert controls == [whole.J[name, "DGR"] for name in ("NeuronMCT", "NeuronIntGrad")]
    assert effect(found, "greedy above chance") > effect(found, "greedy above chance", "random neurons")


# shuffled labels


def test_pathways_of_dealt_labels_are_those_of_another_class(setting: Setting) -> None:
    """The control asks the unit's own method for classes that other images are predicted as."""
    with at_work(setting, degradation.STUDY, part="neuron_mct") as bench:
        images = bench.images(30)
        classes, predicted = deal_classes(bench, images), bench.predict(images)
        found, own = attribute_images(bench, images, SHUFFLED), attribute_images(bench, images, "neuron_mct")
        wanted = attribute(
            bench.model, images, method="neuron_mct", target=torch.from_numpy(classes), sparsity=0.9
        )
    same = classes == predicted
    assert sorted(classes) == sorted(predicted) and same.sum() < 10
    assert torch.equal(found, wanted)
    assert torch.equal(found[same], own[same]) and not torch.equal(found[~same], own[~same])


# degradation


def test_degradation_takes_the_least_relevant_away(setting: Setting) -> None:
    with at_work(setting, degradation.STUDY, part="neuron_mct") as bench:
        images = bench.images(5)
        values = saliency(bench, images, "neuron_mct")
        pixels, fill, module = images.batch(0, 5), mean_colour(bench.test), bench.model.module
        found = degradation.measure_changes(module, pixels, values, fill)
        mean = torch.cat([bench.test.batch(i, i + 1) for i in range(len(bench.test))]).mean((0, 2, 3))
    assert torch.allclose(fill, mean, atol=1e-6)
    for percent, gone in ((1, 1), (5, 3), (20, 13), (50, 32)):
        change = []
        for image, value in zip(pixels, values, strict=True):
            left = image.clone()
            for place in sorted(range(64), key=lambda at: (value[at], at))[:gone]:
                left[:, place // 8, place % 8] = mean
            before, after = compute_logits(module, torch.stack([image, left])).double().softmax(1)
            change.append(float(abs(before.max() - after[before.argmax()]) / before.max()))
        assert found[percent] == pytest.approx(np.mean(change), abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_degradation_is_as_measured_on_the_toy(setting: Setting, seed: int) -> None:
    with at_work(setting, degradation.STUDY, seed, "neuron_mct", images=60) as bench:
        found = degradation.measure(bench)
    table = found.tables["changes"]
    whole = table.groupby(["order", "method"]).change.mean()
    # A tenth of an 8 x 8 image is six pixels, too few to tell methods apart on one network: half of them are.
    most, least = whole["MoRF"], whole["LeRF"]
    assert most["neuron_mct"] > most["gradient"] > 2 * most["random pixels"]
    assert 2 * max(least["neuron_mct"], least["gradient"]) < least["random pixels"]
    assert least["random neurons"] > least["neuron_mct"] and most["random neurons"] < most["gradient"]
    few = table[table.percent <= 10].groupby(["order", "method"]).change.mean()
    assert effect(found, "MoRF") == pytest.approx(few["MoRF"]["neuron_mct"] - few["MoRF"]["gradient"])
    assert effect(found, "LeRF") == pytest.approx(few["LeRF"]["gradient"] - few["LeRF"]["neuron_mct"])


# sanity


def test_the_cascade_draws_layers_anew_from_the_last(setting: Setting) -> None:
    with at_work(setting, sanity.STUDY) as bench:
        before = {name: value.clone() for name, value in bench.model.module.state_dict().items()}
        found = list(sanity.randomise_cascade(bench.model, seed=3))
        after = bench.model.module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    layers = sorted({name.split(".")[0] for name in before}, key=int, reverse=True)
    assert [name for name, _ in found] == layers
    for stage, (_, model) in enumerate(found, start=1):
        for name, value in model.module.state_dict().items():
            assert torch.equal(value, before[name]) == (name.split(".")[0] not in layers[:stage]), name
    weights = torch.cat([value.flatten() for value in found[-1][1].module.state_dict().values()])
    assert weights.std().item() == pytest.approx(0.1, rel=0.05) and abs(weights.mean().item()) < 0.01


def test_resemblance_is_spearman_s_correlation() -> None:
    from scipy import stats

    random = np.random.default_rng(2)
    one, two = np.round(random.random((2, 4, 30)), 1)
    two[3] = 0.5
    each = [stats.spearmanr(a, b).statistic for a, b in zip(one[:3], two[:3], strict=True)]
    assert sanity.rank_correlation(one, two) == pytest.approx(sum(each) / 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_saliency_falls_with_the_weights(setting: Setting, seed: int) -> None:
    with at_work(setting, sanity.STUDY, seed, images=20) as bench:
        found = sanity.measure(bench)
    by = found.tables["resemblance"].set_index(["method", "stage"]).resemblance
    last = max(stage for _, stage in by.index)
    for method in ("neuron_mct", "gradient"):
        assert by[method, last] < 0.75 * by[method, 1] and by[method, last] < by["guided_backprop", last]
    lesser = max(by["neuron_mct", last], by["neuron_intgrad", last])
    assert effect(found, "change") == pytest.approx(1 - lesser)


# sensitivity


def test_sensitivity_is_the_correlation_over_sets(setting: Setting) -> None:
    with at_work(setting, sensitivity.STUDY, part="neuron_mct", images=3, subsets=12) as bench:
        images, module = bench.images(3), bench.model.module
        sets = sensitivity.draw_subsets(bench, 64, 20)
        values = sensitivity.compute_contributions(bench, images, "neuron_mct")
        pixels, slope = images.batch(0, 3), attribute_images(bench, images, "neuron_mct")
        found = sensitivity.mean_correlation(
            values @ sets.T.astype(float), sensitivity.measure_drops(module, pixels, sets)
        )
    assert sets.shape == (12, 64) and (sets.sum(1) == 13).all()
    each = []
    for image, gradient in zip(pixels, slope, strict=True):
        given, drop = [], []
        for chosen in sets:
            left = image.clone()
            for place in np.flatnonzero(chosen):
                left[:, place // 8, place % 8] = 0
            before, after = compute_logits(module, torch.stack([image, left]))
            drop.append(float(before.max() - after[before.argmax()]))
            given.append(float((gradient * (image - left)).sum()))
        each.append(np.corrcoef(given, drop)[0, 1])
    assert found == pytest.approx(np.mean(each), abs=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_pathways_are_sensitive_to_what_they_attribute(setting: Setting, seed: int) -> None:
    with at_work(setting, sensitivity.STUDY, seed, "neuron_mct", images=20, subsets=40) as bench:
        found = sensitivity.measure(bench)
    assert effect(found, "sensitivity") > 0.2
    assert abs(effect(found, "sensitivity", "random pixels")) < 0.15
    assert effect(found, "sensitivity", SHUFFLED) < effect(found, "sensitivity")


# linearity


def test_the_error_is_that_of_the_gradient(setting: Setting) -> None:
    with at_work(setting, linearity.STUDY, images=4, steps=3) as bench:
        images, module = bench.images(4), bench.model.module.double()
        for batch, selection in iterate_selections(bench.model, images, "neuron_mct", sparsity=0.0):
            steps = linearity.draw_steps(bench, batch.images)
            whole = torch.ones_like(batch.held.output, dtype=torch.bool)
            found = linearity.linearity_errors(batch, whole, steps)
            none = linearity.linearity_errors(batch, whole & False, steps)
            assert selection.neurons is not None and np.isnan(none).all()
            for number, pixels in enumerate(batch.images):
                image = pixels[None].clone().requires_grad_(True)
                f = module(image)
                label = int(f.argmax())
                f[0, label].backward()
                each = []
                for step in steps[:, number]:
                    assert step.norm().item() == pytest.approx(0.1)
                    moved = (module(pixels[None] + step)[0, label] - f[0, label]).item()
                    along = (image.grad[0] * step).sum().item()
                    each.append(abs(moved - along) / (image.grad.norm().item() * 0.1))
                assert found[number] == pytest.approx(np.mean(each), rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_pathways_are_nearer_to_linear(setting: Setting, seed: int) -> None:
    with at_work(setting, linearity.STUDY, seed, "neuron_mct", images=20, steps=5) as bench:
        found = linearity.measure(bench)
    errors = found.tables["errors"].set_index(["method", "sparsity"])
    error = errors.whole / errors.pathway
    assert error["neuron_mct", 0.8] > 2 and error["neuron_mct", 0.95] > 4
    assert errors.gain["neuron_mct", 0.95] == pytest.approx(np.log10(error["neuron_mct", 0.95]))
    assert effect(found, "gain") == min(errors.gain["neuron_mct"])


# roar


def test_what_is_most_salient_is_gone(setting: Setting) -> None:
    with at_work(setting, roar.STUDY) as bench:
        images = bench.images(4)
        values = saliency(bench, images, "gradient")
        fill = torch.tensor([0.25])
        found = roar.RankedImages(bench, images, "gradient", fill).remove_pixels(30)
        pixels, before = found.batch(0, 4), images.batch(0, 4)
    assert np.array_equal(found.labels, images.labels) and found.classes == images.classes
    for image, old, value in zip(pixels.flatten(1), before.flatten(1), values, strict=True):
        gone = np.zeros(64, bool)
        gone[sorted(range(64), key=lambda at: (value[at], at))[64 - 19 :]] = True
        assert (image[gone] == 0.25).all() and torch.equal(image[~gone], old[~gone])


def test_retraining_goes_on_where_it_stopped(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    real = roar.train

    def interrupted(*given: Any, **options: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return real(*given, **options)

    options = {"train_images": 30, "test_images": 20, "epochs": 1}
    monkeypatch.setattr(roar, "PERCENT", (10, 90))
    with at_work(setting, roar.STUDY, **options) as bench:
        monkeypatch.setattr(roar, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            roar.measure(bench)
        monkeypatch.setattr(roar, "train", lambda *a, **o: done.append(1) or real(*a, **o))
        found = roar.measure(bench)
    assert len(done) == 10  # each once
    mean = found.tables["accuracies"].groupby("method").accuracy.mean()
    best = max(mean["neuron_mct"], mean["neuron_intgrad"])
    assert effect(found, "lost beside gradient") == pytest.approx(mean["gradient"] - best)


# decoding


def test_likeness_is_with_the_image_and_not_with_other_classes() -> None:
    random = np.random.default_rng(3)
    made, images, labels = random.random((4, 9)), random.random((4, 9)), np.array([0, 0, 1, 2])
    made[3] = 0.5
    found = decoding.own_correlation(made, images, labels)
    for one in range(3):
        each = [np.corrcoef(made[one], image)[0, 1] for image in images]
        others = [each[two] for two in range(4) if labels[two] != labels[one]]
        assert found[one] == pytest.approx(each[one] - np.mean(others))
    assert found[3] == 0


def test_pictures_are_what_the_class_s_logit_wants(setting: Setting) -> None:
    with at_work(setting, decoding.STUDY, part="neuron_mct", images=10, steps=40) as bench:
        found = decoding.measure(bench)
        images = bench.images(10)
        whole = decoding.decode_images(bench, images, decoding.WHOLE)
        now = compute_logits(bench.model.module, whole)
        wanted = compute_logits(bench.model.module, images.batch(0, 10)).argmax(1)
    assert whole.shape == (10, 1, 8, 8) and 0 <= whole.min() < whole.max() <= 1
    assert (now.argmax(1) == wanted).all() and (now.max(1).values > 2 * now.abs().mean(1)).all()
    same = [(a, b) for a in range(10) for b in range(a) if wanted[a] == wanted[b]]
    assert all(torch.allclose(whole[a], whole[b], atol=1e-4) for a, b in same)
    table = found.tables["pictures"].assign(network=TRAINED, seed=0, part="neuron_mct")
    assert set(table.method) == {"image", "neuron_mct", "random neurons", "whole network"}
    [drawing] = decoding.draw({"pictures": table})
    assert drawing.svg.count("data:image/png;base64,") == len(table) == 40


TINY = {
    "khakzar/overlap": {"images": 6, "iterations": 5},
    "khakzar/degradation": {"images": 6},
    "khakzar/sanity": {"images": 6},
    "khakzar/sensitivity": {"images": 6, "subsets": 10},
    "khakzar/linearity": {"images": 6, "steps": 2},
    "khakzar/roar": {"train_images": 30, "test_images": 20, "epochs": 1},
    "khakzar/decoding": {"images": 6, "steps": 3},
}


def test_all_are_in_the_catalogue() -> None:
    assert TINY.keys() == {name for name in STUDIES if name.startswith("khakzar/")}


@pytest.mark.parametrize("name", TINY)
def test_a_study_runs_from_network_to_page(tmp_path: Path, name: str) -> None:
    study = replace(STUDIES[name], parts=STUDIES[name].parts[:1])
    setting = Setting(tmp_path, seeds=(0,), widths=(4, 4), train_images=40)
    result = run_study(study, setting, TINY[name])
    assert list(result.verdicts.claim) == [claim.text for claim in study.claims]
    assert result.verdicts.effect.notna().all()
    page = result.page.read_text()
    assert all(drawing.title in page for drawing in study.draw(result.tables))
    assert (pd.read_parquet(result.folder / "published.parquet").seeds == 1).all()
    quantities = set(result.tables["effects"].condition)
    for claim in study.claims:
        assert {*claim.controls, *claim.beside} - {RANDOM} <= quantities
