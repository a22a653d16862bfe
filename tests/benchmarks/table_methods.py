"""The toy table of graphpath/tracing/README.md and its figures that concern methods: ours beside its.

    python -m tests.benchmarks.table_methods [--seeds 0 1 2] [--images 60] [--epochs 25]

Trains conv16-conv32-pool-fc64-fc10 on scikit-learn's digits for each seed and selects the
pathways of some test images that it predicts rightly, at a sparsity of .9. Ours are the means over the seeds,
the first ones are of one seed. ``ms`` is the time of an image in a batch of all, edges included; at first of
one image at a time, without edges. ``flips`` is the share of predictions changed by keeping only the pathway.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from graphpath.data import open_images
from graphpath.models import train
from graphpath.tracing.batch import Selection
from graphpath.tracing.methods import (
    controls,
    dgr,
    distilled,
    effective_path,
    greedy,
    neuron_intgrad,
    neuron_mct,
)
from tests.tracing.toy import Toy, completeness, jaccard

SPARSITY = 0.9
WIDTH = 105
"""Columns of the table, whatever it is printed to."""


@dataclass(frozen=True)
class Row:
    """A method of the table: how it is called, and the first ms, kept, dead, flips and J with NeuronMCT."""

    name: str
    select: Callable[[Toy], Selection]
    notes: tuple[str, str, str, str, str] = ("", "", "", "", "")


def of(select: Callable[..., Selection], **options: Any) -> Callable[[Toy], Selection]:
    return lambda toy: select(toy.batch, sparsity=SPARSITY, **options)


def of_class(toy: Toy) -> Selection:
    return distilled.select(toy.batch, distilled.fit(toy.examples(), sparsity=SPARSITY), sparsity=SPARSITY)


ROWS = (
    Row("neuron_mct", of(neuron_mct.select), ("3", ".100", "0", "0", "1")),
    Row("neuron_intgrad", of(neuron_intgrad.select), ("80", ".100", "0", "0", ".954")),
    Row("dgr, 300 steps", of(dgr.select, iterations=300), ("516", ".100", "0", "0", ".386")),
    Row("dgr, 1000 steps", of(dgr.select), ("1914", ".100", ".005", "0", ".414")),
    Row("dgr, at random", of(dgr.select, recipe="khakzar_random"), ("2075", ".049", ".103", "0", ".156")),
    Row("dgr, channels (wang)", of(dgr.select, recipe="wang"), ("146", ".083", ".169", ".05", ".132")),
    Row("greedy, published", of(greedy.select, variant="published"), ("693", ".737", ".463", ".45", ".067")),
    Row("greedy, corrected", of(greedy.select)),
    Row("distilled", of_class),
    Row("activation", of(controls.select_activation)),
    Row("random", of(controls.select_random), ("0", ".101", ".375", ".93", ".053")),
)


def measured(toy: Toy, row: Row) -> list[float]:
    """ms, kept, dead, flips and J with NeuronMCT."""
    started = time.perf_counter()
    kept = toy.units(row.select(toy))
    spent = 1000 * (time.perf_counter() - started) / len(kept)
    likeness = float(jaccard(toy.path(SPARSITY), kept).mean())
    return [spent, float(kept.double().mean()), toy.dead_share(kept), toy.flips(kept), likeness]


def edges(toy: Toy) -> list[float]:
    """ms and edges of an effective path, and the sizes of unions over a class and over all."""
    started = time.perf_counter()
    blocks = effective_path.select(toy.batch).blocks
    spent = 1000 * (time.perf_counter() - started) / len(toy.labels)
    found: dict[int, set[tuple[int, int]]] = {}
    for block in blocks:
        ends = zip(block.sample.tolist(), block.source.tolist(), block.target.tolist(), strict=True)
        for image, source, target in ends:
            found.setdefault(int(toy.labels[image]), set()).add((source, target))
    images = sum(len(block) for block in blocks) / len(toy.labels)
    of_classes = float(np.mean([len(union) for union in found.values()]))
    return [spent, images, of_classes, float(len(set().union(*found.values())))]


def figures(toy: Toy) -> list[float]:
    """What ``FIGURES`` names."""
    error = completeness(toy, 10)
    path = toy.path(SPARSITY)
    everything = torch.ones_like(path)
    nulls = [float(jaccard(toy.path(s), toy.random(s)).mean()) for s in (0.8, 0.9, 0.98)]
    bent = [toy.bent(kept, 0.1) for kept in (everything, toy.path(0.8), toy.path(0.95))]
    removed = _as_many(path)
    return [
        float((~toy.live).double().mean()),
        float(np.median(error)),
        float(error.max()),
        *nulls,
        toy.flips(~path),
        toy.flips(~removed),
        *bent,
    ]


FIGURES = (
    ("dead units", ".38"),
    ("2: completeness of neuron_intgrad, median error", "<= .004"),
    ("2: the same, largest", ".018"),
    ("4: J of a path with a random set at 80", ".111 (null)"),
    ("4: at 90", ".0518-.0523 (null .0526)"),
    ("4: at 98", ".010 (null)"),
    ("9: flips by removing the path", "1"),
    ("9: by removing as many random units", ".05"),
    ("13: distance from linear at .1, whole network", ".0138"),
    ("13: the path at 80", ".0013"),
    ("13: at 95", ".0005"),
)


def _as_many(path: Tensor) -> Tensor:
    """As many random units as each path has."""
    noise = torch.rand(path.shape, generator=torch.Generator().manual_seed(0))
    return noise.argsort(1, descending=True).argsort(1) < path.sum(1, keepdim=True)


def trained(seed: int, epochs: int, images: int) -> Toy:
    """The toy: Adam at .002."""
    digits = open_images("digits", split="train"), open_images("digits", split="test")
    return Toy.of(train("cnn", *digits, epochs=epochs, seed=seed, rate=2e-3).model, images)


def shown(number: float) -> str:
    if number >= 10:
        return f"{number:,.0f}"
    digits = 3 if number >= 0.001 else 5
    return f"{number:.{digits}f}".lstrip("0") if 0 < number < 1 else f"{number:.3g}"


def means(rows: Iterable[list[float]]) -> list[str]:
    return [shown(float(value)) for value in np.mean(list(rows), 0)]


def method_table(toys: list[Toy]) -> Table:
    table = Table(title=f"Methods at a sparsity of {SPARSITY}: ours | at first")
    table.add_column("method")
    for name in ("ms", "kept", "dead", "flips", "J with neuron_mct"):
        table.add_column(name, justify="right")
    for row in ROWS:
        ours = means(measured(toy, row) for toy in toys)
        table.add_row(row.name, *(f"{a} | {b or '-'}" for a, b in zip(ours, row.notes, strict=True)))
    return table


def figure_table(toys: list[Toy]) -> Table:
    table = Table(title="Figures")
    table.add_column("figure")
    table.add_column("ours", justify="right")
    table.add_column("at first", justify="right")
    for (name, notes), ours in zip(FIGURES, means(figures(toy) for toy in toys), strict=True):
        table.add_row(name, ours, notes)
    names = ("effective_path .5: ms", "edges of an image", "of a class's images", "of all images")
    expected = ("22", "~200", "~1,850", "~7,500")
    for name, ours, notes in zip(names, means(edges(toy) for toy in toys), expected, strict=True):
        table.add_row(name, ours, notes)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=25)
    given = parser.parse_args()
    console = Console()
    console.width = max(console.width, WIDTH)
    started = time.perf_counter()
    toys = [trained(seed, given.epochs, given.images) for seed in given.seeds]
    console.print(method_table(toys), figure_table(toys))
    console.print(f"{len(toys)} networks, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
