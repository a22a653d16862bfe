"""Diffusion of every pixel of a CIFAR-sized image against the forward pass of as many images.

    python -m tests.benchmarks.bench_diffusion

All 1,024 pixels of one image through VGG-16 at 32 x 32: cross-sections, their sizes on each map and the five
largest maps of each pixel, at all thirteen convolutions, as a multiple of a forward pass of 1,024 images in
the same batch size, in turn in the same run. Target: at most 1.0. Beside it the forward pass of the
convolutions alone, the engine without footprints, and what a trace adds: selection with edges; strength,
routes and budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
import torchvision
from rich.console import Console
from rich.table import Table
from torch import Tensor

from graphpath.network import hold, take_apart
from graphpath.tracing.batch import Batch, CompiledNetwork
from graphpath.tracing.diffusion.plan import DiffusionPlan, find_last_maps
from graphpath.tracing.diffusion.sections import iterate_sections
from graphpath.tracing.diffusion.sizes import measure_sizes
from graphpath.tracing.pathways import score_pathways
from graphpath.tracing.registry import METHODS, make_ready
from graphpath.tracing.targets import make_one_hot
from tests.benchmarks.peak import peak_mib

SIDE, AT_ONCE, TOP = 32, 128, 5
PIXELS = SIDE * SIDE


def main() -> None:
    """Measure and print the table."""
    Console().print(speed())


def speed() -> Table:
    """Each stage as a multiple of the forward pass of as many images as there are pixels.

    The stages take turns batch by batch, so that other work on the machine slows all of them alike.
    """
    torch.manual_seed(0)
    stages = _Stages(torchvision.models.vgg16(weights=None).eval().requires_grad_(False))
    spent: dict[str, Spent] = {}
    for part in torch.arange(PIXELS).split(AT_ONCE):
        for name, stage in stages.in_turn():
            _timed(spent, name, partial(stage, part))
    for name, once in stages.once():
        _timed(spent, name, once)
    return _table(spent)


Spent = tuple[float, float]
"""Seconds on the clock, and of all processors."""


def _timed(spent: dict[str, Spent], name: str, stage: Callable[[], None]) -> None:
    clock, processors = time.perf_counter(), time.process_time()
    stage()
    before = spent.get(name, (0.0, 0.0))
    spent[name] = (
        before[0] + time.perf_counter() - clock,
        before[1] + time.process_time() - processors,
    )


class _Stages:
    """What is timed; the trace's stages leave their results for the next."""

    def __init__(self, module: torchvision.models.VGG) -> None:
        self._module = module
        self._many = torch.rand(PIXELS, 3, SIDE, SIDE)
        compiled = CompiledNetwork.of(take_apart(module, (3, SIDE, SIDE)))
        image = self._many[:1]
        held = hold(compiled.network, image, lambda logits: make_one_hot(logits.argmax(1), logits))
        self._batch = Batch(compiled, image, held, (0,))
        ends = find_last_maps(compiled.network)
        self._plans = {
            (kernel, cropped): DiffusionPlan.make(compiled.network, kernel, ends, cropped)
            for kernel, cropped in (("signed", True), ("plus_one", True), ("signed", False))
        }
        options = METHODS["diffusion"].resolve_options({"pixels": "all", "top": TOP})
        self._taker = make_ready(METHODS["diffusion"], compiled, options)

    def in_turn(self) -> list[tuple[str, Callable[[Tensor], None]]]:
        return [
            (FORWARD, partial(self.forward, self._module)),
            ("forward, convolutions alone", partial(self.forward, self._module.features)),
            ("diffusion, signed", partial(self.diffuse, "signed", True)),
            ("diffusion, plus_one", partial(self.diffuse, "plus_one", True)),
            ("diffusion, signed, whole tensors", partial(self.diffuse, "signed", False)),
        ]

    def once(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("trace: diffusion and edges", self.select),
            ("trace: strength, routes, budget", self.pathways),
        ]

    def forward(self, module: torch.nn.Module, part: Tensor) -> None:
        with torch.no_grad():
            module(self._many[part])

    def diffuse(self, kernel: str, cropped: bool, part: Tensor) -> None:
        """Some pixels of the image: sections, sizes, largest maps."""
        way = self._plans[kernel, cropped]
        for section in iterate_sections(way, self._batch.held, torch.zeros_like(part), part):
            measure_sizes(section, kernel).select_largest(TOP)

    def select(self) -> None:
        [self._taken] = self._taker.extract(self._batch)

    def pathways(self) -> None:
        score_pathways(self._taken.batch, self._taken.selection, 20_000, 10)


FORWARD = f"forward, {PIXELS:,} images"


def _table(spent: dict[str, Spent]) -> Table:
    table = Table(
        "stage",
        "s",
        "x forward",
        "processor s",
        "x forward",
        title=f"diffusion, VGG-16, {PIXELS:,} pixels of {SIDE} x {SIDE}, {AT_ONCE} at a time, "
        f"{torch.get_num_threads()} threads",
        caption=f"peak memory of the process {peak_mib():.0f} MiB",
    )
    clock, processors = spent[FORWARD]
    for name, (own, used) in spent.items():
        table.add_row(name, f"{own:.2f}", f"{own / clock:.2f}", f"{used:.2f}", f"{used / processors:.2f}")
    return table


if __name__ == "__main__":
    main()
