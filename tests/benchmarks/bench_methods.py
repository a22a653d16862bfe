"""Images and edges a second of every method, on one device.

    python -m tests.benchmarks.bench_methods [--device cuda] [--images 16] [--small] [METHOD ...]

VGG-16 (``--small``: the demo's CNN) with random weights, images of noise. Counted are holding the network,
selection with edges, and strength, routes and budget; not what a method learns beforehand, nor writing. A
method gets one batch to warm up, then batches until its seconds are over, at least one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any

import torch
import torchvision
from rich.console import Console
from rich.table import Column, Table

from graphpath.data import TensorImages
from graphpath.models.architectures import cnn
from graphpath.models.inputs import bring_together
from graphpath.tracing.batches import Batches
from graphpath.tracing.evaluation import in_eval_mode
from graphpath.tracing.maps import MapSelection, score_map_pathways
from graphpath.tracing.neurons import InducedEdges
from graphpath.tracing.pathways import score_pathways
from graphpath.tracing.registry import METHODS, make_ready
from graphpath.tracing.taking import Extraction, Extractor
from tests.benchmarks.peak import peak_mib

BUDGET, ROUTES = 20_000, 10
QUICK: Mapping[str, Mapping[str, Any]] = {
    "dgr": {"iterations": 20},
    "diffusion": {"pixels": [[y, x] for y in range(8, 16) for x in range(8, 16)]},
}
"""Options with which the slowest methods answer within seconds."""
WORDS = {"dgr": "iterations=20", "diffusion": "64 pixels"}


def main(words: list[str]) -> None:
    """Measure and print the table."""
    reader = argparse.ArgumentParser()
    reader.add_argument("methods", nargs="*", metavar="METHOD", help=f"of {', '.join(sorted(METHODS))}")
    reader.add_argument("--device", default="cpu")
    reader.add_argument("--side", type=int, default=32)
    reader.add_argument("--images", type=int, default=16, help="images at a time at most")
    reader.add_argument("--seconds", type=float, default=4.0, help="of a method, at least one batch")
    reader.add_argument("--small", action="store_true", help="the demo's CNN in place of VGG-16")
    asked = reader.parse_args(words)
    shape = (3, asked.side, asked.side)
    torch.manual_seed(0)
    network = cnn(shape, 10) if asked.small else torchvision.models.vgg16(weights=None, num_classes=10)
    labels = torch.arange(asked.images) % 10  # for methods that learn from them
    model, images = bring_together(network.eval(), TensorImages(torch.rand(asked.images, *shape), labels))
    with in_eval_mode(model.module, asked.device):
        batches = Batches(model, images, "predicted", 0)
        Console().print(speed(batches, asked.methods or sorted(METHODS), asked.device, asked.seconds))


def speed(batches: Batches, methods: list[str], device: str, seconds: float) -> Table:
    """A row for each method."""
    shape = " x ".join(map(str, batches.images.shape))
    names = ("method", "options", "at a time", "images/s", "edges/s", "edges each")
    table = Table(*(Column(name, no_wrap=True) for name in names))
    table.title = f"{batches.model.name}, {shape}, {name_device(device)}"
    for name in methods:
        row = measure(batches, name, device, seconds)
        print(name, *row, file=sys.stderr)  # so that something is left where time runs out
        table.add_row(name, *row)
    table.caption = f"peak memory of the process {peak_mib():,.0f} MiB{_describe_memory(device)}"
    return table


def measure(batches: Batches, name: str, device: str, seconds: float) -> tuple[str, str, str, str, str]:
    """The row of one method, without its name."""
    method, quick = METHODS[name], QUICK.get(name, {})
    options = method.resolve_options(quick)
    size = min(len(batches), batches.fit_size(method, options))
    extractor = make_ready(method, batches.compiled, options, batches.learn(method, size, options))
    edges = sum(_count(taken) for taken in take(batches, extractor, size)) / size
    _wait(device)
    started, images = time.perf_counter(), 0
    while not images or time.perf_counter() - started < seconds:
        take(batches, extractor, size)
        images += size
        _wait(device)
    rate = images / (time.perf_counter() - started)
    return WORDS.get(name, ""), f"{size}", f"{rate:,.2f}", f"{rate * edges:,.0f}", f"{edges:,.0f}"


def take(batches: Batches, extractor: Extractor, size: int) -> list[Extraction]:
    """What a method takes of the first images, its pathways scored."""
    batch, _, _ = batches.hold_images(0, size)
    found = []
    for taken in extractor.extract(batch):
        if isinstance(taken.selection, MapSelection):
            score_map_pathways(taken.batch, taken.selection, BUDGET)
        else:
            score_pathways(taken.batch, taken.selection, BUDGET, ROUTES)
        found.append(taken)
    return found


def _count(taken: Extraction) -> int:
    """The edges that are selected."""
    selection = taken.selection
    if isinstance(selection, MapSelection):
        return sum(len(block) for block in selection.edges)
    if isinstance(selection.edges, InducedEdges):  # part by part: there may be too many for one
        parts = (selection.edges.iterate_into(incoming) for incoming in taken.batch.incoming)
        return sum(len(block) for blocks in parts for block, _ in blocks)
    return sum(len(block) for block in selection.blocks)


def name_device(device: str) -> str:
    """The device in words."""
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _describe_memory(device: str) -> str:
    if not device.startswith("cuda"):
        return ""
    return f", of the device {torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MiB"


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main(sys.argv[1:])
