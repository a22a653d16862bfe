"""Each class of operation answers all that is asked of it, and answers it rightly.

A new class without a sample here fails. Each sample is run on numbers: what it says of its constants, axes,
footprint, elements and map is held to what ``run`` gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from _pytest.mark.structures import ParameterSet
from torch import Tensor

from graphpath.network import operations as ops
from graphpath.network.geometry import Geometry
from graphpath.network.operations.base import Layer, Operation, Part, Unseen
from graphpath.network.operations.maps import Kept, LinearMap
from graphpath.network.products import Product
from graphpath.network.relations import Relation
from graphpath.network.settings import Settings
from graphpath.network.views import View, spread
from graphpath.shapes import fold

STEP = 7
"""The number of the step that an operation is here."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class Sample:
    """An operation and the shapes of one image's operands."""

    operation: Operation
    shapes: tuple[tuple[int, ...], ...]

    def operands(self, images: int = 3, seed: int = 1) -> list[Tensor]:
        return [drawn(images, *shape, seed=seed + 10 * i) for i, shape in enumerate(self.shapes)]

    def parts(self, operands: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """What flows and what is held."""
        flowing = len(operands) if self.operation.carried is None else self.operation.carried
        return operands[:flowing], operands[flowing:]


def pooled(x: Tensor) -> tuple[Tensor, Tensor]:
    return F.max_pool2d(x, 3, 2, 1, return_indices=True)


def max_adapted(x: Tensor) -> tuple[Tensor, Tensor]:
    return F.adaptive_max_pool2d(x, (2, 3), return_indices=True)


def halved() -> ops.AveragePool:
    """Windows of 2 by 2 over 6 by 6, side by side."""
    corner = torch.arange(0, 6, 2)
    first = (corner[:, None] * 6 + corner).expand(4, 3, 3)
    places = first + torch.tensor([0, 1, 6, 7])[:, None, None]
    weights = torch.full((4, 3, 3), 0.25, dtype=torch.float64)
    return ops.AveragePool(
        lambda x: F.avg_pool2d(x, 2), places, weights, Geometry((2, 2), (2, 2), (0, 0), (1, 1))
    )


PLANE = (4, 6, 6)
CONV = ops.Conv(drawn(4, 2, 3, 2), drawn(4), (2, 1), (1, 0, 2, 1), (1, 2), 2)
SAMPLES = {
    "Input": [Sample(ops.Input(PLANE), (PLANE,))],
    "Conv": [
        Sample(CONV, (PLANE,)),
        Sample(ops.Conv(drawn(3, 4, 1, 1), None, (1, 1), (0, 0, 0, 0), (1, 1), 1), (PLANE,)),
    ],
    "Dense": [
        Sample(ops.Dense(drawn(3, 5), drawn(3)), ((5,),)),
        Sample(ops.Dense(drawn(3, 5), None), ((5,),)),
    ],
    "Norm": [Sample(ops.Norm(drawn(4), drawn(4, seed=2)), (PLANE,))],
    "Add": [Sample(ops.Add(), (PLANE, PLANE))],
    "Identity": [Sample(ops.Identity(), (PLANE,))],
    "Mixture": [Sample(ops.Mixture(), ((4, 5, 1), (2, 3, 5)))],
    "MatrixPair": [Sample(ops.MatrixPair((3, 4), (4, 2)), ((3, 4), (4, 2)))],
    "Activation": [
        Sample(ops.Activation("gelu", F.gelu, piecewise_linear=False), (PLANE,)),
        Sample(ops.Activation("sigmoid", torch.sigmoid, 0.5, piecewise_linear=False, limits=True), (PLANE,)),
        Sample(ops.Activation("prelu", lambda z: F.prelu(z, drawn(4)), by_channel=True), (PLANE,)),
    ],
    "Relu": [Sample(ops.RELU, (PLANE,))],
    "Gate": [Sample(ops.Gate(), (PLANE, (4, 1, 1)))],
    "Quotient": [Sample(ops.Quotient(), (PLANE, (4, 1, 1)))],
    "Choice": [Sample(ops.Choice(True, drawn(4, 1, 6)), (PLANE, PLANE))],
    "Ratio": [Sample(ops.Ratio(lambda x: x.softmax(-1), True), (PLANE,))],
    "ImageNorm": [
        Sample(ops.ImageNorm((1, 2, 3), drawn(4, 1, 1), drawn(4, 1, 1), 1e-5), (PLANE,)),
        Sample(ops.ImageNorm((2,), drawn(4, 1, 1), drawn(4, 1, 1), 1e-5, groups=2), (PLANE,)),
        Sample(ops.ImageNorm((3,), drawn(6), None, 1e-5, centred=False), (PLANE,)),
    ],
    "MaxPool": [
        Sample(ops.MaxPool(pooled, True, Geometry((3, 3), (2, 2), (1, 1), (1, 1))), (PLANE,)),
        Sample(ops.MaxPool(max_adapted, False), (PLANE,)),
    ],
    "AveragePool": [Sample(halved(), (PLANE,))],
    "Rearrange": [Sample(ops.Rearrange("flip", lambda tensors, fill: tensors[0].flip(2)), (PLANE,))],
    "Cat": [
        Sample(ops.cat(1, (None, None)), (PLANE, PLANE)),
        Sample(ops.cat(2, (None, 2, None)), (PLANE, PLANE)),
        Sample(ops.cat(2, (None, None)), (PLANE, PLANE)),
    ],
    "Permute": [Sample(ops.permute((0, 3, 1, 2)), (PLANE,))],
    "Affine": [
        Sample(ops.Affine(drawn(4, 1, 1), drawn(4, 1, 1)), (PLANE,)),
        Sample(ops.Affine(drawn(6), None), (PLANE,)),
        Sample(ops.Affine(None, drawn(6, 1)), (PLANE,)),
    ],
    "Opaque": [Sample(ops.Opaque(lambda x: x.sort().values, "a sort"), (PLANE,))],
}


def samples(of: type | tuple[type, ...] = Operation, but: tuple[type, ...] = ()) -> list[ParameterSet]:
    """The samples of some classes."""
    return [
        pytest.param(sample, id=f"{name}-{i}")
        for name, found in SAMPLES.items()
        for i, sample in enumerate(found)
        if isinstance(sample.operation, of) and not isinstance(sample.operation, but)
    ]


def classes(of: type[Operation]) -> Iterator[type[Operation]]:
    for found in of.__subclasses__():
        yield found
        yield from classes(found)


def test_every_class_has_a_sample_of_its_own() -> None:
    package = {c for c in classes(Operation) if c.__module__.startswith("graphpath.")}
    concrete = {c.__name__ for c in package if not inspect.isabstract(c)} - {"Part", "Windowed", "Unseen"}
    assert concrete == set(SAMPLES)
    for name, found in SAMPLES.items():
        assert {type(sample.operation).__name__ for sample in found} == {name}


def test_no_class_can_be_made_without_a_part() -> None:
    assert Operation.__abstractmethods__ == {"run", "turned", "footprint"}
    assert "linear_map" in Layer.__abstractmethods__
    assert "slid" in ops.Windowed.__abstractmethods__


@pytest.mark.parametrize("sample", samples())
def test_is_one_of_three_things(sample: Sample) -> None:
    kinds = [isinstance(sample.operation, role) for role in (Layer, Part, Unseen)]
    assert sum(kinds) == 1


@pytest.mark.parametrize("sample", samples())
def test_what_is_noted_is_held_again(sample: Sample) -> None:
    """Held at its settings the operation gives its value again, and is linear but for a constant."""
    operation, operands, settings = sample.operation, sample.operands(), Settings()
    value = operation.note(operands, STEP, settings, True)
    assert torch.allclose(value, operation.run(*operands), rtol=1e-12)
    assert torch.allclose(value, operation.true(*operands), rtol=1e-12)
    assert torch.allclose(value, operation.held(operands, STEP, settings), rtol=1e-12)


@pytest.mark.parametrize("sample", samples(but=(Unseen, ops.Activation)))
def test_constants(sample: Sample) -> None:
    """``held`` is linear in what flows, plus ``constant``; ``without_constants`` leaves the linear part."""
    operation, settings = sample.operation, Settings()
    flowing, held = sample.parts(sample.operands())
    shape = operation.note([*flowing, *held], STEP, settings, False).shape[1:]
    none = operation.held([torch.zeros_like(x) for x in flowing] + held, STEP, settings)
    constant = operation.constant(STEP, settings, tuple(shape))
    assert torch.allclose(none, torch.zeros(()).double() if constant is None else constant.expand_as(none))
    other, _ = sample.parts(sample.operands(seed=5))
    mixed = [2 * x - 3 * y for x, y in zip(flowing, other, strict=True)]
    of = [operation.held([*x, *held], STEP, settings) - none for x in (flowing, other, mixed)]
    assert torch.allclose(2 * of[0] - 3 * of[1], of[2], atol=1e-12)
    if not isinstance(operation, ops.Modulation):  # whose constants are in the settings
        bare = operation.without_constants().held([*flowing, *held], STEP, settings)
        assert torch.allclose(bare, of[0], atol=1e-12)


@pytest.mark.parametrize("sample", samples(ops.Weighted))
def test_weights_are_raised_and_scaled(sample: Sample) -> None:
    operation, (x,) = sample.operation, sample.operands()
    assert isinstance(operation, ops.Weighted)
    raised = operation.without_constants(1)
    assert torch.equal(raised.weight, operation.weight + 1)
    assert raised.bias is None
    scale, shift = drawn(len(operation.weight), seed=3), drawn(len(operation.weight), seed=4)
    around = (1, -1, *(1,) * (operation.weight.dim() - 2))
    wanted = operation.run(x) * scale.view(around) + shift.view(around)
    assert torch.allclose(operation.scaled(scale, shift).run(x), wanted)


@pytest.mark.parametrize("order", ((0, 2, 3, 1), (0, 3, 1, 2), (0, 2, 1, 3)), ids=str)
@pytest.mark.parametrize("sample", samples())
def test_turned_axes(sample: Sample, order: tuple[int, ...]) -> None:
    """On images before the turn it gives what the turn then makes the operation's own result."""
    back = tuple(order.index(axis) for axis in range(4))
    turned = sample.operation.turned(order) if all(len(s) == 3 for s in sample.shapes) else None
    if turned is None:
        assert not isinstance(sample.operation, (ops.Add, ops.Identity, ops.Gate, ops.Cat, ops.Affine))
        return
    operands = sample.operands()
    before = [x.permute(back) for x in operands]
    assert torch.allclose(turned.run(*before).permute(order), sample.operation.run(*operands), rtol=1e-12)


@pytest.mark.parametrize("sample", samples(but=(Unseen,)))
def test_footprint(sample: Sample) -> None:
    """A place that changes alone is seen only where its windows say, and the windows are no wider."""
    operation, operands = sample.operation, sample.operands(1)
    settings = Settings()
    value = operation.note(operands, STEP, settings, False)
    flowing, held = sample.parts(operands)
    shapes = [tuple(x.shape[1:]) for x in flowing]
    geometry = operation.footprint(shapes, tuple(value.shape[1:]))
    if geometry is None:
        assert not isinstance(operation, (ops.Add, ops.Gate, ops.Norm, ops.Activation, ops.Conv))
        return
    reached = torch.zeros(value.shape[2:], dtype=torch.bool)
    for y in range(shapes[0][1]):
        for x in range(shapes[0][2]):
            seen = [t.clone() for t in flowing]
            for tensor in seen:
                tensor[:, :, y, x] += 100.0
            changed = (operation.run(*seen, *held) != value).any(1)[0]
            if isinstance(operation, (ops.Ratio, ops.ImageNorm)):  # whose factors are held
                changed = (operation.held([*seen, *held], STEP, settings) != value).any(1)[0]
            assert not bool((changed & ~windows(geometry, (y, x), changed.shape)).any())
            reached |= changed
    covered = torch.zeros_like(reached)
    for y in range(shapes[0][1]):
        for x in range(shapes[0][2]):
            covered |= windows(geometry, (y, x), covered.shape)
    if not isinstance(operation, (ops.Activation, ops.Choice)):  # which may be deaf to a place
        assert torch.equal(reached, covered)


@pytest.mark.parametrize("sample", samples((Layer, ops.Rearrange, ops.Affine), but=(ops.Activation,)))
def test_footprint_is_alike_everywhere(sample: Sample) -> None:
    """What works place by place, but by no setting of the image, does the same at every place."""
    operation, operands = sample.operation.without_constants(), sample.operands(1)
    value = operation.run(*operands)
    if operation.footprint(sample.shapes, tuple(value.shape[1:])) != ops.SAME_PLACE:
        return
    rolled = [x.roll((1, 2), (2, 3)) for x in operands]
    assert torch.equal(operation.run(*rolled), value.roll((1, 2), (2, 3)))


def windows(geometry: Geometry, place: tuple[int, int], shape: torch.Size) -> Tensor:
    """Which places of the result read a place, by the geometry."""
    axes = []
    for axis in (0, 1):
        start = torch.arange(shape[axis]) * geometry.stride[axis] - geometry.before[axis]
        taps = start[:, None] + torch.arange(geometry.kernel[axis]) * geometry.dilation[axis]
        axes.append((taps == place[axis]).any(1))
    return axes[0][:, None] & axes[1]


@pytest.mark.parametrize("sample", samples(Part))
def test_elements(sample: Sample) -> None:
    """The elements behind a part's result are its value: by its view, or by its anchor and the settings."""
    operation, operands, settings = sample.operation, sample.operands(2), Settings()
    assert isinstance(operation, Part)
    value = operation.note(operands, STEP, settings, False)
    flowing, _ = sample.parts(operands)
    shape = tuple(value.shape[1:])
    sizes = [x[0].numel() for x in flowing]
    bases = [sum(sizes[:i]) for i in range(len(sizes))]
    sources = [View(tuple(x.shape[1:]), base=base) for x, base in zip(flowing, bases, strict=True)]
    elements = torch.cat([x.flatten(1) for x in flowing], 1)
    constant = operation.constant(STEP, settings, shape)
    wanted = value if constant is None else value - constant
    view = operation.view(sources, shape)
    if view is not None:
        assert view.taps <= operation.taps
        read = elements[:, view.indexed().clamp(min=0)] * (view.indexed() >= 0) * view.weighted()
        assert torch.allclose(read.sum(1), wanted)
        return
    (source,) = sources
    anchor = operation.anchor(STEP, elements.shape[1], shape, source)
    assert anchor is not None
    index, weight = anchor.behind(settings)
    read = elements.gather(1, index.expand(len(elements), -1)) * (1 if weight is None else weight)
    assert torch.allclose(read.reshape(value.shape), wanted)
    if not anchor.overlapping:
        assert all(len(row.unique()) == len(row) for row in index)


@pytest.mark.parametrize("taps", (1, 2))
@pytest.mark.parametrize("sample", samples(Layer))
def test_map(sample: Sample, taps: int) -> None:
    """Its rows, weights, entries and sums are those of its value without constants."""
    operation, settings = sample.operation, Settings()
    assert isinstance(operation, Layer)
    operands = sample.operands(2)
    shape = fold(tuple(operation.note(operands, STEP, settings, False).shape[1:]))
    own = operands[0]
    parts = torch.stack([own * (0.25 if i == 0 else 0.75) for i in range(taps)]) if taps > 1 else own[None]
    x = spread_values(parts)
    of = operation.linear_map(taps, shape, tuple(x.shape[1:]), own.device)
    matrix = settings.matrices.get(STEP)
    size = torch.Size(shape).numel()
    image = torch.arange(2).repeat_interleave(size)
    target = torch.arange(size).repeat(2)
    unfolded = of.unfold(x, matrix)
    rows = of.rows(unfolded, image, target) * of.weights(target)
    if operation.mapped:
        wanted = operation.without_constants().held([own, *operands[1:]], STEP, settings)
    else:
        wanted = own
    assert torch.allclose(rows.sum(1), wanted.flatten())
    assert torch.allclose(of.forward(x, matrix).flatten(), wanted.flatten())
    column = torch.arange(of.columns)
    entry = of.entries(target[:, None], column[None])
    there = entry >= 0
    assert torch.equal((of.starts(target)[:, None] + of.steps)[there], entry[there])
    flat = x.flatten(1)
    weight = of.between(entry.clamp(min=0), target[:, None], image[:, None], matrix)
    assert torch.allclose(torch.where(there, flat[image[:, None], entry.clamp(min=0)] * weight, 0), rows)
    for kept in (torch.relu, lambda weight: weight.clamp(max=0)):
        assert torch.allclose(
            of.forward(x, matrix, kept), split(of, x, matrix, kept, image, target).reshape(2, -1)
        )


@pytest.mark.parametrize("sample", samples(Layer))
def test_possible_edges(sample: Sample) -> None:
    """The neurons that it says it may reach are those in its map's rows."""
    operation, settings = sample.operation, Settings()
    assert isinstance(operation, Layer)
    if not operation.mapped:  # its branches are identities
        return
    operands = sample.operands(1)
    shape = fold(tuple(operation.note(operands, STEP, settings, False).shape[1:]))
    source = fold(sample.shapes[0])
    part, high, wide = operation.parts(shape, source)
    channels = Relation.of_pairs(
        np.arange(source[0]) // (source[0] // part), np.arange(source[0]), (part, source[0])
    )
    planes = [
        Relation.identity(own) if own == size else Relation.full(own, size)
        for own, size in zip((high, wide), source[1:], strict=True)
    ]
    (product,) = operation.reached([Product(0, channels, *planes)], shape, source)
    possible = np.einsum("ai,bj,ck->abcijk", *(r.dense() for r in (product.channel, product.y, product.x)))
    of = operation.linear_map(1, shape, sample.shapes[0], operands[0].device)
    target = torch.arange(torch.Size(shape).numel())
    entry = of.entries(target[:, None], torch.arange(of.columns)[None])
    read = torch.zeros(len(target), torch.Size(source).numel() + 1, dtype=torch.bool)
    read.scatter_(1, torch.where(entry >= 0, entry, read.shape[1] - 1), True)
    assert np.array_equal(possible.reshape(len(target), -1), read[:, :-1].numpy())


def spread_values(parts: Tensor) -> Tensor:
    """Values (T, N, C, ...) with taps spread into channels, as ``spread`` spreads views."""
    view = spread(
        View(tuple(parts.shape[2:]), index=torch.arange(parts[:, 0].numel()).reshape(parts[:, 0].shape))
    )
    order = view.indexed()[0]
    return torch.stack([image.flatten()[order] for image in parts.transpose(0, 1)])


def split(
    of: LinearMap, x: Tensor, matrix: Tensor | None, kept: Kept, image: Tensor, target: Tensor
) -> Tensor:
    """The sums of a map's rows with only that of its weights which ``kept`` keeps."""
    entry = of.entries(target[:, None], torch.arange(of.columns)[None])
    weight = of.between(entry.clamp(min=0), target[:, None], image[:, None], matrix)
    value = x.flatten(1)[image[:, None], entry.clamp(min=0)]
    return torch.where(entry >= 0, value * kept(weight), 0).sum(1)
