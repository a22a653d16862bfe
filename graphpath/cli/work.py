"""A network and the images that go through it: ``--model``, ``--data`` and what belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.cli import arguments as a
from graphpath.cli.shared import REQUIRED, replace_parameter

if TYPE_CHECKING:
    from graphpath.data import MatchedImages
    from graphpath.models import LoadedModel


@dataclass(frozen=True)
class TracingInput:
    """What was asked for; nothing is opened yet."""

    model: str
    data: str
    limit: int | None
    root: Path | None
    split: str
    size: int | None
    weights: str | None
    device: str
    batch: int | None
    seed: int
    exif: bool
    labels: str
    preprocess: str | None
    mean: str | None
    std: str | None
    normalize: str | None
    classes: str | None
    traced_output: str | None
    download: bool

    def open(self, check: Callable[[LoadedModel], None] | None = None) -> tuple[LoadedModel, MatchedImages]:
        """The network, and the images at the size that it was made for, with their labels in its numbers.

        ``check`` may refuse the network before the images are looked at. Raises ModelError, DataError.
        """
        from graphpath.models import load_model, match_classes
        from graphpath.models.inputs import adapt
        from graphpath.tracing.ranks import Rank

        device = Rank.here().choose_device(self.device)
        loaded = load_model(
            self.model,
            device=device,
            weights=self.weights,
            seed=self.seed,
            download=self.download,
            preprocess=self.preprocess,
            mean=self.mean,
            std=self.std,
            normalize=self.normalize,
            classes=self.classes,
        )
        if check is not None:
            check(loaded)
        images = a.open_images(
            self.data,
            loaded,
            root=self.root,
            split=self.split,
            limit=self.limit,
            seed=self.seed,
            size=self.size,
            exif=self.exif,
            download=self.download,
        )
        loaded = adapt(loaded, images, self.traced_output)
        return loaded, match_classes(loaded, images, self.labels)


def describe_input(model: LoadedModel, images: MatchedImages) -> tuple[str, ...]:
    """What a user should know: the model's preprocessing and classes, and how labels became its."""
    return model.to_sentence(), images.numbered.words


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "model": (a.Model, REQUIRED),
    "data": (a.Data, REQUIRED),
    "limit": (a.Limit, None),
    "root": (a.Root, None),
    "split": (a.Split, "test"),
    "size": (a.Size, None),
    "weights": (a.Weights, None),
    "device": (a.Device, "cpu"),
    "batch": (a.Batch, None),
    "seed": (a.Seed, 0),
    "exif": (a.Exif, False),
    "labels": (a.Labels, "by-name"),
    "mean": (a.Mean, None),
    "std": (a.Std, None),
    "normalize": (a.Normalization, None),
    "preprocess": (a.Preprocess, None),
    "classes": (a.Classes, None),
    "traced_output": (a.ModelOutput, None),
    "download": (a.Download, False),
}

work_options = replace_parameter("work", _OPTIONS, TracingInput)
"""Gives a verb that takes ``work: Work`` these options in its place."""
