"""Tracing against the passes that it cannot do without; memory at two sizes.

    python -m tests.benchmarks.bench_trace [--device cuda] [--rounds 5] [CASE ...]

Methods on VGG-16: holding the network, selection with edges, and what follows (strength, routes, budget,
rows, writing), each as a multiple of one forward and backward pass of the same batch, measured in turn in
the same run; of ``channels``, which is W * dW, the pass that makes dW. Targets for holding + selection:
CASES; peak memory at 400 images at most 1.15 times that at 100. Without CASE all of them, and memory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from graphpath.tracing.batch import Batch, CompiledNetwork
from graphpath.tracing.maps import MapSelection, score_map_pathways
from graphpath.tracing.neurons import InducedEdges
from graphpath.tracing.pathways import score_pathways
from graphpath.tracing.registry import METHODS, make_ready
from graphpath.tracing.rows import Numbering
from graphpath.tracing.targets import make_one_hot
from tests.benchmarks.peak import peak_mib

ROUNDS = 5
PASSES = {False: "forward + backward", True: "forward + backward, for weights too"}


@dataclass(frozen=True)
class Case:
    """A method on ``images`` images of ``side`` pixels square; ``target`` for holding + selection, if any."""

    method: str
    side: int
    images: int
    target: float | None
    weights: bool = False
    """Whether the method cannot do without the gradients of the weights: its passes then make them too."""


CASES = {
    "ep-32": Case("effective_path", 32, 16, 5),
    "ep-224": Case("effective_path", 224, 1, 20),
    "mct-32": Case("neuron_mct", 32, 2, 8),
    "mct-224": Case("neuron_mct", 224, 1, None),
    "channels-224": Case("channels", 224, 1, 1.5, weights=True),
}


def main(words: list[str]) -> None:
    """Measure and print the tables."""
    console = Console()
    reader = argparse.ArgumentParser()
    reader.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    reader.add_argument("--device", default="cpu")
    reader.add_argument("--rounds", type=int, default=ROUNDS)
    asked = reader.parse_args(words)
    for name in asked.cases or CASES:
        console.print(speed(CASES[name], asked.device, asked.rounds))
    if not asked.cases:
        console.print(memory())


def speed(case: Case, device: str, rounds: int) -> Table:
    """Each stage of a trace as a multiple of forward + backward."""
    torch.manual_seed(0)
    module = torchvision.models.vgg16(weights=None).eval().requires_grad_(False).to(device)
    images = torch.rand(case.images, 3, case.side, case.side, device=device)
    compiled = CompiledNetwork.of(take_apart(module, (3, case.side, case.side)))
    stages = _Stages(case.method, module, compiled, images)
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for name, stage in stages.in_turn():
            seconds.setdefault(name, []).append(_timed(stage, device))
    return _speed_table(case, {name: times[1:] for name, times in seconds.items()}, stages.edges, device)


class _Stages:
    """The stages of tracing one batch, to be run in this order; each leaves its result for the next."""

    def __init__(
        self, method: str, module: torch.nn.Module, compiled: CompiledNetwork, images: torch.Tensor
    ) -> None:
        self._method = make_ready(METHODS[method], compiled, {})  # once a network
        self._module, self._compiled, self._images = module, compiled, images
        self._source = TensorImages(images.cpu())
        self._folder = tempfile.TemporaryDirectory()
        self._written = 0
        self.edges = 0

    def in_turn(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            (PASSES[False], self.passes),
            (PASSES[True], self.all_passes),
            ("hold", self.hold),
            ("select, with edges", self.select),
            ("strength, routes, budget", self.pathways),
            ("rows and writing", self.write),
        ]

    def passes(self) -> None:
        image = self._images.clone().requires_grad_(True)
        self._module(image).max(1).values.sum().backward()

    def all_passes(self) -> None:
        self._module.requires_grad_(True)
        self.passes()
        self._module.zero_grad()
        self._module.requires_grad_(False)

    def hold(self) -> None:
        held = hold(
            self._compiled.network, self._images, lambda logits: make_one_hot(logits.argmax(1), logits)
        )
        self._batch = Batch(self._compiled, self._images, held, (0,) * len(self._images))

    def select(self) -> None:
        [self._taken] = self._method.extract(self._batch)
        selection = self._taken.selection
        if isinstance(selection.edges, InducedEdges):  # part by part, as a trace makes them
            parts = (selection.edges.iterate_into(incoming) for incoming in self._batch.incoming)
            self.edges = sum(len(block) for blocks in parts for block, _ in blocks)
        else:
            blocks = selection.edges if isinstance(selection, MapSelection) else selection.blocks
            self.edges = sum(len(block) for block in blocks)

    def pathways(self) -> None:
        selection = self._taken.selection
        if isinstance(selection, MapSelection):
            self._pathways = score_map_pathways(self._batch, selection, 20_000)
        else:
            self._pathways = score_pathways(self._batch, selection, 20_000, 10)

    def write(self) -> None:
        self._written += 1
        run = f"benchmark-{self._written}"
        numbering = Numbering(self._compiled.network, "weights", run, "tensor", 10)
        writer = TraceWriter.open(Path(self._folder.name) / run, {"id": run})
        targets = self._batch.held.logits.argmax(1).cpu().numpy()
        rows = numbering.make_part(
            self._batch, [(self._taken, self._pathways)], self._source.rows(), targets, 0
        )
        writer.write_part(0, rows)


def _timed(stage: Callable[[], None], device: str) -> float:
    started = time.perf_counter()
    stage()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _speed_table(case: Case, seconds: dict[str, list[float]], edges: int, device: str) -> Table:
    base = seconds[PASSES[case.weights]]
    table = Table(
        "stage",
        "median s",
        f"x {PASSES[case.weights]}",
        title=f"{case.method}, VGG-16, {case.images} images of {case.side} x {case.side}, "
        f"{edges:,} edges selected, {device}, {torch.get_num_threads()} threads",
    )
    for name, times in seconds.items():
        table.add_row(name, f"{statistics.median(times):.3f}", f"{_ratio(times, base):.2f}")
    traced = [a + b for a, b in zip(seconds["hold"], seconds["select, with edges"], strict=True)]
    seconds_traced, times = statistics.median(traced), _ratio(traced, base)
    table.add_row("hold + select", f"{seconds_traced:.3f}", f"{times:.2f}", style="bold")
    table.caption = (
        f"{edges / seconds_traced:,.0f} edges/s and {case.images / seconds_traced:,.1f} images/s selected; "
        f"target {case.target or 'none'}; peak memory of the process so far {peak_mib():,.0f} MiB"
    )
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
    command = [sys.executable, "-m", "tests.benchmarks.bench_trace", "--peak", str(count)]
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
    if sys.argv[1:2] == ["--peak"]:
        _trace_and_report(int(sys.argv[2]))
    else:
        main(sys.argv[1:])
