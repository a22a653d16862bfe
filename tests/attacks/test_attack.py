"""Attacks: what captum is made to do, and the image set that holds it."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import nn

from graphpath.attacks import ATTACKS, attack, success_rate
from graphpath.attacks.methods import Attack, derive_start_seed, perturb, resolve_strength
from graphpath.data import TensorImages, open_images
from graphpath.errors import DataError, MethodError, ModelError, RecordError
from graphpath.models import LoadedModel, as_loaded
from graphpath.modules.state import evaluating
from graphpath.record.imageset import ImageSet

Digits = Callable[[int], LoadedModel]


def pixels_of(made: ImageSet) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([part.pixels for part in made.parts()]))


def gradient(module: nn.Module, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """d loss / d x, image by image."""
    rows = []
    for image, label in zip(x, target, strict=True):
        one = image[None].clone().requires_grad_()
        rows.append(torch.autograd.grad(F.cross_entropy(module(one), label[None]), one)[0][0])
    return torch.stack(rows)


@pytest.fixture
def exact(digits_model: Digits) -> nn.Module:
    """The digits network in float64, in which signs of gradients do not depend on the batch."""
    return copy.deepcopy(digits_model(0).module).double()


IMAGES = open_images("digits", limit=20)
BOUNDED = sorted(name for name, known in ATTACKS.items() if isinstance(known, Attack))


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("targeted", [False, True])
def test_attacks_are_their_papers_formulas(exact: nn.Module, name: str, targeted: bool) -> None:
    x, target = IMAGES.batch(0, 20).double(), torch.from_numpy(IMAGES.labels.astype(np.int64))
    push, start = resolve_strength(name, 0.15, None, None), ATTACKS[name].random_start
    seeds = list(range(20))
    made = perturb(exact, x, target, push, targeted=targeted, random_start=start, seeds=seeds)
    expected = x.clone()
    if start:
        noise = [
            torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(s), dtype=x.dtype) for s in seeds
        ]
        expected = (x + 0.15 * (2 * torch.stack(noise) - 1)).clamp(0, 1)
    for _ in range(push.steps):
        step = push.step_size * gradient(exact, expected, target).sign()
        moved = expected - step if targeted else expected + step
        expected = torch.minimum(torch.maximum(moved, x - 0.15), x + 0.15).clamp(0, 1)
    torch.testing.assert_close(made, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_pixels_stay_within_epsilon_and_the_range(
    digits_model: Digits, tmp_path: Path, name: str, epsilon: float
) -> None:
    made = pixels_of(attack(digits_model(0), IMAGES, name, epsilon, out=tmp_path / "set"))
    change = (made - IMAGES.batch(0, 20)).abs().amax((1, 2, 3))
    assert made.min() >= 0 and made.max() <= 1
    assert (change <= epsilon + 1e-6).all() and (change >= 0.9 * epsilon).all()


def test_stronger_attacks_succeed_more_often(digits_model: Digits, tmp_path: Path) -> None:
    images = open_images("digits", limit=100)
    rates = [
        success_rate(attack(digits_model(0), images, "pgd", epsilon, out=tmp_path / str(epsilon)))
        for epsilon in (0.02, 0.1, 0.3)
    ]
    assert rates[0] < rates[1] < rates[2] and rates[0] < 0.2 and rates[2] > 0.95


def test_success_is_what_the_model_says_of_the_stored_images(digits_model: Digits, tmp_path: Path) -> None:
    model = digits_model(0)
    made = attack(model, IMAGES, "fgsm", 0.15, out=tmp_path / "away")
    before = model.module(IMAGES.batch(0, 20)).argmax(1)
    after = model.module(pixels_of(made)).argmax(1)
    assert success_rate(made) == pytest.approx((before != after).float().mean().item())
    towards = attack(model, IMAGES, "pgd", 0.3, targeted=3, out=tmp_path / "towards")
    reached = model.module(pixels_of(towards)).argmax(1)
    assert success_rate(towards) == pytest.approx((reached == 3).float().mean().item())
    assert success_rate(towards) > 0.5


def test_least_likely_is_each_images_own_target(digits_model: Digits, tmp_path: Path) -> None:
    model = digits_model(0)
    made = attack(model, IMAGES, "pgd", 0.4, targeted="least_likely", out=tmp_path / "set")
    wanted = model.module(IMAGES.batch(0, 20)).argmin(1)
    reached = model.module(pixels_of(made)).argmax(1)
    assert (wanted == reached).float().mean() == pytest.approx(success_rate(made))
    assert success_rate(made) > 0.3


def test_a_confident_network_is_attacked_too(exact: nn.Module) -> None:
    """captum takes gradients below 1e-6 for zero; those of a confident network are."""
    confident = nn.Sequential(exact, _Times(4.0))
    x = IMAGES.batch(0, 20).double()
    target = confident(x).argmax(1)
    largest = gradient(confident, x, target).abs().amax((1, 2, 3))
    assert (largest < 1e-6).any()
    push = resolve_strength("fgsm", 0.1, None, None)
    made = perturb(confident, x, target, push, targeted=False, random_start=False, seeds=[])
    assert ((made - x).abs().amax((1, 2, 3)) > 0.09).all()


class _Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def test_samples_say_where_they_come_from(digits_model: Digits, tmp_path: Path) -> None:
    model = digits_model(0)
    made = attack(model, IMAGES, "bim", 0.1, steps=4, out=tmp_path / "set")
    rows, originals = made.samples().to_pylist(), IMAGES.rows().to_pylist()
    predicted = model.module(IMAGES.batch(0, 20)).argmax(1).tolist()
    assert len(rows) == len({row["sample"] for row in rows}) == 20
    for row, original, seen in zip(rows, originals, predicted, strict=True):
        assert row["parent"] == original["sample"] != row["sample"]
        assert row["variant"] == "adversarial"
        assert all(row[key] == original[key] for key in ("dataset", "split", "index", "label"))
        assert json.loads(row["detail"]) == {
            "attack": "bim",
            "epsilon": 0.1,
            "model": model.sha256[:16],
            "predicted": seen,
            "step_size": pytest.approx(0.03125),
            "steps": 4,
        }
    images = open_images(tmp_path / "set")
    assert (images.classes, images.scheme, len(images)) == (IMAGES.classes, "digits", 20)
    assert torch.equal(images.batch(0, 20), pixels_of(made))


def test_other_settings_are_other_samples(digits_model: Digits, tmp_path: Path) -> None:
    ids: list[int] = []
    settings = [
        {"name": "bim", "epsilon": 0.1},
        {"name": "bim", "epsilon": 0.2},
        {"name": "bim", "epsilon": 0.1, "steps": 3},
        {"name": "pgd", "epsilon": 0.1},
        {"name": "pgd", "epsilon": 0.1, "seed": 1},
        {"name": "pgd", "epsilon": 0.1, "targeted": 2},
    ]
    few = open_images("digits", limit=3)
    for number, setting in enumerate(settings):
        ids += (
            attack(digits_model(0), few, out=tmp_path / str(number), **setting)
            .samples()["sample"]
            .to_pylist()
        )  # type: ignore[arg-type]
    other = attack(digits_model(1), few, "bim", 0.1, out=tmp_path / "other").samples()["sample"].to_pylist()
    again = open_images(tmp_path / "0")
    twice = attack(digits_model(0), again, "bim", 0.1, out=tmp_path / "twice").samples()["sample"].to_pylist()
    assert len(set(ids + other + twice)) == 24


def test_two_tensors_of_one_name_give_other_samples(digits_model: Digits, tmp_path: Path) -> None:
    sets = [TensorImages(torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(s))) for s in (0, 1)]
    made = [attack(digits_model(0), s, "fgsm", 0.1, out=tmp_path / str(i)) for i, s in enumerate(sets)]
    assert len({i for m in made for i in m.samples()["sample"].to_pylist()}) == 4


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_the_result_depends_on_the_seed_and_not_on_the_batch(
    exact: nn.Module, tmp_path: Path, name: str
) -> None:
    epsilon = 0.1 if name in BOUNDED else None
    sets = [
        pixels_of(attack(exact, IMAGES, name, epsilon, out=tmp_path / str(number), seed=seed, batch=batch))
        for number, (seed, batch) in enumerate([(0, 20), (0, 7), (1, 20)])
    ]
    torch.testing.assert_close(sets[0], sets[1], atol=1e-6, rtol=0)
    assert torch.equal(sets[0], sets[2]) == (not ATTACKS[name].random_start)
    assert derive_start_seed(0, 5) != derive_start_seed(1, 5) != derive_start_seed(1, 6)


def test_nothing_is_left_on_the_network(digits_model: Digits, tmp_path: Path) -> None:
    module = nn.Sequential(copy.deepcopy(digits_model(0).module), nn.Dropout(0.5))
    module.train()
    module[0][1].eval()
    next(module.parameters()).requires_grad_(False)
    weights = copy.deepcopy(module.state_dict())
    flags = [part.training for part in module.modules()]
    needs = [weight.requires_grad for weight in module.parameters()]
    random, input_ = torch.random.get_rng_state(), IMAGES.batch(0, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ATTACKS:
            epsilon = 0.1 if name in BOUNDED else None
            attack(module, IMAGES, name, epsilon, out=tmp_path / name)
    assert [part.training for part in module.modules()] == flags
    assert [weight.requires_grad for weight in module.parameters()] == needs
    assert all(weight.grad is None for weight in module.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    for part in module.modules():
        assert not (part._forward_hooks or part._forward_pre_hooks or part._backward_hooks)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.equal(IMAGES.batch(0, 20), input_) and not input_.requires_grad


def test_flags_come_back_after_an_error() -> None:
    module = nn.Sequential(nn.ReLU(), nn.Dropout()).train()
    module[0].eval()
    with pytest.raises(ZeroDivisionError), evaluating(module):
        assert not any(part.training for part in module.modules())
        raise ZeroDivisionError
    assert [part.training for part in module.modules()] == [True, False, True]


@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_attack_goes_on_where_it_was(digits_model: Digits, tmp_path: Path, after: int) -> None:
    def stop(done: int, total: int) -> None:
        if done >= 6 * after:
            raise KeyboardInterrupt

    model, out = digits_model(0), tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        attack(model, IMAGES, "pgd", 0.2, out=out, batch=6, progress=stop)
    assert not out.exists()
    (tmp_path / ".set.attack" / f".tmp-1-from-{6 * after:08d}.npz").write_bytes(b"half written")
    seen: list[int] = []
    made = attack(model, IMAGES, "pgd", 0.2, out=out, batch=6, progress=lambda done, total: seen.append(done))
    assert seen == [12, 18, 20][after - 1 :]
    whole = attack(model, IMAGES, "pgd", 0.2, out=tmp_path / "whole", batch=6)
    assert made.samples().equals(whole.samples()) and torch.equal(pixels_of(made), pixels_of(whole))
    assert success_rate(made) == success_rate(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "whole"]


def test_a_finished_attack_is_not_repeated_and_nothing_is_overwritten(
    digits_model: Digits, tmp_path: Path
) -> None:
    model, out = digits_model(0), tmp_path / "set"
    attack(model, IMAGES, "fgsm", 0.1, out=out)
    calls: list[int] = []
    (tmp_path / ".set.attack").mkdir()  # as a kill at the very end leaves it
    (tmp_path / ".set.attack.lock").write_text("process 1")
    attack(model, IMAGES, "fgsm", 0.1, out=out, progress=lambda done, total: calls.append(done))
    assert calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    with pytest.raises(RecordError, match="holds something else"):
        attack(model, IMAGES, "fgsm", 0.2, out=out)
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecordError, match="holds something else"):
        attack(model, IMAGES, "fgsm", 0.2, out=tmp_path / "folder")


def test_an_unfinished_attack_with_other_settings_is_refused(digits_model: Digits, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack(digits_model(0), IMAGES, "fgsm", 0.1, out=tmp_path / "set", batch=5, progress=stop)
    with pytest.raises(RecordError, match="unfinished attack with other settings"):
        attack(digits_model(0), IMAGES, "fgsm", 0.2, out=tmp_path / "set")
    part = next((tmp_path / ".set.attack").glob("*.npz"))
    part.write_bytes(part.read_bytes()[:100])
    made = attack(digits_model(0), IMAGES, "fgsm", 0.1, out=tmp_path / "set", batch=5)
    whole = attack(digits_model(0), IMAGES, "fgsm", 0.1, out=tmp_path / "whole", batch=5)
    assert torch.equal(pixels_of(made), pixels_of(whole))


def test_batches_that_do_not_say_of_which_attack_they_are_are_never_adopted(
    digits_model: Digits, tmp_path: Path
) -> None:
    """A killed run with epsilon .05 left them, and the file that named it is gone."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack(digits_model(0), IMAGES, "fgsm", 0.05, out=tmp_path / "set", batch=5, progress=stop)
    part = next((tmp_path / ".set.attack").glob("*.npz"))
    with np.load(part) as stored:
        np.savez(part, **{name: stored[name] for name in stored.files if name != "key"})
    made = attack(digits_model(0), IMAGES, "fgsm", 0.3, out=tmp_path / "set", batch=5)
    whole = attack(digits_model(0), IMAGES, "fgsm", 0.3, out=tmp_path / "whole", batch=5)
    assert torch.equal(pixels_of(made), pixels_of(whole))


