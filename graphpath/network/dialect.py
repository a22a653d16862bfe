"""What PyTorch's modules, functions and methods mean in graphpath's operations.

One rule a family: it is called with the lowering, then with the arguments of the call (a module rule gets
the module first), and returns what the call returns, made of traced tensors. A new operation is one more
rule here, and one more class in ``operations.py`` if it is truly new.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphpath.network import windows
from graphpath.network.lowering import Lowering, Rule, Traced
from graphpath.network.operations import (
    Activation,
    Add,
    Affine,
    AveragePool,
    Conv,
    Dense,
    MaxPool,
    Norm,
    Rearrange,
)

_RULES: dict[tuple[str, Any], Rule] = {}


def rule_for(kind: str, target: Any) -> Rule | None:
    """The rule for an fx node of ``kind`` (call_module, call_function, call_method), or None."""
    key = type(target) if kind == "call_module" else target
    return _RULES.get((kind, key))


def modules(*classes: type[nn.Module]) -> Callable[[Rule], Rule]:
    """Register a rule for module classes (exactly these: a subclass may compute something else)."""
    return _registering(("call_module", cls) for cls in classes)


def functions(*callables: Callable[..., Any]) -> Callable[[Rule], Rule]:
    """Register a rule for functions."""
    return _registering(("call_function", function) for function in callables)


def methods(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for tensor methods."""
    return _registering(("call_method", name) for name in names)


def _registering(keys: Any) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(keys, rule))
        return rule

    return register


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


# --- weights ---------------------------------------------------------------------------------------


@modules(nn.Conv2d)
def _conv_module(low: Lowering, module: nn.Conv2d, x: Traced) -> Traced:
    if module.padding_mode == "zeros":
        return _conv(
            low, x, module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups
        )
    mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[module.padding_mode]
    around = _same(module.padding, module.kernel_size, module.dilation)
    padded = _padded_by_index(low, x, around, mode)
    return _conv(low, padded, module.weight, module.bias, module.stride, 0, module.dilation, module.groups)


