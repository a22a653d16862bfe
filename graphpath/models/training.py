"""Training of networks: seeded, deterministic on one machine's CPU, interruptible."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphpath.data.base import Images
from graphpath.data.rows import read_labels
from graphpath.errors import DataError, ModelError
from graphpath.models.architectures import build
from graphpath.models.checkpoint import check_writable, save_checkpoint
from graphpath.models.evaluating import check_seed
from graphpath.models.loaded import LoadedModel, check_finite, digest_weights
from graphpath.models.matching import match_classes
from graphpath.progress import AnyProgress, as_progress, count_positional

CHUNK = 1000
"""Images decoded at a time."""


@dataclass(frozen=True)
class TrainingDefaults:
    """How an architecture is trained by default."""

    images: int
    """About how many images are seen in all: the number of epochs follows from it, between 3 and 20."""
    rate: float
    """The largest learning rate of the one-cycle schedule (Smith and Topin 2018)."""
    batch: int
    decay: float = 0.0
    flip: bool = False
    """Mirror half of the images."""
    shift: int = 0
    """Shift each image by up to this many pixels."""
    half: bool = False
    """Multiply in bfloat16: twice as fast where the processor has it. The weights stay float32."""

    def epochs_for(self, count: int) -> int:
        """How often ``count`` images are gone through."""
        return max(3, min(20, round(self.images / max(count, 1))))


RECIPES = {
    "cnn": TrainingDefaults(images=150_000, rate=4e-3, batch=32),
    "vgg": TrainingDefaults(images=400_000, rate=1e-2, batch=128, decay=5e-2, flip=True, shift=2),
    "vgg16": TrainingDefaults(
        images=400_000, rate=2e-3, batch=128, decay=5e-2, flip=True, shift=2, half=True
    ),
}


@dataclass(frozen=True)
class TrainingStep:
    """What a batch of training came to."""

    done: int
    """Images seen."""
    total: int
    """Images that will be seen in all epochs."""
    epoch: int
    loss: float


@dataclass(frozen=True)
class TrainedModel:
    """A network that was trained, with its accuracy on the test images."""

    model: LoadedModel
    accuracy: float
    seconds: float
    path: Path | None


@dataclass(frozen=True)
class _Data:
    pixels: torch.Tensor
    """(n, C, H, W): uint8 where the images are exactly that, else float32."""
    labels: torch.Tensor
    """int64 (n,)."""


def train(
    architecture: str,
    train_images: Images,
    test_images: Images,
    *,
    epochs: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    batch: int | None = None,
    rate: float | None = None,
    device: str | torch.device = "cpu",
    progress: AnyProgress | None = None,
    watch: Callable[[TrainingStep], object] | None = None,
    **arguments: object,
) -> TrainedModel:
    """Train ``architecture`` ("cnn", "vgg" or "vgg16") and return it with its test accuracy.

    ``arguments`` go to the architecture (``widths``, ``stages``, ``hidden``). The same seed, data and
    number of threads give the same weights on one machine's CPU; the caller's random state is left as it
    was. ``progress`` counts images, the epoch its stage; ``watch`` sees each batch with its loss. ``out`` is
    written once, whole, at the end, so an interrupted training leaves no file.
    Raises ``DataError`` where a test image is also a training image or a label is missing.
    """
    started = time.perf_counter()
    _check_positive(epochs=epochs, batch=batch, rate=rate)
    check_seed(seed)
    _check(train_images, test_images)
    if out is not None:
        # Now, not after minutes of training.
        check_writable(out)
    recipe = _choose_defaults(architecture, batch, rate)
    rounds = epochs or recipe.epochs_for(len(train_images))
    made: dict[str, object] = {"shape": train_images.shape, "classes": len(train_images.classes), **arguments}
    with _seed_torch(seed):
        module = build(architecture, made).to(device)
        testing = match_classes(_describe_model(architecture, module, train_images), test_images)
        _fit(module, _read_all(train_images), recipe, rounds, _combine_watchers(progress, watch))
    module.to(memory_format=torch.contiguous_format).eval()
    check_finite(module, f"{architecture} after training")
    accuracy = evaluate(module, testing)
    path = None
    if out is not None:
        how = {"dataset": train_images.dataset, "images": len(train_images), "epochs": rounds, "seed": seed}
        facts = {"architecture": architecture, "arguments": made, "accuracy": accuracy, "training": how}
        path = save_checkpoint(out, {**facts, **_checkpoint_contents(module, train_images)})
    name = f"{architecture}-{train_images.dataset}" if path is None else path.stem
    model = _describe_model(name, module, train_images)
    return TrainedModel(model, accuracy, time.perf_counter() - started, path)


def _combine_watchers(
    progress: AnyProgress | None, watch: Callable[[TrainingStep], object] | None
) -> Callable[[TrainingStep], object]:
    """Reports each batch to both. A ``progress`` that takes one argument is such a ``watch``."""
    if watch is None and progress is not None and count_positional(progress) == 1:
        return cast("Callable[[TrainingStep], object]", progress)
    report = as_progress(progress)

    def report_step(step: TrainingStep) -> None:
        report(f"epoch {step.epoch}, loss {step.loss:.3f}", step.done, step.total)
        if watch is not None:
            watch(step)

    return report_step


def _describe_model(name: str, module: nn.Module, images: Images) -> LoadedModel:
    """``module`` with the classes and shape of the images that it is trained on."""
    return LoadedModel(
        module, name, digest_weights(module), tuple(images.classes), images.shape, images.scheme
    )


def _checkpoint_contents(module: nn.Module, images: Images) -> dict[str, object]:
    """What a checkpoint says of its weights, classes and input."""
    return {
        "classes": list(images.classes),
        "shape": list(images.shape),
        "scheme": images.scheme,
        "state_dict": {name: value.cpu() for name, value in module.state_dict().items()},
    }


def evaluate(module: nn.Module, images: Images, batch: int = 256) -> float:
    """The share of ``images`` whose label has the largest logit. ``module`` should be in eval mode."""
    right = predict(module, images, batch) == read_labels(images.rows())
    return int(right.sum()) / max(len(images), 1)


def predict(module: nn.Module, images: Images, batch: int = 256) -> npt.NDArray[np.int64]:
    """The class of each image's largest logit: (N,). ``module`` should be in eval mode."""
    parts = [logits.argmax(1).cpu().numpy() for logits in compute_logits(module, images, batch)]
    return np.concatenate([np.empty(0, np.int64), *parts])


