"""Elements moved: reshaping, permuting, concatenating, slicing, padding."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphpath.network.dialect.registry import functions, methods, modules
from graphpath.network.operations import Rearrange, permute
from graphpath.network.walk import Lowering, Traced

NUMPY_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's names for padding that repeats the image, and numpy's."""


def _moved(low: Lowering, name: str, x: Traced, move: Callable[[Tensor], Tensor]) -> Traced:
    return low.emit(Rearrange(name, lambda tensors, fill: move(tensors[0])), x)


def _reshaped(low: Lowering, x: Traced, result: Tensor) -> Traced:
    shape = tuple(result.shape[1:])
    if result.shape[0] != x.value.shape[0] or len(shape) == 0:
        low.refuse(f"reshapes across the images of a batch: {tuple(x.value.shape)} to {tuple(result.shape)}")
    return _moved(low, "reshape", x, lambda tensor: tensor.reshape(tensor.shape[0], *shape))


@modules(nn.Flatten)
def _flatten_module(low: Lowering, module: nn.Flatten, x: Traced) -> Traced:
    return flatten(low, x, module.start_dim, module.end_dim)


@functions(torch.flatten)
@methods("flatten")
def flatten(low: Lowering, input: Traced, start_dim: int = 0, end_dim: int = -1) -> Traced:
    return _reshaped(low, input, torch.flatten(input.value, start_dim, end_dim))


@methods("view", "reshape")
def _view(low: Lowering, x: Traced, *shape: Any) -> Traced:
    return _reshaped(low, x, x.value.reshape(*shape))


@functions(torch.reshape)
def _reshape(low: Lowering, input: Traced, shape: Any) -> Traced:
    return _reshaped(low, input, input.value.reshape(shape))


@functions(torch.squeeze)
@methods("squeeze")
def _squeeze(low: Lowering, input: Traced, *dim: Any) -> Traced:
    return _reshaped(low, input, torch.squeeze(input.value, *dim))


@functions(torch.unsqueeze)
@methods("unsqueeze")
def _unsqueeze(low: Lowering, input: Traced, dim: int) -> Traced:
    return _reshaped(low, input, torch.unsqueeze(input.value, dim))


@functions(torch.permute)
@methods("permute")
def _permute(low: Lowering, x: Traced, *dims: Any) -> Traced:
    order = tuple(dims[0]) if isinstance(dims[0], (tuple, list)) else tuple(dims)
    if order[0] != 0:
        low.refuse(f"permutes the batch dimension: {order}")
    return low.emit(permute(tuple(axis % len(order) for axis in order)), x)


@functions(torch.transpose)
@methods("transpose")
def _transpose(low: Lowering, input: Traced, dim0: int, dim1: int) -> Traced:
    rank = input.value.dim()
    one, two = dim0 % rank, dim1 % rank
    if 0 in (one, two):
        low.refuse("transposes the batch dimension")
    order = list(range(rank))
    order[one], order[two] = two, one
    return low.emit(permute(tuple(order)), input)


@functions(torch.cat, torch.concat, torch.concatenate)
def _cat(low: Lowering, tensors: Any, dim: int = 0) -> Traced:
    tensors = tuple(tensors)
    if not all(isinstance(tensor, Traced) for tensor in tensors):
        low.refuse("concatenates the image's tensors with one that is not made of it (a class token?)")
    rank = tensors[0].value.dim()
    if dim % rank == 0:
        low.refuse("concatenates along the batch dimension")
    return low.emit(Rearrange("cat", lambda parts, fill: torch.cat(parts, dim)), *tensors)


@functions(torch.chunk)
@methods("chunk")
def _chunk(low: Lowering, input: Traced, chunks: int, dim: int = 0) -> tuple[Traced, ...]:
    return _slices(low, input, [part.shape[dim] for part in input.value.chunk(chunks, dim)], dim)


@functions(torch.split)
@methods("split")
def _split(low: Lowering, input: Traced, split_size_or_sections: Any, dim: int = 0) -> tuple[Traced, ...]:
    parts = torch.split(input.value, split_size_or_sections, dim)
    return _slices(low, input, [part.shape[dim] for part in parts], dim)


def _slices(low: Lowering, x: Traced, sizes: list[int], dim: int) -> tuple[Traced, ...]:
    if dim % x.value.dim() == 0:
        low.refuse("splits the batch dimension")
    starts = np.cumsum([0, *sizes[:-1]])
    return tuple(_narrowed(low, x, dim, int(at), size) for at, size in zip(starts, sizes, strict=True))


def _narrowed(low: Lowering, x: Traced, dim: int, start: int, size: int) -> Traced:
    return _moved(low, "slice", x, lambda tensor: tensor.narrow(dim, start, size))


@functions(operator.getitem)
def _getitem(low: Lowering, x: Any, item: Any) -> Any:
    if not isinstance(x, Traced):
        return x[item]
    items = item if isinstance(item, tuple) else (item,)
    plain = all(isinstance(part, (int, slice)) or part is None or part is Ellipsis for part in items)
    keeps_batch = len(items) > 0 and items[0] in (slice(None), Ellipsis)
    if not (plain and keeps_batch):
        low.refuse(f"takes [{item}] of a tensor; expected plain slices that keep the whole batch")
    return _moved(low, "slice", x, lambda tensor: tensor[item])


@functions(F.pad)
def _pad(
    low: Lowering, input: Traced, pad: Any, mode: str = "constant", value: float | None = None
) -> Traced:
    if mode == "constant":
        if value:
            low.refuse(f"pads with {value}; only padding with zeros is traced")
        around = tuple(int(n) for n in pad)
        return low.emit(Rearrange("pad", lambda parts, fill: F.pad(parts[0], around, value=fill)), input)
    if len(pad) != 4:
        low.refuse(f"pads {len(pad) // 2} dimensions in the mode {mode}; expected the two spatial ones")
    return padded_by_index(low, input, tuple(pad), NUMPY_MODES[mode])


def padded_by_index(low: Lowering, x: Traced, around: tuple[int, ...], mode: Any) -> Traced:
    """Padding that repeats elements of the image, written as an index into it."""
    left, right, top, bottom = around
    _, height, width = x.shape
    rows = torch.from_numpy(np.pad(np.arange(height), (top, bottom), mode=mode))
    columns = torch.from_numpy(np.pad(np.arange(width), (left, right), mode=mode))

    def move(tensor: Tensor) -> Tensor:
        return tensor[:, :, rows.to(tensor.device)][:, :, :, columns.to(tensor.device)]

    return _moved(low, "pad", x, move)


@modules(nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d)
def _pad_module(low: Lowering, module: Any, x: Traced) -> Traced:
    mode = {nn.ReflectionPad2d: "reflect", nn.ReplicationPad2d: "replicate", nn.CircularPad2d: "circular"}
    return _pad(low, x, module.padding, mode.get(type(module), "constant"))