@functions(F.conv2d, torch.conv2d)
def _conv(
    low: Lowering,
    input: Traced,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Traced:
    if len(input.shape) != 3:
        low.refuse(f"is a convolution of a tensor of shape {input.shape}; expected (channels, height, width)")
    around = _same(padding, weight.shape[2:], dilation)
    bias = None if bias is None else bias.detach()
    conv = Conv(weight.detach(), bias, _pair(stride), around, _pair(dilation), groups)
    return low.emit(conv, input)


def _same(padding: Any, kernel: Any, dilation: Any) -> tuple[int, int, int, int]:
    """Padding left, right, top, bottom; "same" puts the odd one right and below, as PyTorch does."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        high, wide = ((size - 1) * step for size, step in zip(kernel, _pair(dilation), strict=True))
        return (wide // 2, wide - wide // 2, high // 2, high - high // 2)
    high, wide = _pair(padding)
    return (wide, wide, high, high)


@modules(nn.Linear)
def _linear_module(low: Lowering, module: nn.Linear, x: Traced) -> Traced:
    return _linear(low, x, module.weight, module.bias)


@functions(F.linear)
def _linear(low: Lowering, input: Traced, weight: Tensor, bias: Tensor | None = None) -> Traced:
    if len(input.shape) != 1:
        low.refuse(f"is a linear layer on a tensor of shape {input.shape}; expected (features,): flatten first")
    return low.emit(Dense(weight.detach(), None if bias is None else bias.detach()), input)


@modules(nn.BatchNorm2d, nn.BatchNorm1d)
def _batch_norm(low: Lowering, module: nn.BatchNorm2d, x: Traced) -> Traced:
    if module.running_mean is None or module.running_var is None:
        low.refuse("is a batch norm without running statistics: it normalises by the batch in hand")
    assert module.running_mean is not None and module.running_var is not None
    scale = torch.rsqrt(module.running_var + module.eps)
    if module.weight is not None:
        scale = scale * module.weight.detach()
    shift = -module.running_mean * scale
    if module.bias is not None:
        shift = shift + module.bias.detach()
    return low.emit(Norm(scale, shift), x)


# --- activations ------------------------------------------------------------------------------------

_RELU = Activation("relu", F.relu)


@modules(nn.ReLU)
def _relu_module(low: Lowering, module: nn.ReLU, x: Traced) -> Traced:
    return _relu(low, x, module.inplace)


@functions(F.relu, torch.relu)
@methods("relu")
def _relu(low: Lowering, input: Traced, inplace: bool = False) -> Traced:
    result = low.emit(_RELU, input)
    if inplace:
        low.replace(input, result)
    return result


@functions(torch.relu_, F.relu_)
@methods("relu_")
def _relu_in_place(low: Lowering, input: Traced) -> Traced:
    return _relu(low, input, inplace=True)


# --- sums and constants ------------------------------------------------------------------------------


@functions(operator.add, torch.add)
@methods("add")
def _add(low: Lowering, a: Any, b: Any, alpha: float = 1) -> Traced:
    if alpha != 1:
        b = _scaled(low, b, alpha) if isinstance(b, Traced) else b * alpha
    if not isinstance(a, Traced):
        a, b = b, a
    if not isinstance(b, Traced):
        return low.emit(Affine(None, _constant(low, a, b)), a)
    if a.shape != b.shape:
        low.refuse(f"adds tensors of the shapes {a.shape} and {b.shape}; broadcasting of two tensors is not traced")
    return low.emit(Add(), a, b)


@functions(operator.iadd)
@methods("add_")
def _add_in_place(low: Lowering, a: Traced, b: Any, alpha: float = 1) -> Traced:
    result = _add(low, a, b, alpha)
    if isinstance(a, Traced):
        low.replace(a, result)
    return result


@functions(operator.sub, torch.sub)
@methods("sub")
def _sub(low: Lowering, a: Any, b: Any) -> Traced:
    if not isinstance(b, Traced):
        return low.emit(Affine(None, -_constant(low, a, b)), a)
    return _add(low, a, _scaled(low, b, -1))


@functions(operator.mul, torch.mul)
@methods("mul")
def _mul(low: Lowering, a: Any, b: Any) -> Traced:
    if not isinstance(a, Traced):
        a, b = b, a
    if isinstance(b, Traced):
        low.refuse("multiplies two tensors, which graphpath cannot take apart")
    return _scaled(low, a, b)


@functions(operator.truediv, torch.div, torch.true_divide)
@methods("div", "true_divide")
def _div(low: Lowering, a: Any, b: Any) -> Traced:
    if isinstance(b, Traced):
        low.refuse("divides by a tensor, which graphpath cannot take apart")
    return low.emit(Affine(1 / _constant(low, a, b), None), a)


@functions(operator.neg, torch.neg)
@methods("neg")
def _neg(low: Lowering, x: Traced) -> Traced:
    return _scaled(low, x, -1)


def _scaled(low: Lowering, x: Traced, factor: Any) -> Traced:
    return low.emit(Affine(_constant(low, x, factor), None), x)


def _constant(low: Lowering, x: Traced, value: Any) -> Tensor:
    """A constant that broadcasts over one image of ``x``, without the batch dimension."""
    constant = torch.as_tensor(value, device=x.value.device).detach()
    if constant.dim() == x.value.dim():
        if constant.shape[0] != 1:
            low.refuse("combines the batch with a constant that differs from image to image")
        constant = constant[0]
    if torch.broadcast_shapes(constant.shape, x.shape) != x.shape:
        low.refuse(f"combines {x.shape} with a constant of shape {tuple(constant.shape)}")
    return constant.to(torch.float64) if constant.dtype == torch.int64 else constant


# --- pooling -----------------------------------------------------------------------------------------


@modules(nn.MaxPool2d)
def _max_pool_module(low: Lowering, module: nn.MaxPool2d, x: Traced) -> Traced:
    if module.return_indices:
        low.refuse("is a max-pool that returns indices, which only unpooling networks use")
    return _max_pool(
        low, x, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
    )


@functions(F.max_pool2d, torch.max_pool2d)
def _max_pool(
    low: Lowering,
    input: Traced,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Traced:
    kernel, step, spread = _pair(kernel_size), _pair(stride or kernel_size), _pair(dilation)
    around = _pair(padding)
    overlapping = any(k > 1 and (k - 1) * d >= s for k, s, d in zip(kernel, step, spread, strict=True))

    def pool(x: Tensor) -> tuple[Tensor, Tensor]:
        return F.max_pool2d(x, kernel, step, around, spread, ceil_mode, return_indices=True)

    return low.emit(MaxPool(pool, overlapping), input)


@modules(nn.AdaptiveMaxPool2d)
def _adaptive_max_pool_module(low: Lowering, module: nn.AdaptiveMaxPool2d, x: Traced) -> Traced:
    return _adaptive_max_pool(low, x, module.output_size)


@functions(F.adaptive_max_pool2d)
def _adaptive_max_pool(low: Lowering, input: Traced, output_size: Any, return_indices: bool = False) -> Traced:
    size = _out_size(input, output_size)
    overlapping = any(windows.overlap(n, out) for n, out in zip(input.shape[1:], size, strict=True))

    def pool(x: Tensor) -> tuple[Tensor, Tensor]:
        return F.adaptive_max_pool2d(x, size, return_indices=True)

    return low.emit(MaxPool(pool, overlapping), input)


def _out_size(x: Traced, output_size: Any) -> tuple[int, int]:
    pair = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    height, width = (int(n if out is None else out) for n, out in zip(x.shape[1:], pair, strict=True))
    return height, width


@modules(nn.AvgPool2d)
def _average_pool_module(low: Lowering, module: nn.AvgPool2d, x: Traced) -> Traced:
    return _average_pool(
        low,
        x,
        module.kernel_size,
        module.stride,
        module.padding,
        module.ceil_mode,
        module.count_include_pad,
        module.divisor_override,
    )


@functions(F.avg_pool2d)
def _average_pool(
    low: Lowering,
    input: Traced,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Traced:
    kernel, step, around = _pair(kernel_size), _pair(stride or kernel_size), _pair(padding)
    _, height, width = input.shape
    rows = windows.strided(height, kernel[0], step[0], around[0], ceil_mode, count_include_pad)
    columns = windows.strided(width, kernel[1], step[1], around[1], ceil_mode, count_include_pad)

    def pool(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, kernel, step, around, ceil_mode, count_include_pad, divisor_override)

    return low.emit(AveragePool(pool, *windows.plane(rows, columns, width, divisor_override)), input)


@modules(nn.AdaptiveAvgPool2d)
def _adaptive_average_module(low: Lowering, module: nn.AdaptiveAvgPool2d, x: Traced) -> Traced:
    return _adaptive_average(low, x, module.output_size)


@functions(F.adaptive_avg_pool2d)
def _adaptive_average(low: Lowering, input: Traced, output_size: Any) -> Traced:
    size = _out_size(input, output_size)
    _, height, width = input.shape
    places = windows.plane(windows.adaptive(height, size[0]), windows.adaptive(width, size[1]), width)
    return low.emit(AveragePool(lambda x: F.adaptive_avg_pool2d(x, size), *places), input)


@functions(torch.mean)
@methods("mean")
def _mean(low: Lowering, x: Traced, dim: Any = None, keepdim: bool = False) -> Traced:
    axes = () if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if {axis % 4 for axis in axes} != {2, 3} or len(x.shape) != 3:
        low.refuse(f"is a mean over the dimensions {dim}; expected both spatial dimensions of (N, C, H, W)")
    pooled = _adaptive_average(low, x, 1)
    return pooled if keepdim else _flatten(low, pooled, 1)


# --- elements moved ------------------------------------------------------------------------------------


def _moved(low: Lowering, name: str, x: Traced, move: Callable[[Tensor], Tensor]) -> Traced:
    return low.emit(Rearrange(name, lambda tensors, fill: move(tensors[0])), x)


def _reshaped(low: Lowering, x: Traced, result: Tensor) -> Traced:
    shape = tuple(result.shape[1:])
    if result.shape[0] != x.value.shape[0] or len(shape) == 0:
        low.refuse(f"reshapes across the images of a batch: {tuple(x.value.shape)} to {tuple(result.shape)}")
    return _moved(low, "reshape", x, lambda tensor: tensor.reshape(tensor.shape[0], *shape))


@modules(nn.Flatten)
def _flatten_module(low: Lowering, module: nn.Flatten, x: Traced) -> Traced:
    return _flatten(low, x, module.start_dim, module.end_dim)


@functions(torch.flatten)
@methods("flatten")
def _flatten(low: Lowering, input: Traced, start_dim: int = 0, end_dim: int = -1) -> Traced:
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
    return _moved(low, "permute", x, lambda tensor: tensor.permute(order))


@functions(torch.transpose)
@methods("transpose")
def _transpose(low: Lowering, input: Traced, dim0: int, dim1: int) -> Traced:
    rank = input.value.dim()
    if 0 in (dim0 % rank, dim1 % rank):
        low.refuse("transposes the batch dimension")
    return _moved(low, "transpose", input, lambda tensor: tensor.transpose(dim0, dim1))


@functions(torch.cat, torch.concat, torch.concatenate)
def _cat(low: Lowering, tensors: Any, dim: int = 0) -> Traced:
    tensors = tuple(tensors)
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
def _pad(low: Lowering, input: Traced, pad: Any, mode: str = "constant", value: float | None = None) -> Traced:
    if mode == "constant":
        if value:
            low.refuse(f"pads with {value}; only padding with zeros is traced")
        around = tuple(int(n) for n in pad)
        return low.emit(Rearrange("pad", lambda parts, fill: F.pad(parts[0], around, value=fill)), input)
    if len(pad) != 4:
        low.refuse(f"pads {len(pad) // 2} dimensions in the mode {mode}; expected the two spatial ones")
    return _padded_by_index(low, input, tuple(pad), {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])


def _padded_by_index(low: Lowering, x: Traced, around: tuple[int, ...], mode: Any) -> Traced:
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


# --- nothing done ----------------------------------------------------------------------------------------


@modules(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)
def _nothing_module(low: Lowering, module: nn.Module, x: Traced) -> Traced:
    return x


@methods("contiguous", "clone", "detach")
def _nothing_method(low: Lowering, x: Traced, **options: Any) -> Traced:
    return x


@functions(F.dropout, F.dropout2d, F.alpha_dropout, F.feature_alpha_dropout)
def _dropout(low: Lowering, input: Traced, p: float = 0.5, training: bool = True, inplace: bool = False) -> Traced:
    if training and p > 0:
        low.refuse("drops at random even in evaluation mode; pass training=self.training")
    return input


# --- questions about shapes --------------------------------------------------------------------------------


@methods("size")
def _size(low: Lowering, x: Traced, dim: int | None = None) -> Any:
    return x.value.shape if dim is None else x.value.shape[dim]


@methods("dim")
def _dim(low: Lowering, x: Traced) -> int:
    return x.value.dim()


@functions(getattr)
def _getattr(low: Lowering, x: Any, name: str) -> Any:
    if not isinstance(x, Traced):
        return getattr(x, name)
    if name not in ("shape", "dtype", "device", "ndim"):
        low.refuse(f"reads the attribute {name!r} of a tensor")
    return getattr(x.value, name)
