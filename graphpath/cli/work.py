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
    from graphpath.models import LoadedModel, Opening


@dataclass(frozen=True)
class OpeningInput:
    """What opens a network beside ``--model``."""

    weights: str | None
    mean: str | None
    std: str | None
    normalize: str | None
    preprocess: str | None
    classes: str | None

    def read(self) -> Opening:
        """The same as the models know it."""
        from graphpath.models import Opening

        return Opening(self.weights, self.preprocess, self.mean, self.std, self.normalize, self.classes)


@dataclass(frozen=True)
class TracingInput(OpeningInput):
    """What was asked for; nothing is opened yet."""

    model: str
    data: str
    limit: int | None
    root: Path | None
    split: str
    size: int | None
    device: str
    batch: int | None
    seed: int
    exif: bool
    labels: str
    traced_output: str | None
    download: bool

    def open(self, check: Callable[[LoadedModel], None] | None = None) -> tuple[LoadedModel, MatchedImages]:
        """The network, and the images at the size that it was made for, with their labels in its numbers.

        ``check`` may refuse the network before the images are looked at. Raises ModelError, DataError.
        """
        from graphpath.models import match_classes
        from graphpath.models.inputs import adapt
        from graphpath.tracing.ranks import Rank

        device = Rank.here().choose_device(self.device)
        loaded = self.read().load(self.model, device=device, seed=self.seed, download=self.download)
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


_OPENING: dict[str, tuple[Any, Any]] = {
    "weights": (a.Weights, None),
    "mean": (a.Mean, None),
    "std": (a.Std, None),
    "normalize": (a.Normalization, None),
    "preprocess": (a.Preprocess, None),
    "classes": (a.Classes, None),
}

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "model": (a.Model, REQUIRED),
    "data": (a.Data, REQUIRED),
    "limit": (a.Limit, None),
    "root": (a.Root, None),
    "split": (a.Split, "test"),
    "size": (a.Size, None),
    "device": (a.Device, "cpu"),
    "batch": (a.Batch, None),
    "seed": (a.Seed, 0),
    "exif": (a.Exif, False),
    "labels": (a.Labels, "by-name"),
    **_OPENING,
    "traced_output": (a.ModelOutput, None),
    "download": (a.Download, False),
}

work_options = replace_parameter("work", _OPTIONS, TracingInput)
"""Gives a verb that takes ``work: Work`` these options in its place."""


opening_options = replace_parameter("opening", _OPENING, OpeningInput)
"""Gives a verb that takes ``opening: OpeningInput`` these options in its place."""