@torch.no_grad()
def compute_logits(module: nn.Module, images: Images, batch: int = 256) -> Iterator[Tensor]:
    """The logits (n, classes) of ``batch`` images after the other. ``module`` should be in eval mode."""
    like = next(module.parameters())
    for start in range(0, len(images), batch):
        yield module(images.batch(start, start + batch).to(like.device, like.dtype))


def _check(train_images: Images, test_images: Images) -> None:
    for images in (train_images, test_images):
        labels = read_labels(images.rows())
        if not len(labels) or labels.min() < 0:
            raise DataError(f"{images.dataset}/{images.split}: training needs images that all have a class")
    if train_images.shape != test_images.shape:
        raise DataError(
            f"training and test images differ in shape: {train_images.shape} and {test_images.shape}; give a "
            "size (--size) that both are brought to"
        )
    ids = (images.rows()["sample"].to_numpy() for images in (train_images, test_images))
    if shared := len(np.intersect1d(*ids)):
        raise DataError(
            f"{shared} test images of {test_images.dataset} are also training images, so accuracy would mean "
            "nothing; give the folder train/ and test/ sub-folders"
        )


def _choose_defaults(architecture: str, batch: int | None, rate: float | None) -> TrainingDefaults:
    base = RECIPES.get(architecture)
    if base is None:
        raise ModelError(f"architecture {architecture!r} is unknown; there are {', '.join(sorted(RECIPES))}")
    return replace(base, batch=batch or base.batch, rate=rate or base.rate)


def _check_positive(**given: float | None) -> None:
    if wrong := [
        f"{name}={value}" for name, value in given.items() if value is not None and not 0 < value < math.inf
    ]:
        raise ModelError(f"{', '.join(wrong)}: expected a positive number")


@contextmanager
def _seed_torch(seed: int) -> Iterator[None]:
    """A seeded random state for the block; the caller's own is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _read_all(images: Images) -> _Data:
    """All images decoded once. Bytes take a quarter of the memory, and eight-bit sources lose nothing."""
    parts: list[torch.Tensor] = []
    exact = True
    for start in range(0, len(images), CHUNK):
        pixels = images.batch(start, start + CHUNK).float()
        as_bytes = (pixels * 255).round().to(torch.uint8)
        exact = exact and bool((as_bytes.float() / 255 == pixels).all())
        parts.append(as_bytes if exact else pixels)
    widened = parts if exact else [_to_floats(part) for part in parts]
    return _Data(torch.cat(widened), torch.from_numpy(read_labels(images.rows()).astype(np.int64)))


def _to_floats(stored: torch.Tensor) -> torch.Tensor:
    return stored.float() / 255 if stored.dtype == torch.uint8 else stored


def _fit(
    module: nn.Module,
    data: _Data,
    recipe: TrainingDefaults,
    epochs: int,
    watch: Callable[[TrainingStep], object],
) -> None:
    device = next(module.parameters()).device
    # Convolutions with few channels are about twice as fast in this order on a CPU.
    module.to(memory_format=torch.channels_last).train()
    count = len(data.labels)
    steps = epochs * math.ceil(count / recipe.batch)
    optimiser = torch.optim.AdamW(module.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=max(steps, 2))
    seen = 0
    for epoch in range(1, epochs + 1):
        for chosen in torch.split(torch.randperm(count), min(recipe.batch, count)):
            images = _augment(_to_floats(data.pixels[chosen]), recipe).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.half):
                logits = module(images.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), data.labels[chosen].to(device))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            seen += len(chosen)
            watch(TrainingStep(seen, epochs * count, epoch, loss.item()))
    module.zero_grad(set_to_none=True)


def _augment(images: torch.Tensor, recipe: TrainingDefaults) -> torch.Tensor:
    """Mirrored and shifted copies, drawn for each image of the batch."""
    if recipe.flip:
        mirrored = torch.rand(len(images)) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return _shift(images, recipe.shift) if recipe.shift else images


def _shift(images: torch.Tensor, most: int) -> torch.Tensor:
    count, channels, height, width = images.shape
    padded = F.pad(images, (most, most, most, most), mode="reflect")
    top = torch.randint(0, 2 * most + 1, (count, 1, 1, 1))
    left = torch.randint(0, 2 * most + 1, (count, 1, 1, 1))
    rows = (top + torch.arange(height).view(1, 1, -1, 1)).expand(-1, channels, -1, width + 2 * most)
    columns = (left + torch.arange(width).view(1, 1, 1, -1)).expand(-1, channels, height, -1)
    return padded.gather(2, rows).gather(3, columns)
