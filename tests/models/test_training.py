"""Training the small networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
import torchvision
from torch import nn

from graphpath.data import TensorImages, open_images
from graphpath.errors import DataError, ModelError
from graphpath.models import LoadedModel, TrainingStep, evaluate, load_checkpoint, load_model, train
from graphpath.models.architectures import build
from graphpath.models.training import RECIPES, _augment, _shift


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_digits_are_learnt(digits_model: Callable[[int], LoadedModel], seed: int) -> None:
    model = digits_model(seed)
    assert evaluate(model.module, open_images("digits")) >= 0.98
    assert (model.classes, model.shape, model.scheme) == (tuple("0123456789"), (1, 8, 8), "digits")
    assert all(weight.grad is None for weight in model.module.parameters())
    assert not any(part.training for part in model.module.modules())


@pytest.mark.slow
def test_mnist_is_learnt_in_one_epoch(shared_data: Path) -> None:
    splits = [open_images("mnist", root=shared_data, split=split) for split in ("train", "test")]
    assert train("cnn", *splits, epochs=1).accuracy >= 0.985


def test_the_cnn_for_digits_is_the_toy_of_the_papers() -> None:
    net = build("cnn", {"shape": (1, 8, 8), "classes": 10})
    units: list[int] = []
    x = torch.rand(1, 1, 8, 8)
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            units.append(x.numel())
    assert sum(units) == 3136 and x.shape == (1, 10)


@pytest.mark.parametrize(
    ("name", "shape"),
    [*product(["cnn", "vgg"], [(1, 8, 8), (3, 32, 32), (1, 28, 28), (3, 19, 24)]), ("vgg16", (3, 32, 32))],
)
def test_architectures_take_any_shape(name: str, shape: tuple[int, int, int]) -> None:
    net = build(name, {"shape": shape, "classes": 7}).eval()
    assert net(torch.rand(2, *shape)).shape == (2, 7)


def test_vgg16_is_torchvisions_with_batch_norm() -> None:
    ours, theirs = build("vgg16", {"shape": (3, 32, 32), "classes": 10}), torchvision.models.vgg16_bn()
    widths = [[m.weight.shape for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (ours, theirs)]
    assert widths[0] == widths[1] and len(widths[0]) == 13


def tiny(**options: object) -> dict[str, object]:
    return {"epochs": 1, "widths": (2, 2), "hidden": 4, **options}


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone() -> None:
    data = open_images("digits", split="train", limit=200), open_images("digits", limit=50)
    before = torch.random.get_rng_state()
    digests = []
    for seed in (0, 0, 1):
        torch.rand(seed + 3)
        digests.append(train("cnn", *data, seed=seed, **tiny()).model.sha256)
    assert digests[0] == digests[1] != digests[2]
    torch.random.set_rng_state(before)
    train("cnn", *data, **tiny())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_checkpoint_is_what_was_trained(tmp_path: Path) -> None:
    test = open_images("digits", limit=50)
    trained = train(
        "vgg",
        open_images("digits", split="train", limit=100),
        test,
        epochs=1,
        out=tmp_path / "d.pt",
        stages=((4,), (4,)),
        hidden=8,
    )
    loaded = load_model(tmp_path / "d.pt")
    assert loaded.sha256 == trained.model.sha256 and trained.path == tmp_path / "d.pt"
    assert evaluate(loaded.module, test) == trained.accuracy
    assert load_checkpoint(tmp_path / "d.pt").classes == test.classes
    x = test.batch(0, 5)
    torch.testing.assert_close(loaded.module(x), trained.model.module(x))


def test_vgg16_is_trained_in_halves_and_kept_whole() -> None:
    data = open_images("digits", split="train", limit=20, size=32), open_images("digits", limit=10, size=32)
    module = train("vgg16", *data, epochs=1, hidden=8).model.module
    assert {weight.dtype for weight in module.parameters()} == {torch.float32}


def test_progress_tells_how_far_it_is() -> None:
    seen: list[TrainingStep] = []
    data = open_images("digits", split="train", limit=70), open_images("digits", limit=10)
    told: list[tuple[str, int, int]] = []
    both = {"progress": lambda *step: told.append(step), "watch": seen.append}
    train("cnn", *data, batch=32, **both, **tiny(epochs=2))
    assert told == [(f"epoch {p.epoch}, loss {p.loss:.3f}", p.done, p.total) for p in seen]
    again: list[TrainingStep] = []
    train("cnn", *data, progress=again.append, batch=32, **tiny(epochs=2))
    assert again == seen
    assert [p.done for p in seen] == [32, 64, 70, 102, 134, 140]
    assert {p.total for p in seen} == {140} and [p.epoch for p in seen] == [1, 1, 1, 2, 2, 2]
    assert all(p.loss > 0 for p in seen)


def test_an_interrupted_training_leaves_no_file(tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    data = open_images("digits", split="train", limit=70), open_images("digits", limit=10)
    before = torch.random.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        train("cnn", *data, out=tmp_path / "net.pt", progress=stop, **tiny())
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.random.get_rng_state(), before)


def test_where_no_checkpoint_can_be_is_said_before_training(tmp_path: Path) -> None:
    data = open_images("digits", split="train", limit=70), open_images("digits", limit=10)
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "net.pt"):
        steps: list[TrainingStep] = []
        with pytest.raises(ModelError, match="cannot be written"):
            train("cnn", *data, out=out, progress=steps.append, **tiny())
        assert steps == []


def test_what_cannot_be_trained_is_refused() -> None:
    both = open_images("digits", split="train", limit=50), open_images("digits", limit=50)
    with pytest.raises(ModelError, match="there are cnn, vgg"):
        train("resnet", *both)
    with pytest.raises(ModelError, match="epochs=0"):
        train("cnn", *both, epochs=0)
    with pytest.raises(ModelError, match="does not take"):
        train("cnn", *both, depth=3)
    with pytest.raises(DataError, match="50 test images of digits are also training images"):
        train("cnn", both[0], both[0])
    with pytest.raises(DataError, match="differ in shape"):
        train("cnn", both[0], open_images("digits", limit=50, size=16))
    with pytest.raises(DataError, match="all have a class"):
        train("cnn", TensorImages(torch.rand(4, 1, 8, 8)), both[1])


def test_images_that_are_no_bytes_are_trained_on_as_they_are() -> None:
    """Pixels of k/16 are no multiples of 1/255; one chunk of bytes followed by one that is none."""
    from graphpath.models.training import CHUNK, _read_all

    pixels = torch.cat([torch.zeros(CHUNK, 1, 2, 2), torch.full((3, 1, 2, 2), 1 / 3 + 0.001)])
    held = _read_all(TensorImages(pixels, torch.zeros(len(pixels), dtype=torch.int32)))
    assert torch.equal(held.pixels, pixels)
    exact = _read_all(TensorImages(pixels[:5] + 0.2, torch.zeros(5, dtype=torch.int32)))
    assert exact.pixels.dtype == torch.uint8


def test_shifting_moves_each_image_whole() -> None:
    images = torch.arange(2 * 3 * 6 * 5, dtype=torch.float32).view(2, 3, 6, 5)
    torch.manual_seed(0)
    shifted = _shift(images, 2)
    for before, after in zip(images, shifted, strict=True):
        padded = nn.functional.pad(before[None], (2, 2, 2, 2), mode="reflect")[0]
        crops = [padded[:, y : y + 6, x : x + 5] for y in range(5) for x in range(5)]
        assert sum(torch.equal(after, crop) for crop in crops) == 1


def test_half_of_the_images_are_mirrored_each_by_its_own_draw() -> None:
    """Of 400, 160 to 240 are mirrored: four standard deviations. The others are as they were."""
    images = torch.rand(400, 2, 3, 4)
    torch.manual_seed(0)
    augmented = _augment(images, replace(RECIPES["vgg"], shift=0))
    mirrored = (augmented == images.flip(3)).flatten(1).all(1)
    assert torch.equal(mirrored, (augmented != images).flatten(1).any(1))
    assert 160 <= int(mirrored.sum()) <= 240
    again = _augment(images, replace(RECIPES["vgg"], shift=0))
    assert not torch.equal(again, augmented), "another batch, another draw"


@pytest.mark.parametrize(("name", "changes"), [("cnn", False), ("vgg", True), ("vgg16", True)])
def test_recipes_augment_or_leave_images_alone(name: str, changes: bool) -> None:
    images = torch.rand(20, 1, 8, 8)
    augmented = _augment(images, RECIPES[name])
    assert augmented.shape == images.shape and torch.equal(augmented, images) is not changes
