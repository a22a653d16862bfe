"""``attack``: adversarial images of a data set, as an image set."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import nn

from graphpath.attacks.methods import (
    LeastChange,
    Settings,
    derive_start_seed,
    find_attack,
    perturb,
    resolve_settings,
)
from graphpath.attacks.staging import AttackedBatch, Staging, remove_leftovers
from graphpath.data import Given, Images, Labels
from graphpath.data.rows import build_categories, build_sample_rows
from graphpath.errors import DataError, MethodError, ModelError, RecordError
from graphpath.ids import digest
from graphpath.models import BY_NAME, LoadedModel, find_class
from graphpath.models.inputs import bring_together
from graphpath.modules.state import evaluating
from graphpath.progress import AnyProgress, as_progress
from graphpath.record.alone import lock_beside
from graphpath.record.imageset import ImagePart, ImageSet, is_image_set, write_image_set

Target = int | str | None
LEAST_LIKELY = "least_likely"


def attack(
    model: LoadedModel | nn.Module,
    images: Given,
    name: str = "pgd",
    epsilon: float | None = None,
    *,
    out: str | Path,
    steps: int | None = None,
    step_size: float | None = None,
    targeted: Target = None,
    seed: int = 0,
    batch: int | None = None,
    labels: Labels = None,
    matching: str = BY_NAME,
    progress: AnyProgress | None = None,
    **options: float,
) -> ImageSet:
    """Attack every image and return the adversarial ones as an image set in ``out``.

    Without ``targeted`` an image is pushed away from what ``model`` predicts for it. Its label is not
    needed, and cannot leak. With a class by number or name, or ``"least_likely"`` (Kurakin et al. 2016), it
    is pushed there.
    ``epsilon`` bounds the change of every pixel in bim, fgsm and pgd (by default 0.1); see
    ``ATTACKS`` for the other defaults. deepfool and cw seek the least change and take ``options`` instead
    (``overshoot=0.02``; ``confidence=0.0``, ...: ``DeepFool``, ``CarliniWagner``). Each sample has
    its original as ``parent``, and in ``detail`` the attack, its strength, the model and ``predicted``,
    the model's prediction on the original. ``seed`` starts PGD at the same point for the same image,
    whatever the batch. ``images``, ``labels`` and ``matching`` are as ``graphpath.trace`` takes them; the
    image set has the classes of the model where it names any. ``progress`` is called after every batch.

    Batches are kept as they finish: attacking again after an interruption goes on from there, and a
    finished ``out`` of the same attack is returned as it is. ``success_rate`` is how often it worked.
    """
    loaded, source = bring_together(model, images, labels, matching=matching)
    strength = resolve_settings(name, epsilon, steps, step_size, **options)
    if isinstance(targeted, Integral) and not isinstance(targeted, bool):
        targeted = int(targeted)  # of numpy's, too
    _check_target(name, targeted)
    if isinstance(targeted, str) and targeted != LEAST_LIKELY:
        targeted = find_class(targeted, loaded, source, "targeted", f"{LEAST_LIKELY}, a class by number")
    run = _Run(loaded, source, name, strength, targeted, seed)
    path, key = Path(out), digest(run.describe_provenance())
    if path.exists():
        return _open_finished(path, key)
    with lock_beside(path, "attack"), evaluating(loaded.module):
        if path.exists():  # another process has just finished it
            return _open_finished(path, key)
        staging, report = Staging(path, key), as_progress(progress)
        while staging.done < len(source):
            staging.append(
                run.attack_batch(staging.done, staging.done + (batch or _choose_batch_size(source)))
            )
            report(f"attacking by {name}", staging.done, len(source))
        made = _assemble(path, run, staging, key)
        staging.remove()
    return made


@dataclass(frozen=True)
class _Run:
    """One attack with all its settings."""

    model: LoadedModel
    images: Images
    name: str
    strength: Settings
    targeted: Target
    seed: int

    def describe_settings(self) -> dict[str, object]:
        """What each sample's ``detail`` says of the attack. The seed belongs to it only where it matters."""
        settings: dict[str, object] = {
            "attack": self.name,
            **asdict(self.strength),
            "model": self.model.sha256[:16],
        }
        if self.targeted is not None:
            settings["targeted"] = self.targeted
        if find_attack(self.name).random_start:
            settings["seed"] = self.seed
        return settings

    def describe_provenance(self) -> dict[str, object]:
        """What the whole set comes from; its digest identifies the attack."""
        return {
            **self.describe_settings(),
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "images": {
                "dataset": self.images.dataset,
                "split": self.images.split,
                "count": len(self.images),
                "fingerprint": self.images.fingerprint,
            },
        }

    def attack_batch(self, start: int, stop: int) -> AttackedBatch:
        """Attack images ``start`` to ``stop``."""
        module = self.model.module
        like = next(module.parameters(), torch.empty(0))
        pixels = self.images.batch(start, stop).to(like.device, like.dtype)
        _check_range(pixels, self.images)
        samples = self.images.rows()["sample"].slice(start, len(pixels)).to_pylist()
        logits = _compute_logits(module, pixels)
        predicted = logits.argmax(1)
        target = self._choose_target(logits)
        adversarial = perturb(
            module,
            pixels,
            predicted if target is None else target,
            self.strength,
            targeted=target is not None,
            random_start=find_attack(self.name).random_start,
            seeds=[derive_start_seed(self.seed, sample) for sample in samples],
        )
        reached = _compute_logits(module, adversarial).argmax(1)
        success = reached != predicted if target is None else reached == target
        return AttackedBatch(
            adversarial.cpu().float().numpy(), predicted.cpu().numpy(), success.cpu().numpy()
        )

    def _choose_target(self, logits: torch.Tensor) -> torch.Tensor | None:
        if self.targeted is None:
            return None
        if self.targeted == LEAST_LIKELY:
            return logits.argmin(1)
        if not isinstance(self.targeted, int) or not 0 <= self.targeted < logits.shape[1]:
            raise MethodError(
                f"targeted={self.targeted!r}: expected a class from 0 to {logits.shape[1] - 1}, "
                f"or {LEAST_LIKELY!r}"
            )
        return torch.full((len(logits),), self.targeted, device=logits.device)

    def make_sample_rows(self, start: int, predicted: npt.NDArray[np.int64]) -> pa.Table:
        """The samples table of the adversarial images from ``start`` on."""
        parents = self.images.rows().slice(start, len(predicted)).to_pylist()
        details = [self._make_detail(row, int(seen)) for row, seen in zip(parents, predicted, strict=True)]
        return build_sample_rows(
            self.images.dataset,
            self.images.split,
            [row["label"] for row in parents],
            index=[row["index"] for row in parents],
            details=details,
            variant="adversarial",
            parents=[row["sample"] for row in parents],
        )

    def _make_detail(self, parent: Mapping[str, Any], predicted: int) -> dict[str, object]:
        # What distinguishes the parent (its file, its pixels) distinguishes the derived sample too.
        inherited: dict[str, object] = json.loads(parent["detail"])
        if parent["variant"] != "original":
            inherited["of"] = parent["sample"]
        return {**inherited, **self.describe_settings(), "predicted": predicted}


