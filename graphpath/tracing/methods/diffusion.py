"""Diffusion pathways (Lyu, Pang, Wang 2024, "Understanding the Role of Pathways in a Deep Neural Network").

How far each statement is the paper's: its abstract was read, its body was not. What is *reported* comes from
machine-written reviews of it. The rest is graphpath's *choice* (``graphpath/tracing/README.md``).

- Reported: a pixel's intensity is spread layer by layer by the trained filters rotated by 180 degrees, as a
  pathway cross-section PS that grows with each layer, ``sum over c_in of PS * (RW + 1)``, under masks. The
  abstract says that the few largest pathways of a pixel cross, in each layer, feature maps that matter for
  the class, and that numbers of pathways on feature maps tell original, deformed and target samples apart.
- ``kernel="plus_one"`` is the reported formula, labelled so; ``kernel="signed"``, without the + 1, is exact:
  the cross-sections of all pixels and what the constants give sum to the activations. Choice: both masks are
  the held network's gates (ReLU: 1 where z > 0) and pooling switches; 1 is added to real weights of
  convolutions (batch norm folded in) and dense layers only.
- Choice: the size of a pathway on a feature map is the sum of PS there (|PS| for signed), and its large
  pathways are the ``top`` maps of largest size in each layer.
- Choice: an edge n -> m may be on the pathway of a set of pixels if both neurons lie on large maps of some of
  them. It *carries* ``|K * gate_m|``, K the kernel's weight, times the sum of |PS_n| over the pixels to which
  n's map is a large one; of each layer the edges that carry most are kept (``scan.py`` has the rule).

What the diffusion chooses is recorded like every method's choice: flow ``J * a_n`` and score
``J * a_n * df/dz_m`` of the whole image. So the laws hold for its edges, and these can be compared with other
methods' edges and between pixels. How much of a map a pixel has is in ``crosses``. Edges from pixels of
intensity 0 have no flow and are not stored, not even with ``init="unit"``. Routes run from a chosen pixel to
a feature map of the last layer diffused to, and contribute to the output of the neuron where they end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from graphpath.errors import MethodError
from graphpath.network import IncomingEdges
from graphpath.tracing.batch import Batch, CompiledNetwork, Ends, Selection, as_array
from graphpath.tracing.diffusion import kernels
from graphpath.tracing.diffusion import pixels as choice
from graphpath.tracing.diffusion.gather import MEMORY, Gatherer, SentPixels
from graphpath.tracing.diffusion.plan import DiffusionPlan, find_last_maps
from graphpath.tracing.diffusion.scan import scan_edges
from graphpath.tracing.diffusion.sections import INITS
from graphpath.tracing.diffusion.units import compute_units
from graphpath.tracing.taking import Extraction, Ints

CROSSING = 100
"""Bytes for a map that a pixel crosses, until it is written."""

MOST_PIXELS = 64
"""Pixels of an image that may each have a pathway of its own."""

THROUGH = ("maps", "logits")
"""Diffuse to the last feature maps, or through the dense layers too."""


@dataclass(frozen=True)
class Options:
    """The options of :func:`select`, checked."""

    pixels: choice.Pixels
    threshold: float
    top: int
    kernel: str
    init: str
    through: str
    per_pixel: bool
    per_layer: int
    every_map: bool

    def __post_init__(self) -> None:
        names = {"kernel": kernels.KERNELS, "init": INITS, "through": THROUGH}
        for name, known in names.items():
            if getattr(self, name) not in known:
                raise MethodError(
                    f"{name}={getattr(self, name)!r} is unknown; expected one of {', '.join(known)}."
                )
        choice.check_pixels(self.pixels)
        for name in ("top", "per_layer"):
            if getattr(self, name) < 1:
                raise MethodError(f"{name}={getattr(self, name)} keeps nothing; expected at least 1.")


def select(
    batch: Batch,
    *,
    pixels: choice.Pixels = "foreground",
    threshold: float = 0.1,
    top: int = 5,
    kernel: str = "signed",
    init: str = "intensity",
    through: str = "maps",
    per_pixel: bool = False,
    per_layer: int = 20_000,
    every_map: bool = False,
) -> Selection:
    """The diffusion pathway of each image: the edges of all chosen pixels together.

    Args:
        pixels: "foreground", "all", a mask (height, width), or a list of [y, x] or ``y * width + x``.
        threshold: the intensity, as it is fed to the network, that the foreground exceeds in some channel.
        top: how many of a pixel's largest maps in each layer are its large pathways.
        kernel: "signed", the weights, or "plus_one", 1 + w.
        init: what a pixel starts with: its "intensity", or "unit", 1 in every channel.
        through: "maps" to stop at the last feature maps, "logits" to go on through dense layers.
        per_pixel: a pathway for each chosen pixel instead, at most 64 of an image; :func:`graphpath.trace`
            gives those.
        per_layer: edges that are kept of a pathway into each layer, before ``max_edges`` is applied.
        every_map: record in ``crosses`` the sizes of all maps that a pixel reaches, not only of the largest.

    Raises:
        MethodError: an option is unknown or out of range, a pixel lies outside the image, the network has no
            feature maps, or ``per_pixel`` is set.
    """
    if per_pixel:
        raise MethodError("per_pixel=True gives several pathways of an image; trace() takes it.")
    options = Options(pixels, threshold, top, kernel, init, through, per_pixel, per_layer, every_map)
    [taken] = Diffusion(batch.compiled, options).extract(batch)
    assert isinstance(taken.selection, Selection)
    return taken.selection


def prepare(compiled: CompiledNetwork, **options: Any) -> Diffusion:
    """The method made ready for a network."""
    return Diffusion(compiled, Options(**options))


@dataclass(frozen=True, eq=False)
class Diffusion:
    """Diffusion in one network."""

    compiled: CompiledNetwork
    options: Options
    _plans: dict[int, DiffusionPlan] = field(default_factory=dict)
    _incoming: dict[int, IncomingEdges] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.options.pixels, list):
            found = choice.number_pixels(self.options.pixels, *self.compiled.sites[0].shape[1:])
            self._check_count(len(found))

    @property
    def each(self) -> int:
        if not self.options.per_pixel:
            return 1
        return len(self.options.pixels) if isinstance(self.options.pixels, list) else MOST_PIXELS

    @property
    def notes(self) -> Mapping[str, Any]:
        if self.options.kernel == "signed":
            return {}
        return {"crosses": {"log2_unit": list(self.units)}}

    @property
    def memory(self) -> int:
        sites, top = self.compiled.sites, self.options.top
        if self.options.through == "maps":
            sites = tuple(site for site in sites if site.kind not in ("linear", "logits"))
        maps = sum(site.shape[0] if self.options.every_map else min(top, site.shape[0]) for site in sites)
        pixels = sites[0].shape[1] * sites[0].shape[2]  # the input's
        if isinstance(self.options.pixels, list):
            pixels = len(self.options.pixels)
        return pixels * maps * CROSSING

    @cached_property
    def units(self) -> tuple[int, ...]:
        """log2 of the unit of sizes in each layer."""
        return compute_units(self.compiled.network, self.options.kernel)

    def extract(self, batch: Batch) -> Iterator[Extraction]:
        image, place = choice.choose_pixels(self.options.pixels, self.options.threshold, batch.held)
        if not self.options.per_pixel:
            every = np.arange(batch.held.images)
            yield self._extract(
                batch, batch, SentPixels(image, place, image), every, np.zeros_like(every), None
            )
            return
        count = image.bincount(minlength=batch.held.images)
        self._check_count(int(count.max()))
        number = torch.arange(len(image), device=image.device) - (count.cumsum(0) - count)[image]
        for rows in torch.arange(len(image), device=image.device).split(self._fit_size()):
            sent = SentPixels(image[rows], place[rows], torch.arange(len(rows), device=rows.device))
            of, within, origin = (as_array(column[rows]) for column in (image, number, place))
            yield self._extract(batch, batch.select(image[rows]), sent, of, within, origin)

    def _extract(
        self, batch: Batch, rows: Batch, sent: SentPixels, image: Ints, number: Ints, origin: Ints | None
    ) -> Extraction:
        """The pathways of pixels ``sent`` through ``batch``, where ``rows`` has a row for each pathway."""
        ends, options = self._find_ends(rows), self.options
        plan = self._make_plan(ends)
        mass = torch.zeros_like(rows.held.output)
        free = frozenset({0, batch.goal.number} if self._reach_target(batch) else {0})
        gatherer = Gatherer(plan, self.units, options.top, options.every_map, free, mass)
        gatherer.send(batch.held, sent, options.init)
        selection = scan_edges(rows, self._make_carrier(plan), mass, ends, options.per_layer)
        return Extraction(rows, selection, image, number, origin, gatherer.list_crosses())

    def _make_carrier(self, plan: DiffusionPlan) -> Mapping[int, IncomingEdges]:
        """The incoming of each site on the way, by its number, with the kernel for weights."""
        numbers = [site.number for sites in plan.sites.values() for site in sites if site.number > 0]
        if self.options.kernel == "signed":
            return {number: self.compiled.incoming[number - 1] for number in numbers}
        for number in numbers:
            if number not in self._incoming:
                network = plan.carrier
                self._incoming[number] = IncomingEdges(network, network.sites[number])
        return {number: self._incoming[number] for number in numbers}

    def _find_ends(self, batch: Batch) -> Ends:
        """Where routes end: at a goal inside the network, else as ``through`` says."""
        if self._reach_target(batch):
            return batch.ends
        one = batch.held.output.new_ones(())
        return tuple(
            (site, one.expand(batch.held.images, site.size))
            for site in find_last_maps(batch.compiled.network)
        )

    def _reach_target(self, batch: Batch) -> bool:
        return self.options.through == "logits" or batch.goal is not batch.compiled.sites[-1]

    def _make_plan(self, ends: Ends) -> DiffusionPlan:
        key = ends[-1][0].number
        if key not in self._plans:
            sites = tuple(site for site, _ in ends)
            self._plans[key] = DiffusionPlan.make(self.compiled.network, self.options.kernel, sites)
        return self._plans[key]

    def _fit_size(self) -> int:
        """How many pathways at a time fit about MEMORY."""
        item = torch.empty((), dtype=self.compiled.network.dtype).element_size()
        return max(1, MEMORY // (self.compiled.network.neurons * (item * 8 + 8 * 5)))

    def _check_count(self, count: int) -> None:
        if self.options.per_pixel and count > MOST_PIXELS:
            raise MethodError(
                f"per_pixel=True is for at most {MOST_PIXELS} pixels of an image, and {count} are chosen: "
                "name fewer with pixels=[[y, x], ...], or leave per_pixel out."
            )
