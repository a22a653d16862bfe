"""Slow twins of diffusion, written from graphpath/tracing/README.md with plain loops.

``patch`` is the paper's own reading as reported: a patch that grows by the kernel's size less one in each
layer, made of filters rotated by 180 degrees. ``routes`` enumerates every route of a toy network from one
pixel on and multiplies what it passes. The last part follows ``tracing/diffusion/scan.py``, neuron by
neuron, on the dense matrices of ``tests/tracing/twins.py``. Nothing of graphpath is used here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.tracing.twins import Edge, Twin, TwinSite

Place = tuple[int, int, int]
"""Channel, row and column."""


# --- the growing patch -------------------------------------------------------------------


@torch.no_grad()
def patch(layers: nn.Sequential, image: Tensor, y: int, x: int, added: float) -> list[Tensor]:
    """One pixel's cross-section behind every layer of conv (stride 1), ReLU and max-pool, on the whole map.

    ``added`` is 1 for plus_one, 0 for signed. Each is (C, H, W).
    """
    values, found = image[None], []
    section, top, left = image[:, y : y + 1, x : x + 1], y, x
    for layer in layers:
        before, values = values, layer(values)
        if isinstance(layer, nn.Conv2d):
            rotated = torch.rot90(layer.weight + added, 2, (2, 3))  # RW: both axes of each filter flipped
            section = _spread(section, rotated)
            high, wide = rotated.shape[2:]
            top, left = top + layer.padding[0] - high + 1, left + layer.padding[1] - wide + 1
        elif isinstance(layer, nn.ReLU):
            section = section * _cut((before > 0).to(image.dtype)[0], section.shape, top, left)
        elif isinstance(layer, nn.MaxPool2d):
            section, top, left = _switched(layer, before[0], section, top, left)
        section, top, left = _cropped(section, top, left, values.shape[2:])
        found.append(_placed(section, top, left, values.shape[1:]))
    return found


def _spread(section: Tensor, rotated: Tensor) -> Tensor:
    """Every place of the section leaves the rotated kernel around it: (c_out, h + k - 1, w + k - 1)."""
    channels, high, wide = section.shape
    tall, broad = rotated.shape[2:]
    grown = section.new_zeros((rotated.shape[0], high + tall - 1, wide + broad - 1))
    for c in range(channels):
        for y in range(high):
            for x in range(wide):
                grown[:, y : y + tall, x : x + broad] += section[c, y, x] * rotated[:, c]
    return grown


def _switched(
    layer: nn.MaxPool2d, before: Tensor, section: Tensor, top: int, left: int
) -> tuple[Tensor, int, int]:
    """The section at the real image's winners, on the whole map."""
    _, switches = F.max_pool2d(before[None], layer.kernel_size, layer.stride, return_indices=True)
    full = _placed(section, top, left, before.shape)
    return full.flatten(1).gather(1, switches[0].flatten(1)).view(switches.shape[1:]), 0, 0


def _cropped(section: Tensor, top: int, left: int, shape: tuple[int, ...]) -> tuple[Tensor, int, int]:
    """Without what lies outside a map of ``shape``."""
    high, wide = section.shape[1:]
    y, x = max(0, -top), max(0, -left)
    below, right = min(high, shape[0] - top), min(wide, shape[1] - left)
    return section[:, y:below, x:right], top + y, left + x


def _cut(plane: Tensor, shape: tuple[int, ...], top: int, left: int) -> Tensor:
    """What of a map lies under a section, 0 outside."""
    found = plane.new_zeros(shape)
    for y in range(shape[1]):
        for x in range(shape[2]):
            if 0 <= top + y < plane.shape[1] and 0 <= left + x < plane.shape[2]:
                found[:, y, x] = plane[:, top + y, left + x]
    return found


def _placed(section: Tensor, top: int, left: int, shape: tuple[int, ...]) -> Tensor:
    full = section.new_zeros(shape)
    full[:, top : top + section.shape[1], left : left + section.shape[2]] = section
    return full


# --- every route -------------------------------------------------------------------------


class Residual(nn.Module):
    """``relu(a(x) + x)``, or ``relu(a(x) + b(x))``."""

    def __init__(self, a: nn.Module, b: nn.Module | None = None) -> None:
        super().__init__()
        self.a, self.b = a, b or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.a(x) + self.b(x))


@torch.no_grad()
def routes(layers: nn.Sequential, image: Tensor, y: int, x: int, added: float) -> list[np.ndarray]:
    """Behind every layer, for every place (C, H, W), the sum over all routes there of what they multiply.

    A route starts with the pixel's intensity in one channel; a convolution multiplies by its weight (batch
    norm folded) plus ``added``, an average by its share, a mask or switch by 1 or 0.
    """
    values, found = image[None], []
    starts = [((c, y, x), float(image[c, y, x])) for c in range(len(image))]
    for layer in layers:
        arriving: dict[Place, list[float]] = defaultdict(list)
        for place, product in starts:
            for onward, factor in _links(layer, values, place, added):
                arriving[onward].append(product * factor)  # every route by itself
        values = layer(values)
        starts = [(place, product) for place, products in arriving.items() for product in products]
        total = np.zeros(values.shape[1:])
        for place, product in starts:
            total[place] += product
        found.append(total)
    return found


