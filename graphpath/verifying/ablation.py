"""The network run over images, batch by batch: untouched, with the answer ablated, and with each draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from graphpath.data import Images
from graphpath.data.base import BaseImages
from graphpath.network import Network
from graphpath.network.edits import Circuit
from graphpath.progress import Progress
from graphpath.tracing.batches import MEMORY, read_originals
from graphpath.tracing.targets import Class, TargetRows, choose_classes
from graphpath.verifying.answer import AnswerSets, Ints
from graphpath.verifying.baselines import Baseline, make_baseline, split_batches
from graphpath.verifying.controls import CONTROLS, Controls
from graphpath.verifying.outcomes import Outcome, Outcomes
from graphpath.verifying.sets import BatchSets, sets_from_answer

EDGE = 400
"""Bytes that an edge takes while it is looked up, or drawn."""


@dataclass(frozen=True)
class AblationPlan:
    """How an answer is ablated."""

    mode: str
    baseline: str
    target: Class | Tensor
    draws: int
    seed: int


@dataclass(frozen=True, eq=False)
class Ablation:
    """An answer, the images it is of, and the network that they run through."""

    network: Network
    images: Images
    answer: AnswerSets
    plan: AblationPlan
    batch: int | None

    @cached_property
    def circuit(self) -> Circuit:
        """The network, compiled for edits."""
        return Circuit(self.network)

    @cached_property
    def used(self) -> Ints:
        """The positions of the images that are run."""
        return self.answer.list_images(len(self.images))

    @cached_property
    def labels(self) -> Ints:
        """The labels of all images given, -1 for none."""
        return np.asarray(self.images.rows()["label"].to_numpy(), dtype=np.int64)

    def run(self, progress: Progress) -> Outcomes:
        """The outcomes for each of the images used: untouched, ablated, and of each control's draws."""
        batches = split_batches(self.used, self.size)
        base = make_baseline(
            self.plan.baseline, self.circuit, self.read_pixels, len(self.images), self.size, self.plan.seed
        )
        each, done = len(CONTROLS) * self.plan.draws + 2, 0
        columns: list[list[Outcome]] = [[] for _ in range(each)]
        for images in batches:
            for column, outcome in zip(columns, self._run_batch(images, base), strict=True):
                column.append(outcome)
                done += len(images)
                progress("verifying", done, each * len(self.used))
        clean, answer, *draws = (Outcome.join(column) for column in columns)
        count = self.plan.draws
        controls = {kind: tuple(draws[i * count : (i + 1) * count]) for i, kind in enumerate(CONTROLS)}
        shared = self.answer.image is None
        return Outcomes(clean, answer, controls, self.labels[self.used], shared)

    def _run_batch(self, images: Ints, base: Baseline) -> Iterator[Outcome]:
        """The outcomes of one batch: untouched, the answer's, then each control's draws."""
        plan, pixels = self.plan, self.read_pixels(images)
        clean = self.circuit.run(pixels, recorded=True)
        target = self._choose_target(images, clean.logits)
        found = sets_from_answer(self.answer, images, self.network)
        controls = Controls(self.circuit, clean, found, plan.seed, self._draw_keys(images))
        values = base(images)

        def run_without(chosen: BatchSets) -> Outcome:
            logits = self.circuit.run(pixels, chosen.make_edits(plan.mode, values)).logits
            return Outcome.from_logits(logits, target, chosen.total)

        yield Outcome.from_logits(clean.logits, target, torch.zeros_like(target[:1]))
        yield run_without(found)
        for kind in CONTROLS:
            for number in range(plan.draws):
                yield run_without(controls.draw(kind, number))

    def _choose_target(self, images: Ints, logits: Tensor) -> Tensor:
        """The class of each image (N,) whose logit is watched."""
        rows, target = self.images.rows().take(images), self.plan.target
        if isinstance(target, Tensor):
            target = target.cpu()[torch.from_numpy(images)]
        device = logits.device
        labels = torch.from_numpy(self.labels[images]).to(device)
        originals = torch.from_numpy(read_originals(rows, self.images)).to(device)
        return choose_classes(target, logits, TargetRows(labels, originals, slice(None)))

    def _draw_keys(self, images: Ints) -> list[object]:
        """What an image's draws depend on; one key for all where the answer is the same for all."""
        if self.answer.image is None:
            return ["all"]
        return list(self.images.rows()["sample"].take(images).to_pylist())

    def read_pixels(self, images: Ints) -> Tensor:
        """The images with these numbers (N, C, H, W), where and as the network is."""
        source = self.images
        if isinstance(source, BaseImages):
            found = source.read(images)
        else:
            found = torch.cat([source.batch(int(number), int(number) + 1) for number in images])
        return found.to(device=self.network.device, dtype=self.network.dtype)

    @cached_property
    def size(self) -> int:
        """The batch size: as given, or what fits into memory."""
        if self.batch is not None:
            return self.batch
        item = torch.empty((), dtype=self.network.dtype).element_size()
        values = (self.network.neurons + self.network.pooled) * (item * 6 + 8 * 3)
        if self.answer.edges:
            owners = 1 if self.answer.image is None else len(self.used)
            values += len(self.answer.columns[0]) // owners * EDGE
        return max(1, min(64, MEMORY // values))