def _check_target(name: str, targeted: Target) -> None:
    chosen = find_attack(name)
    if targeted is not None and isinstance(chosen, LeastChange) and not chosen.targets:
        raise MethodError(
            f"{name} knows no target: it goes to the nearest boundary; use cw, bim, fgsm or pgd"
        )


def success_rate(adversarial: ImageSet) -> float:
    """The share of images whose prediction changed or, where the attack was targeted, became its target."""
    rate = adversarial.provenance.get("success")
    if not isinstance(rate, float):
        raise RecordError(f"{adversarial.path} is not an image set that an attack wrote")
    return rate


def _choose_batch_size(images: Images) -> int:
    """Up to 128 small images at once, fewer large ones: activations are many times the pixels."""
    return max(1, min(128, 2_000_000 // math.prod(images.shape)))


@torch.no_grad()
def _compute_logits(module: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    try:
        logits = module(pixels)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ModelError(
            f"{type(module).__name__} cannot take images of shape {tuple(pixels.shape[1:])}: {error}. "
            "Give it images of the size that it is made for."
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        raise ModelError(f"{type(module).__name__}: expected logits (N, classes), which an attack needs")
    return logits


def _check_range(pixels: torch.Tensor, images: Images) -> None:
    least, most = (float(pixels.min()), float(pixels.max())) if len(pixels) else (0.0, 1.0)
    if not (least >= 0 and most <= 1):
        raise DataError(
            f"{images.dataset}: pixels from {least:.3g} to {most:.3g}, expected [0, 1]; "
            "put normalisation into the model (graphpath.models.Normalize)"
        )


def _open_finished(path: Path, key: str) -> ImageSet:
    if is_image_set(path) and (made := ImageSet(path)).provenance.get("key") == key:
        remove_leftovers(path)
        return made
    raise RecordError(
        f"{path} exists and holds something else; choose another output directory, or delete it"
    )


def _assemble(path: Path, run: _Run, staging: Staging, key: str) -> ImageSet:
    def parts() -> Iterator[ImagePart]:
        start = 0
        while start < staging.done:
            batch = staging.read(start)
            yield ImagePart(run.make_sample_rows(start, batch.predicted), batch.pixels)
            start += len(batch)

    provenance = {**run.describe_provenance(), "key": key, "success": staging.measure_success()}
    return write_image_set(path, parts(), build_categories(run.images.scheme, run.images.classes), provenance)