def test_a_second_attack_on_one_place_is_refused_while_the_first_runs(
    digits_model: Digits, tmp_path: Path
) -> None:
    def again(done: int, total: int) -> None:
        with pytest.raises(RecordError, match="being written by process"):
            attack(digits_model(0), IMAGES, "fgsm", 0.1, out=tmp_path / "set")

    assert len(attack(digits_model(0), IMAGES, "fgsm", 0.1, out=tmp_path / "set", progress=again)) == len(
        IMAGES
    )
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_flipped_pixel_of_an_image_set_is_refused(digits_model: Digits, tmp_path: Path) -> None:
    made = attack(digits_model(0), IMAGES, "fgsm", 0.1, out=tmp_path / "set")
    file = tmp_path / "set" / "images" / "part-00000.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    with pytest.raises(RecordError, match=r"part-00000.parquet is damaged"):
        pixels_of(ImageSet(made.path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "jsma"}, "'jsma' is unknown; there are bim, cw, deepfool, fgsm, pgd"),
        ({"name": "cw", "epsilon": 0.1}, "cw seeks the least change and takes no epsilon"),
        ({"name": "deepfool", "step_size": 0.1}, r"deepfool .* no step_size; its options are steps \(50\)"),
        ({"name": "deepfool", "confidence": 1.0}, "deepfool has no option confidence"),
        ({"name": "deepfool", "overshoot": -0.1}, "overshoot -0.1: expected at least 0"),
        ({"name": "deepfool", "classes": 1}, "classes 1: expected a whole number of at least 2"),
        ({"name": "cw", "steps": 1.5}, "steps 1.5: expected a whole number of at least 1"),
        ({"name": "deepfool", "targeted": 3}, "deepfool knows no target"),
        ({"name": "pgd", "overshoot": 0.1}, "pgd has no option overshoot"),
        ({"epsilon": 0}, "epsilon 0"),
        ({"epsilon": 25}, "epsilon 25"),
        ({"epsilon": float("nan")}, "epsilon nan"),
        ({"steps": 0}, "steps 0"),
        ({"step_size": -0.1}, "step_size -0.1"),
        ({"name": "fgsm", "steps": 5}, "fgsm takes one step"),
        ({"targeted": 10}, "targeted=10: expected a class from 0 to 9"),
        ({"targeted": "cat"}, "targeted='cat'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    digits_model: Digits, tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(MethodError, match=message):
        attack(digits_model(0), IMAGES, out=tmp_path / "new" / "set", **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_images_outside_of_the_range_are_refused(digits_model: Digits, tmp_path: Path) -> None:
    images = TensorImages(torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(DataError, match=r"expected \[0, 1\]; put normalisation into the model"):
        attack(digits_model(0), images, out=tmp_path / "set")


def test_images_of_another_size_than_the_networks_are_refused(digits_model: Digits, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"images of shape \(1, 10, 10\).*Give it images of the size"):
        attack(digits_model(0), torch.rand(2, 1, 10, 10), out=tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_success_rate_needs_a_set_of_an_attack(tmp_path: Path) -> None:
    from graphpath.data.rows import build_categories
    from graphpath.record.imageset import write_image_set

    with pytest.raises(RecordError, match="not an image set that an attack wrote"):
        success_rate(write_image_set(tmp_path / "set", [], build_categories("none", ())))
    assert as_loaded(nn.Flatten()).name == "Flatten"
