"""Elements moved, copied, dropped, padded: reshaping, permuting, concatenating, slicing.

What has no rule of its own here is done by index: the operation itself, applied to the numbers of the
elements, says where each goes, and applied to zeros, which constants stand between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.fx.node import map_aggregate

from graphpath.network.dialect.registry import aten
from graphpath.network.operations import Affine, Rearrange, cat, permute
from graphpath.network.walk import Lowering, Shape, Traced, inner, list_leaves

# --- views -------------------------------------------------------------------------------


@aten(
    *("view.default", "_unsafe_view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "view_as"),
    *("reshape_as", "squeeze_copy", "unsqueeze_copy", "view_copy", "_reshape_alias", "ravel", "atleast_1d"),
    *("atleast_2d", "atleast_3d", "_reshape_copy"),
)
def _viewed(low: Lowering, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    return x.viewed(low.result.shape)


@aten("permute", "permute_copy")
def _permute(low: Lowering, x: Traced, dims: Sequence[int]) -> Traced:
    return permuted(low, x, tuple(axis % len(x.shape) for axis in dims))


@aten("transpose", "transpose_copy", "swapaxes", "swapdims")
def _transpose(low: Lowering, x: Traced, one: Any, two: Any) -> Traced:
    rank = len(x.shape)
    order = list(range(rank))
    order[one % rank], order[two % rank] = order[two % rank], order[one % rank]
    return permuted(low, x, tuple(order))


@aten("t", "t_copy", "numpy_T", "mT", "adjoint", "movedim", "moveaxis")
def _turned(low: Lowering, x: Traced, *args: Any) -> Traced:
    numbers = torch.arange(prod(x.shape)).reshape(x.shape)
    order = _order_of(low.operation(numbers, *args), numbers)
    return permuted(low, x, order)


def _order_of(turned: Tensor, numbers: Tensor) -> tuple[int, ...]:
    """The order of axes that a permutation of ``numbers`` (0, 1, ... in order) has given."""
    strides = list(numbers.stride())
    found, free = [], list(range(numbers.dim()))
    for place, size in enumerate(turned.shape):
        stride = int(turned.select(place, min(1, size - 1)).flatten()[0])
        axis = next(a for a in free if numbers.shape[a] == size and (size == 1 or strides[a] == stride))
        free.remove(axis)
        found.append(axis)
    return tuple(found)


def permuted(low: Lowering, x: Traced, order: tuple[int, ...], aside: str = "") -> Traced:
    """x with its axes in ``order``."""
    shape = tuple(x.shape[axis] for axis in order)
    moving = [axis for axis in order if x.shape[axis] != 1]
    if moving == sorted(moving):
        return x.viewed(shape)  # only axes of length 1 have moved
    if x.shape[0] == 1 and len(x.shape) == 3:  # tokens: the order of channels that a plane of one column has
        turned = low.emit(permute((0, 2, 3, 1)), low.shaped(x, (x.shape[1], x.shape[2], 1)), aside=aside)
        return turned.viewed(shape)
    if x.shape[0] == 1 and order[0] == 0:
        return low.emit(permute(order), low.standing(x), shape=shape, aside=aside)
    whole = low.shaped(x, x.shape)
    return low.emit(permute((0, *(axis + 1 for axis in order))), whole, shape=shape, aside=aside)


# --- copies ------------------------------------------------------------------------------


@aten("expand", "expand_copy", "expand_as", "broadcast_to")
def _expand(low: Lowering, x: Any, *args: Any, **kwargs: Any) -> Any:
    shape = tuple(low.result.shape)
    return expanded(low, x, shape) if isinstance(x, Traced) else x.expand(shape)


def expanded(low: Lowering, x: Traced, shape: Shape) -> Traced:
    """x copied along axes of length 1 and in front, to ``shape``."""
    if x.shape == shape:
        return x
    aligned = (1,) * (len(shape) - len(x.shape)) + x.shape
    if prod(shape) == x.numel:
        return x.viewed(shape)
    if shape[0] == 1:
        aligned, size = aligned[1:], shape[1:]
    else:
        size = shape
    spread = Rearrange("expand", lambda tensors, fill: tensors[0].expand(-1, *size))
    return low.emit(spread, low.shaped(x, aligned), shape=shape, aside="expand")


# --- several tensors ---------------------------------------------------------------------


@aten("cat", "concat", "concatenate")
def _cat(low: Lowering, tensors: Sequence[Any], dim: int = 0) -> Traced:
    shape = tuple(low.result.shape)
    parts = [part for part in tensors if tuple(part.shape) != (0,)]
    axis = dim % len(shape)
    if not all(part.dtype.is_floating_point for part in parts):
        found: Traced = low.unknown("concatenates integers")
        return found
    traced, at, lay_out = _common_layout(
        low, [part for part in parts if isinstance(part, Traced)], shape, axis
    )
    lengths = tuple(None if isinstance(part, Traced) else int(part.shape[axis]) for part in parts)
    joined = low.emit(cat(at, lengths), *traced, shape=shape)
    return _filled(low, joined, parts, axis, lay_out)


def _common_layout(
    low: Lowering, traced: list[Traced], shape: Shape, axis: int
) -> tuple[list[Traced], int, Callable[[Tensor], Tensor]]:
    """Tensors from steps of one layout, the axis there (the batch being 0), and what lays out a constant."""
    if len(shape) == 3 and shape[0] == 1 and axis > 0:
        gaps = [low.shape_of(x) == (x.shape[1], 1, x.shape[2]) for x in traced]
        if any(gaps):  # tokens stand as a plane of one column
            laid = [low.shaped(x, (x.shape[1], 1, x.shape[2])) for x in traced]
            return laid, 1 if axis == 1 else 3, lambda constant: constant[0][:, None]
    if shape[0] == 1 and axis > 0:
        return [low.standing(x) for x in traced], axis, lambda constant: constant[0]
    return [low.shaped(x, x.shape) for x in traced], axis + 1, lambda constant: constant


def _filled(
    low: Lowering, joined: Traced, parts: list[Any], axis: int, lay_out: Callable[[Tensor], Tensor]
) -> Traced:
    """The constants that stand between tensors, added."""
    if all(isinstance(part, Traced) for part in parts):
        return joined
    zeros = [
        torch.zeros(part.shape, dtype=low.dtype, device=low.device)
        if isinstance(part, Traced)
        else part.detach().to(low.dtype)
        for part in parts
    ]
    return low.emit(Affine(None, lay_out(torch.cat(zeros, axis))), joined, shape=joined.shape)


@aten("stack")
def _stack(low: Lowering, tensors: Sequence[Any], dim: int = 0) -> Any:
    axis = dim % len(low.result.shape)
    parts = [
        part.viewed((*part.shape[:axis], 1, *part.shape[axis:]))
        if isinstance(part, Traced)
        else part.unsqueeze(axis)
        for part in tensors
    ]
    return _cat(low, parts, axis)


# --- parts -------------------------------------------------------------------------------


@aten(
    "split",
    "split_with_sizes",
    "chunk",
    "tensor_split",
    "split_copy",
    "split_with_sizes_copy",
    "unsafe_split",
    "unsafe_chunk",
    "unsafe_split_with_sizes",
)
def _split(low: Lowering, x: Traced, sizes: Any, dim: int = 0) -> tuple[Traced, ...]:
    axis = dim % len(x.shape)
    lengths = [int(part.shape[axis]) for part in low.result]
    starts = [0, *accumulate(lengths)]
    return tuple(narrowed(low, x, axis, at, size) for at, size in zip(starts, lengths, strict=False))


@aten("unbind", "unbind_copy")
def _unbind(low: Lowering, x: Traced, dim: int = 0) -> tuple[Traced, ...]:
    axis = dim % len(x.shape)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return tuple(narrowed(low, x, axis, at, 1).viewed(shape) for at in range(x.shape[axis]))


@aten("select", "select_copy")
def _select(low: Lowering, x: Traced, dim: int, index: int) -> Traced:
    axis = dim % len(x.shape)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return narrowed(low, x, axis, index % x.shape[axis], 1).viewed(shape)


@aten("narrow", "narrow_copy")
def _narrow(low: Lowering, x: Traced, dim: int, start: Any, length: int) -> Traced:
    axis = dim % len(x.shape)
    return narrowed(low, x, axis, int(start) % x.shape[axis], length)


@aten("slice", "slice_copy")
def _slice(
    low: Lowering, x: Traced, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Traced:
    axis = dim % len(x.shape)
    places = range(x.shape[axis])[slice(start, end, step)]
    return narrowed(low, x, axis, places.start, len(places), places.step)


def narrowed(low: Lowering, x: Traced, axis: int, start: int, length: int, step: int = 1) -> Traced:
    """Places ``start``, ``start + step``, ... of an axis, ``length`` of them."""
    if length == x.shape[axis] and step == 1:
        return x
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    (laid,), at, _ = _common_layout(low, [x], x.shape, axis)
    stop = start + (length - 1) * step + 1
    places = (slice(None),) * at + (slice(start, stop, step),)
    return low.emit(Rearrange("slice", lambda tensors, fill: tensors[0][places]), laid, shape=shape)


# --- by index ----------------------------------------------------------------------------


@aten(
    *("roll", "flip", "rot90", "tril", "triu", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
    *(
        "native_channel_shuffle",
        "unfold",
        "unfold_copy",
        "im2col",
        "index.Tensor",
        "index_select",
        "gather",
        "take",
    ),
    *(
        "repeat",
        "tile",
        "repeat_interleave.self_int",
        "repeat_interleave.self_Tensor",
        "diagonal",
        "diagonal_copy",
    ),
    *("reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d"),
    *("replication_pad3d", "constant_pad_nd", "pad", "_pad_circular", "select_scatter", "slice_scatter"),
    *(
        "diagonal_scatter",
        "index_put",
        "index_copy",
        "index_fill",
        "masked_fill",
        "where",
        "upsample_nearest1d",
    ),
    *("upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d"),
    *(
        "_upsample_nearest_exact3d",
        "diag_embed",
        "as_strided",
        "copy",
        "take_along_dim",
        "fill",
        "flatten_dense_tensors",  # of a list, one behind the other
    ),
    *(
        "fliplr",
        "flipud",
        "hstack",
        "vstack",
        "dstack",
        "column_stack",
        "block_diag",
        "scatter",
        "select_backward",
        "slice_backward",
        "_unsafe_index",
        "zero",
    ),
)
def _moved(low: Lowering, *args: Any, **kwargs: Any) -> Any:
    traced = list_leaves((args, kwargs), Traced)
    if not all(x.dtype.is_floating_point for x in traced):
        return by_condition(low, args, kwargs)
    if _adds_up(low, args, kwargs):
        return low.unknown("adds up elements that meet at one place")
    operation = low.operation

    def move(*values: Tensor) -> Tensor:
        given = iter(values)

        def filled(leaf: Any) -> Any:
            if isinstance(leaf, Traced):
                return next(given)
            return _beside(leaf, values[0]) if isinstance(leaf, Tensor) else leaf

        moved_args, moved_kwargs = map_aggregate((args, kwargs), filled)
        found: Tensor = operation(*moved_args, **moved_kwargs)
        return found

    return gathered(low, move, tuple(traced))


def _adds_up(low: Lowering, args: Any, kwargs: Any) -> bool:
    """Whether elements that go to one place are added, or reduced otherwise, there."""
    names = [argument.name for argument in low.operation._schema.arguments]
    given = dict(zip(names, args, strict=False)) | kwargs
    return bool(given.get("accumulate", False)) or given.get("reduce") is not None


def _beside(constant: Tensor, like: Tensor) -> Tensor:
    """A constant on the device, and if it is floating in the type, of another tensor."""
    dtype = like.dtype if constant.dtype.is_floating_point else constant.dtype
    return constant.detach().to(device=like.device, dtype=dtype)


def by_condition(low: Lowering, args: Any, kwargs: Any) -> Any:
    """A move that the image decides upon: by a condition it is taken apart, by places it is not."""
    name = low.operation._schema.name.split("::")[1]
    if name in ("where", "masked_fill") and isinstance(args[0 if name == "where" else 1], Traced):
        from graphpath.network.dialect.sums import chosen

        condition, one, two = args if name == "where" else (args[1], args[2], args[0])
        return chosen(low, condition, one, two)
    return low.unknown("moves elements to places that the image decides upon")


def gathered(
    low: Lowering, move: Callable[..., Tensor], traced: tuple[Traced, ...], aside: str = ""
) -> Traced:
    """What ``move`` gives of tensors in their own shapes: each element is one of theirs, or a constant."""
    sizes = [x.numel for x in traced]
    offsets = [0, *accumulate(sizes)][:-1]
    zeros = [torch.zeros(x.shape, dtype=torch.float64) for x in traced]
    numbers = [
        torch.arange(offset + 1, offset + size + 1, dtype=torch.float64).reshape(x.shape)
        for offset, size, x in zip(offsets, sizes, traced, strict=True)
    ]
    constant = _on_cpu(move, zeros)
    moved = _on_cpu(move, numbers)
    place = torch.where(moved == constant, 0, moved - constant).round().long() - 1  # inf is a constant too
    joined = traced[0] if len(traced) == 1 else _joined(low, traced)
    found = low.emit(_by_index(place, inner(tuple(place.shape))), joined, shape=place.shape, aside=aside)
    if not bool(constant.any()):
        return found
    shift = constant.to(device=low.device, dtype=low.dtype).reshape(inner(tuple(constant.shape)))
    return low.emit(Affine(None, shift), found, shape=place.shape, aside=aside)


def _on_cpu(move: Callable[..., Tensor], values: list[Tensor]) -> Tensor:
    with torch.no_grad():
        return move(*values)


def _joined(low: Lowering, traced: tuple[Traced, ...]) -> Traced:
    flat = [low.shaped(x, (x.numel,)) for x in traced]
    return low.emit(cat(1, (None,) * len(flat)), *flat, aside="cat")


def _by_index(place: Tensor, shape: Shape) -> Rearrange:
    """Elements by their places in the flattened input, -1 where there is none."""
    flat = place.flatten()
    inside, whole = flat.clamp(min=0), bool((flat >= 0).all())

    def move(tensors: tuple[Tensor, ...], fill: float) -> Tensor:
        x = tensors[0].flatten(1)
        found = x.index_select(1, inside.to(x.device))
        if not whole:
            found = found.masked_fill((flat < 0).to(x.device), fill)
        return found.reshape(-1, *shape)

    return Rearrange("index", move)
