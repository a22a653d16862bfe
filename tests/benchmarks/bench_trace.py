"""Tracing against the passes that it cannot do without; memory at two sizes.

    python -m tests.benchmarks.bench_trace

Effective path on VGG-16 at 32 x 32, batch 16: holding the network, selection with edges, and what
follows (strength, routes, budget, rows, writing), each as a multiple of one forward and backward pass of
the same batch, measured in turn in the same run. Targets: holding + selection within 15 times (step 1),
5 times (step 3); peak memory at 400 images at most 1.15 times that at 100.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from rich.console import Console
from rich.table import Table

from graphpath import trace
from graphpath.data import TensorImages, open_images
from graphpath.models.architectures import cnn
from graphpath.network import hold, take_apart
from graphpath.record import TraceWriter
from graphpath.tracing.batch import Batch, Wiring
from graphpath.tracing.pathways import pathways
from graphpath.tracing.registry import METHODS, ready
from graphpath.tracing.rows import Numbering
from graphpath.tracing.targets import one_hot
from tests.benchmarks.peak import peak_mib

IMAGES, SIDE, ROUNDS = 16, 32, 5


def main() -> None:
    """Measure and print both tables."""
    console = Console()
    console.print(speed())
    console.print(memory())


def speed(rounds: int = ROUNDS) -> Table:
    """Each stage of a trace as a multiple of forward + backward."""
    torch.manual_seed(0)
    module = torchvision.models.vgg16(weights=None).eval().requires_grad_(False)
    images = torch.rand(IMAGES, 3, SIDE, SIDE)
    wiring = Wiring.of(take_apart(module, (3, SIDE, SIDE)))
    stages = _Stages(module, wiring, images)
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for name, stage in stages.in_turn():
            seconds.setdefault(name, []).append(_timed(stage))
    return _speed_table({name: times[1:] for name, times in seconds.items()}, stages.edges)


class _Stages:
    """The stages of tracing one batch, to be run in this order; each leaves its result for the next."""

    def __init__(self, module: torch.nn.Module, wiring: Wiring, images: torch.Tensor) -> None:
        self._module, self._wiring, self._images = module, wiring, images
        self._source = TensorImages(images)
        self._folder = tempfile.TemporaryDirectory()
        self._written = 0
        self.edges = 0

    def in_turn(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("forward + backward", self.passes),
            ("hold", self.hold),
            ("select, with edges", self.select),
            ("strength, routes, budget", self.pathways),
            ("rows and writing", self.write),
        ]

    def passes(self) -> None:
        image = self._images.clone().requires_grad_(True)
        self._module(image).max(1).values.sum().backward()

    def hold(self) -> None:
        held = hold(self._wiring.network, self._images, lambda logits: one_hot(logits.argmax(1), logits))
        self._batch = Batch(self._wiring, self._images, held, (0,) * IMAGES)

    def select(self) -> None:
        [self._taken] = ready(METHODS["effective_path"], self._wiring, {}).take(self._batch)
        self.edges = sum(len(block) for block in self._taken.selection.blocks)

    def pathways(self) -> None:
        self._pathways = pathways(self._batch, self._taken.selection, 20_000, 10)

    def write(self) -> None:
        self._written += 1
        run = f"benchmark-{self._written}"
        numbering = Numbering(self._wiring.network, "weights", run, "tensor", 10)
        writer = TraceWriter.open(Path(self._folder.name) / run, {"id": run})
        targets = self._batch.held.logits.argmax(1).numpy()
        rows = numbering.part(self._batch, [(self._taken, self._pathways)], self._source.rows(), targets, 0)
        writer.write_part(0, rows)


def _timed(stage: Callable[[], None]) -> float:
    started = time.perf_counter()
    stage()
    return time.perf_counter() - started


def _speed_table(seconds: dict[str, list[float]], edges: int) -> Table:
    base = seconds["forward + backward"]
    table = Table(
        "stage",
        "median s",
        "x forward + backward",
        title=f"effective_path, VGG-16, {IMAGES} images of {SIDE} x {SIDE}, {edges:,} edges selected, "
        f"{torch.get_num_threads()} threads",
    )
    for name, times in seconds.items():
        table.add_row(name, f"{statistics.median(times):.3f}", f"{_ratio(times, base):.2f}")
    traced = [a + b for a, b in zip(seconds["hold"], seconds["select, with edges"], strict=True)]
    seconds_traced, times = statistics.median(traced), _ratio(traced, base)
    table.add_row("hold + select", f"{seconds_traced:.3f}", f"{times:.2f}", style="bold")
    table.caption = f"{edges / statistics.median(traced):,.0f} edges/s selected"
    return table


def _ratio(times: list[float], base: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(times, base, strict=True))


def memory() -> Table:
    """Peak memory of whole processes that trace 100 and 400 digits."""
    table = Table("images", "peak MiB", "x of 100", title="effective_path, digits, one process each")
    peaks = {count: _peak(count) for count in (100, 400)}
    for count, peak in peaks.items():
        table.add_row(str(count), f"{peak:.0f}", f"{peak / peaks[100]:.3f}")
    return table


def _peak(count: int) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.bench_trace", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _trace_and_report(count: int) -> None:
    """In a process of its own: trace ``count`` digits, print the process's peak memory in MiB."""
    torch.manual_seed(0)
    images = open_images("digits", split="train", limit=count)
    with tempfile.TemporaryDirectory() as folder:
        trace(cnn(images.shape, 10), images, out=Path(folder) / "trace", batch=32)
    print(peak_mib())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _trace_and_report(int(sys.argv[1]))
    else:
        main()
