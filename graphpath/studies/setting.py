"""On what a study runs: a data set, and the networks that read it, one for each seed."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from graphpath.data import BaseImages, open_images
from graphpath.data.composed import ComposedImages, compose
from graphpath.data.files import EncodedImages
from graphpath.data.notes import Notes
from graphpath.errors import StudyError
from graphpath.ids import digest
from graphpath.models import (
    LoadedModel,
    digest_weights,
    evaluate,
    load_model,
    match_classes,
    read_checkpoint,
    train,
)
from graphpath.progress import Progress, as_progress
from graphpath.record.files import read_number, write_json
from graphpath.studies.conditions import TRAINED


@dataclass(frozen=True)
class Setting:
    """A data set, networks and seeds; ``out`` keeps everything that is made.

    Without ``models``, one small CNN a seed is trained on ``train_images`` images, evenly by class, and kept
    as a checkpoint. Given ``models`` stand for the seeds.
    """

    out: Path
    data: str = "digits"
    root: Path | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    models: tuple[str, ...] = ()
    widths: tuple[int, ...] = (16, 32, 32)
    train_images: int = 12_000
    device: str = "cpu"
    pairs: bool = False
    """Whether images are two objects on a canvas, labelled by the left one (:meth:`compose_pairs`)."""
    exif: bool = False
    """Whether images are turned as their EXIF orientation says."""
    met: Notes = field(default_factory=Notes, compare=False, repr=False)
    """What was met in all images that were read."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise StudyError(f"seeds {self.seeds}: expected at least one, and each once.")
        if self.models and len(self.models) != len(self.seeds):
            raise StudyError(
                f"{len(self.models)} networks for {len(self.seeds)} seeds: give as many networks as seeds."
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the images read so far, one a kind."""
        return self.met.sentences()

    @property
    def folder(self) -> Path:
        """Where everything about the data set lies."""
        return self.out / (Path(self.data).name.replace(".", "-") + ("-pairs" if self.pairs else ""))

    def compose_pairs(self) -> Setting:
        """The same data composed in pairs, as in M2NIST, with networks trained on those.

        Given networks stay as they are. They are shown objects that are small enough for two.
        """
        return replace(self, pairs=True)

    def images(self, split: str = "test", limit: int | None = None) -> BaseImages:
        """Labelled images. Raises DataError, or StudyError where some have no label."""
        canvas, channels = self._read_shape()
        size = halve_canvas(canvas) if self.pairs and canvas else canvas
        most = None if self.pairs else limit
        found = open_images(
            self.data,
            root=self.root,
            split=split,
            limit=most,
            size=size,
            channels=channels,
            exif=self.exif,
        )
        if isinstance(found, EncodedImages):
            found.note_in(self.met)
        found = compose_canvases(found, limit or self.train_images, canvas) if self.pairs else found
        if not len(found) or found.labels.min() < 0:
            raise StudyError(f"{self.data}: a study needs images that all have a class.")
        return found

    def network(self, kind: str, seed: int, progress: Progress | None = None) -> LoadedModel:
        """The trained network of a seed, or the same with its weights drawn anew. Trains it if need be."""
        trained = self._load_given(seed) if self.models else self._load_trained(seed, progress)
        return trained if kind == TRAINED else randomise(trained, seed)

    def measure_accuracy(self, seed: int) -> float:
        """The share of test images that the trained network of a seed classifies as labelled; made once."""
        if not self.models:
            return float(read_checkpoint(self._locate_checkpoint(seed))["accuracy"])
        model = self._load_given(seed)
        images = match_classes(model, self.images())
        file = self.folder / "networks" / f"accuracy-{digest(model.sha256, images.fingerprint)[:12]}.json"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"network": model.name, "accuracy": evaluate(model.module, images)})
        return read_number(file, "accuracy")

    def describe(self) -> dict[str, object]:
        """What tells one setting from another, for pages and summaries."""
        made = f"cnn of {', '.join(map(str, self.widths))} feature maps, trained here"
        pairs = " on images in pairs" if self.pairs else ""
        return {
            "data": Path(self.data).name + (", turned by EXIF" if self.exif else ""),
            "network": (self._list_given_names() or made) + pairs,
            "seeds": len(self.seeds),
            "on": ", ".join(filter(None, [Path(self.data).name.split(".")[0], self._list_given_names()])),
        }

    def _list_given_names(self) -> str:
        return ", ".join(dict.fromkeys(Path(model).stem for model in self.models))

    def format_command(self) -> list[str]:
        """The words of the command line that give this setting."""
        words = ["--data", self.data, "--out", str(self.out)]
        words += [] if self.root is None else ["--root", str(self.root)]
        words += ["--exif"] if self.exif else []
        words += [word for model in self.models for word in ("--model", model)]
        return words if self.models else [*words, "--seeds", str(len(self.seeds))]

    def _read_shape(self) -> tuple[tuple[int, int] | None, int | None]:
        """The size and channels that a given network was made for; images are brought to them."""
        if not self.models or (shape := self._load_given(self.seeds[0]).shape) is None:
            return None, None
        return (shape[1], shape[2]), shape[0]

    def _load_given(self, seed: int) -> LoadedModel:
        return load_model(self.models[self.seeds.index(seed)], device=self.device)

    def _locate_checkpoint(self, seed: int) -> Path:
        turned = ("exif",) if self.exif else ()
        key = digest(self.widths, self.train_images, *turned)[:8]
        return self.folder / "networks" / f"cnn-{key}-seed{seed}.pt"

    def _load_trained(self, seed: int, progress: Progress | None) -> LoadedModel:
        path = self._locate_checkpoint(seed)
        if not path.is_file():
            train(
                "cnn",
                self.images("train", self.train_images),
                self.images(),
                seed=seed,
                out=path,
                device=self.device,
                progress=lambda done, total: as_progress(progress)(
                    f"training the network of seed {seed}", done, total
                ),
                widths=self.widths,
            )
        return load_model(str(path), device=self.device)


def compose_canvases(images: BaseImages, count: int, canvas: tuple[int, int] | None = None) -> ComposedImages:
    """At most ``count`` canvases of two objects each, and no more than there are images."""
    canvas = canvas or size_canvas(images.shape)
    seed = 0 if images.split == "train" else 1
    return compose(images, min(count, len(images)), canvas, (2,), seed, f"{images.dataset}-pairs")


def halve_canvas(canvas: tuple[int, int]) -> tuple[int, int]:
    """The largest square objects of which two fit on ``canvas`` and can be moved. Raises StudyError."""
    half = min(canvas[0], canvas[1] // 2)
    sides = [side for side in range(1, half) if side + 2 * room((1, side, side)) <= half]
    if not sides:
        raise StudyError(
            f"a network for images of {canvas[0]} x {canvas[1]} has no room for two objects that move: give "
            "one for larger images, or none (without --model, one is trained for this)."
        )
    return sides[-1], sides[-1]


def size_canvas(shape: tuple[int, int, int]) -> tuple[int, int]:
    """The canvas for two objects of ``shape``, with room to move each by :func:`room` all around."""
    _, height, width = shape
    spare = room(shape)
    return height + 2 * spare, 2 * (width + 2 * spare)


def room(shape: tuple[int, int, int]) -> int:
    """By how many pixels an object of ``shape`` can be moved from the middle of its half of a canvas."""
    return max(3, min(shape[1:]) // 4)


def randomise(model: LoadedModel, seed: int) -> LoadedModel:
    """The same network as it would be before training: every layer's own initialisation, by ``seed``."""
    module = copy.deepcopy(model.module)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for part in module.modules():
            _reset(part)
    name = f"{model.name}-random-weights"
    return replace(model, module=module, name=name, sha256=digest_weights(module))


def _reset(part: nn.Module) -> None:
    if callable(reset := getattr(part, "reset_parameters", None)):
        reset()
