"""On what a study runs: a data set, and the networks that read it, one for each seed."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from graphpath.data import BaseImages, open_images
from graphpath.data.composed import ComposedImages, compose
from graphpath.data.files import EncodedImages
from graphpath.data.matched import ClassMatch, MatchedImages
from graphpath.data.notes import Notes
from graphpath.data.rows import UNLABELLED
from graphpath.errors import StudyError
from graphpath.ids import digest
from graphpath.models import (
    LoadedModel,
    Opening,
    digest_weights,
    evaluate,
    load_model,
    match_classes,
    read_checkpoint,
    train,
)
from graphpath.progress import Progress, as_progress
from graphpath.record.files import read_number, write_json
from graphpath.stores.categories import CATEGORY, Scheme
from graphpath.studies.conditions import GROUP, TRAINED
from graphpath.studies.decisions import measure_share_decided
from graphpath.studies.study import Study


@dataclass(frozen=True)
class Setting:
    """A data set, networks and seeds; ``out`` keeps everything that is made.

    Without ``models``, one small CNN a seed is trained on ``train_images`` images, evenly by class, and kept
    as a checkpoint. Given ``models`` stand for the seeds; a single one may stand for all of a study whose
    seeds are groups of images.
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
    opening: Opening = field(default_factory=Opening)
    """What opens the given networks beside their names."""
    size: int | None = None
    """The height and width that images are brought to, where the given networks do not say."""
    scheme: Scheme | None = None
    """Categories of the networks' classes."""
    met: Notes = field(default_factory=Notes, compare=False, repr=False)
    """What was met in all images that were read."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise StudyError(f"seeds {self.seeds}: expected at least one, and each once.")
        if len(self.models) not in (0, 1, len(self.seeds)):
            raise StudyError(
                f"{len(self.models)} networks for {len(self.seeds)} seeds: give as many networks as seeds."
            )

    def check(self, study: Study) -> None:
        """Raises StudyError where ``study`` cannot be run in this setting."""
        if study.over != GROUP and self.models and len(self.models) != len(self.seeds):
            raise StudyError(
                f"{len(self.models)} networks for {len(self.seeds)} seeds: {study.name} needs as many "
                "networks as seeds (--model once for each)."
            )
        if study.categories and (self.scheme is None or not self.models):
            raise StudyError(
                f"{study.name} is about categories of a network's classes: give the network (--model) and "
                "the file that says which class is of which category (--categories FILE --scheme NAME)."
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
        # One network that stands for all seeds has one with random weights beside it.
        drawn = self.seeds[0] if len(self.models) == 1 else seed
        return trained if kind == TRAINED else randomise(trained, drawn)

    def match(self, model: LoadedModel, images: BaseImages) -> BaseImages:
        """``images`` with the numbers that their classes have for ``model``.

        Where their classes are categories of ``scheme`` the model has no number for them: they have no label.
        """
        if not self.are_categories(model, images):
            return match_classes(model, images)
        unlabelled = np.full(len(images.classes), UNLABELLED)
        matched = ClassMatch("none", "The images are labelled with categories.", unlabelled)
        scheme = model.scheme or model.name
        return MatchedImages(images, matched, model.classes or (), scheme, model.sha256)

    def are_categories(self, model: LoadedModel, images: BaseImages) -> bool:
        """Whether the images are labelled with categories instead of with the model's classes."""
        known = {row[CATEGORY] for row in self.scheme.rows} if self.scheme else set()
        return (
            bool(images.classes)
            and {*images.classes} <= known
            and not {*images.classes} <= {*(model.classes or ())}
        )

    def measure_accuracy(self, seed: int) -> float:
        """The share of test images that the trained network of a seed classifies as labelled; made once.

        Where they are labelled with categories, it is the share of which that category is decided for.
        """
        if not self.models:
            return float(read_checkpoint(self._locate_checkpoint(seed))["accuracy"])
        model = self._load_given(seed)
        images = self.images()
        file = self.folder / "networks" / f"accuracy-{digest(model.sha256, images.fingerprint)[:12]}.json"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"network": model.name, "accuracy": self._measure_share(model, images)})
        return read_number(file, "accuracy")

    def _measure_share(self, model: LoadedModel, images: BaseImages) -> float:
        if self.scheme is not None and self.are_categories(model, images):
            return measure_share_decided(model, images, self.scheme)
        return evaluate(model.module, match_classes(model, images))

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
        words += [word for name, value in self.opening.items() for word in (f"--{name}", value)]
        words += [] if self.size is None else ["--size", str(self.size)]
        words += _format_scheme(self.scheme) if self.scheme else []
        return words if len(self.models) > 1 else [*words, "--seeds", str(len(self.seeds))]

    def _read_shape(self) -> tuple[tuple[int, int] | None, int | None]:
        """The size and channels that a given network was made for; images are brought to them."""
        asked = None if self.size is None else (self.size, self.size)
        if not self.models or (shape := self._load_given(self.seeds[0]).shape) is None:
            return asked, None
        return asked or (shape[1], shape[2]), shape[0]

    def _load_given(self, seed: int) -> LoadedModel:
        place = 0 if len(self.models) == 1 else self.seeds.index(seed)
        return self.opening.load(self.models[place], device=self.device)

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


def _format_scheme(scheme: Scheme) -> list[str]:
    """The words of the command line that give ``scheme``."""
    words = ["--categories", scheme.source, "--scheme", scheme.name]
    return [*words, "--column", scheme.column] if scheme.column else words
