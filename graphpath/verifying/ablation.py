"""The network run over images, batch by batch: untouched, with the answer ablated, and with each draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from graphpath.data import Images
from graphpath.data.base import BaseImages
from graphpath.network import Network
from graphpath.network.edits import Circuit
from graphpath.tracing.batches import MEMORY, originals_of
from graphpath.tracing.targets import Asked, Class, chosen
from graphpath.verifying.answer import Answer, Ints
from graphpath.verifying.baselines import Baseline, baseline, parts
from graphpath.verifying.controls import CONTROLS, Controls
from graphpath.verifying.outcomes import Outcome, Outcomes
from graphpath.verifying.sets import Chosen, of_answer

Progress = Callable[[int, int], None]
"""Called with the passes done and the passes in all, each of one image."""

EDGE = 400
"""Bytes that an edge takes while it is looked up, or drawn."""


@dataclass(frozen=True)
class Plan:
    """How an answer is put to the test."""

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
    answer: Answer
    plan: Plan
    batch: int | None

    @cached_property
    def circuit(self) -> Circuit:
        """The network, wired."""
        return Circuit(self.network)

    @cached_property
    def used(self) -> Ints:
        """Which of the images given are run."""
        return self.answer.images(len(self.images))

    @cached_property
    def labels(self) -> Ints:
        """The labels of all images given, -1 for none."""
        return np.asarray(self.images.rows()["label"].to_numpy(), dtype=np.int64)

    def outcomes(self, progress: Progress | None) -> Outcomes:
        """What comes of it for each of the images used."""
        batches = parts(self.used, self.size)
        base = baseline(
            self.plan.baseline, self.circuit, self.pixels, len(self.images), self.size, self.plan.seed
        )
        each, done = len(CONTROLS) * self.plan.draws + 2, 0
        columns: list[list[Outcome]] = [[] for _ in range(each)]
        for images in batches:
            for column, outcome in zip(columns, self._batch(images, base), strict=True):
                column.append(outcome)
                done += len(images)
                if progress is not None:
                    progress(done, each * len(self.used))
        clean, answer, *draws = (Outcome.joined(column) for column in columns)
        count = self.plan.draws
        controls = {kind: tuple(draws[i * count : (i + 1) * count]) for i, kind in enumerate(CONTROLS)}
        shared = self.answer.image is None
        return Outcomes(clean, answer, controls, self.labels[self.used], shared)

    def _batch(self, images: Ints, base: Baseline) -> Iterator[Outcome]:
        """The outcomes of one batch: untouched, the answer's, then each control's draws."""
        plan, pixels = self.plan, self.pixels(images)
        clean = self.circuit.run(pixels, recorded=True)
        target = self._target(images, clean.logits)
        found = of_answer(self.answer, images, self.network)
        controls = Controls(self.circuit, clean, found, plan.seed, self._keys(images))
        values = base(images)

        def ablated(chosen: Chosen) -> Outcome:
            logits = self.circuit.run(pixels, chosen.edits(plan.mode, values)).logits
            return Outcome.of(logits, target, chosen.total)

        yield Outcome.of(clean.logits, target, torch.zeros_like(target[:1]))
        yield ablated(found)
        for kind in CONTROLS:
            for number in range(plan.draws):
                yield ablated(controls.draw(kind, number))

    def _target(self, images: Ints, logits: Tensor) -> Tensor:
        """The class of each image (N,) whose logit is watched."""
        rows, target = self.images.rows().take(images), self.plan.target
        if isinstance(target, Tensor):
            target = target.cpu()[torch.from_numpy(images)]
        device = logits.device
        labels = torch.from_numpy(self.labels[images]).to(device)
        originals = torch.from_numpy(originals_of(rows, self.images)).to(device)
        return chosen(target, logits, Asked(labels, originals, slice(None)))

    def _keys(self, images: Ints) -> list[object]:
        """What an image's draws depend on; one for all where the answer is the same for all."""
        if self.answer.image is None:
            return ["all"]
        return list(self.images.rows()["sample"].take(images).to_pylist())

    def pixels(self, images: Ints) -> Tensor:
        """The images with these numbers (N, C, H, W), where and as the network is."""
        source = self.images
        if isinstance(source, BaseImages):
            found = source.read(images)
        else:
            found = torch.cat([source.batch(int(number), int(number) + 1) for number in images])
        return found.to(device=self.network.device, dtype=self.network.dtype)

    @cached_property
    def size(self) -> int:
        """Images at a time: as asked for, or what fits."""
        if self.batch is not None:
            return self.batch
        item = torch.empty((), dtype=self.network.dtype).element_size()
        values = (self.network.neurons + self.network.pooled) * (item * 6 + 8 * 3)
        if self.answer.edges:
            owners = 1 if self.answer.image is None else len(self.used)
            values += len(self.answer.columns[0]) // owners * EDGE
        return max(1, min(64, MEMORY // values))