def _links(layer: nn.Module, before: Tensor, place: Place, added: float) -> Iterator[tuple[Place, float]]:
    """The places of a layer's result that read a place, with the factor of each."""
    if isinstance(layer, nn.Sequential):  # convolution and batch norm
        yield from _convolved(layer[0], layer(before).shape, place, added, _scale(layer[1]))
    elif isinstance(layer, nn.Conv2d):
        yield from _convolved(layer, layer(before).shape, place, added)
    elif isinstance(layer, nn.ReLU):
        if before[(0, *place)] > 0:
            yield place, 1.0
    elif isinstance(layer, nn.MaxPool2d):
        yield from _won(layer, before, place)
    elif isinstance(layer, nn.AvgPool2d):
        size = layer.kernel_size
        yield (place[0], place[1] // size, place[2] // size), 1 / size**2
    elif isinstance(layer, Residual):
        live = layer(before)[0] > 0
        for branch in (layer.a, layer.b):
            for onward, factor in _links(branch, before, place, added):
                if live[onward]:
                    yield onward, factor
    elif isinstance(layer, nn.Identity):
        yield place, 1.0
    else:
        raise AssertionError(f"{layer} is not for this twin")


def _scale(norm: nn.Module) -> Tensor:
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None
    return norm.weight / torch.sqrt(norm.running_var + norm.eps)


def _convolved(
    conv: nn.Conv2d, shape: tuple[int, ...], place: Place, added: float, scale: Tensor | None = None
) -> Iterator[tuple[Place, float]]:
    _, outs, height, width = shape
    per_group, group_outs = conv.in_channels // conv.groups, outs // conv.groups
    channel, row, column = place
    group = channel // per_group
    for out in range(group * group_outs, (group + 1) * group_outs):
        for i in range(conv.kernel_size[0]):
            for j in range(conv.kernel_size[1]):
                down = row + conv.padding[0] - i * conv.dilation[0]
                over = column + conv.padding[1] - j * conv.dilation[1]
                if down % conv.stride[0] or over % conv.stride[1]:
                    continue
                y, x = down // conv.stride[0], over // conv.stride[1]
                if 0 <= y < height and 0 <= x < width:
                    weight = conv.weight[out, channel % per_group, i, j]
                    yield (out, y, x), float(weight * (1 if scale is None else scale[out])) + added


def _won(layer: nn.MaxPool2d, before: Tensor, place: Place) -> Iterator[tuple[Place, float]]:
    """The windows that a place wins: it is the first largest of them, row by row."""
    size, stride = layer.kernel_size, layer.stride
    plane = before[0, place[0]]
    for y in range((plane.shape[0] - size) // stride + 1):
        for x in range((plane.shape[1] - size) // stride + 1):
            window = plane[y * stride : y * stride + size, x * stride : x * stride + size]
            first = divmod(int(window.flatten().argmax()), size)
            if (y * stride + first[0], x * stride + first[1]) == place[1:]:
                yield (place[0], y, x), 1.0


# --- selection ---------------------------------------------------------------------------


def spread(twin: Twin, weights: list[np.ndarray], image: Tensor, pixels: list[int], unit: bool) -> np.ndarray:
    """The cross-sections of pixels at all neurons, from dense matrices: (pixels, neurons)."""
    found = np.zeros((len(pixels), twin.neurons))
    channels = len(image)
    flat = np.ones(image.shape) if unit else image.numpy()
    for row, pixel in enumerate(pixels):
        alone = np.zeros((channels, image[0].numel()))
        alone[:, pixel] = flat.reshape(channels, -1)[:, pixel]
        found[row, : alone.size] = alone.ravel()
    for site, weight in zip(twin.sites[1:], weights[1:], strict=True):
        found[:, site.offset : site.offset + site.size] = found[:, : site.offset] @ weight.T * site.gate
    return found


def sizes(site: TwinSite, section: np.ndarray, signed: bool) -> list[float]:
    """The size of one pixel's pathway on each map of a site, from its cross-section at all neurons."""
    maps = section[site.offset : site.offset + site.size].reshape(site.shape[0], -1)
    return [float(sum(abs(v) if signed else v for v in values)) for values in maps]


def large(found: list[float], top: int) -> list[int]:
    """The channels of the largest sizes above 0, largest first, ties to the lower."""
    order = sorted(range(len(found)), key=lambda c: (-found[c], c))
    return [c for c in order if found[c] > 0][:top]


def mass(twin: Twin, sections: np.ndarray, signed: bool, top: int, free: set[int]) -> np.ndarray:
    """At each neuron the sum of |PS| over the pixels to which its map is a large one."""
    found = np.zeros(twin.neurons)
    for section in sections:
        for site in twin.sites:
            maps = large(sizes(site, section, signed), top)
            plane = site.size // site.shape[0]
            for neuron in range(site.size):
                if site.number in free or neuron // plane in maps:
                    found[site.offset + neuron] += abs(section[site.offset + neuron])
    return found


def carriers(
    twin: Twin, weights: list[np.ndarray], weight: np.ndarray, ends: dict[int, set[int]], limit: int
) -> set[Edge]:
    """The edges that ``scan`` keeps: ``weight`` is the mass, ``ends`` the neurons that may end routes."""
    a = twin.a
    reached = {n for n in range(twin.sites[0].size) if weight[n] > 0 and a[n] != 0}
    kept: list[set[Edge]] = []
    for site in twin.sites[1 : max(ends) + 1]:
        candidates = []
        for row, column in zip(*np.nonzero(site.jacobian), strict=True):
            carried = abs(weights[site.number][row, column] * site.gate[row]) * weight[column]
            if column in reached and a[column] != 0 and weight[site.offset + row] > 0 and carried > 0:
                candidates.append((-carried, site.offset + int(row), int(column)))
        kept.append({(source, target) for _, target, source in sorted(candidates)[:limit]})
        reached |= {target for _, target in kept[-1]}
    leading = set().union(*ends.values()) & reached
    whole: set[Edge] = set()
    for edges in reversed(kept):
        on = {edge for edge in edges if edge[1] in leading}
        leading |= {source for source, _ in on}
        whole |= on
    return whole
