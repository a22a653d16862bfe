"""Matrix products: with a constant side dense layers; of two tensors of the image's, one of them held."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network.dialect.convolution import mixed
from graphpath.network.dialect.moves import expanded, gathered, permuted
from graphpath.network.dialect.reductions import mean
from graphpath.network.dialect.registry import aten
from graphpath.network.dialect.sums import is_gate, scaled, summed
from graphpath.network.operations import Conv, MatrixPair, Mixture
from graphpath.network.walk import Lowering, Traced


@aten("mm", "bmm", "matmul", "mv", "dot", "vdot")
def _product(low: Lowering, a: Any, b: Any) -> Any:
    return product(low, a, b)


@aten("inner")
def _inner(low: Lowering, a: Any, b: Any) -> Any:
    """Sums of products over the last dimensions of both."""
    if len(a.shape) == 1 or len(b.shape) == 1:
        return product(low, a, b)
    if len(b.shape) > 2:
        return low.unknown("is an inner product of tensors of many dimensions")
    return product(low, a, permuted(low, b, (1, 0), aside="permute") if isinstance(b, Traced) else b.T)


@aten("addbmm")
def _summed_stack(low: Lowering, c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """The sum over a stack of products, and c."""
    stack = product(low, a, b)
    found = scaled(low, mean(low, stack, (0,), stack.shape[1:]), alpha * stack.shape[0])
    return summed(low, found, scaled(low, c, beta) if isinstance(c, Traced) else c * beta)


@aten("addmm", "baddbmm", "addmv")
def _with_sum(low: Lowering, c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    if _is_dense(low, c, a, b, beta, alpha):
        return mixed(low, a, b.detach().T, c.detach())
    found = product(low, a, b) if isinstance(a, Traced) or isinstance(b, Traced) else torch.matmul(a, b)
    if alpha != 1:
        found = scaled(low, found, alpha) if isinstance(found, Traced) else found * alpha
    if beta != 1:
        c = scaled(low, c, beta) if isinstance(c, Traced) else c * beta
    return summed(low, found, c)


def _is_dense(low: Lowering, c: Any, a: Any, b: Any, beta: Any, alpha: Any) -> bool:
    """Whether ``c + a b`` is a dense layer of a."""
    plain = (
        beta == 1 and alpha == 1 and isinstance(a, Traced) and isinstance(b, Tensor) and isinstance(c, Tensor)
    )
    return plain and b.dim() == 2 and c.dim() == 1 and len(a.shape) == 2


def product(low: Lowering, a: Any, b: Any) -> Any:
    """a b, as ``torch.matmul`` has it."""
    if isinstance(a, Traced) and isinstance(b, Traced):
        return _of_two(low, a, b)
    if isinstance(b, Traced):
        return _turned(low, a, b)
    if b.dim() <= 2:
        weight = b.detach().reshape(b.shape[0], -1).T
        found = mixed(low, a, weight.contiguous(), None)
        return found.viewed(_shape_of_product(a.shape, tuple(b.shape)))
    return _batched(low, a, b.detach())


def _shape_of_product(one: tuple[int, ...], two: tuple[int, ...]) -> tuple[int, ...]:
    with torch.device("meta"):
        return tuple(torch.matmul(torch.empty(one), torch.empty(two)).shape)


def _turned(low: Lowering, a: Tensor, b: Traced) -> Any:
    """A constant times a tensor: the transpose of the transposed product."""
    shape = _shape_of_product(tuple(a.shape), b.shape)
    if len(b.shape) == 1:
        return product(
            low, b.viewed((1, *b.shape)), a.detach().transpose(-1, -2) if a.dim() > 1 else a
        ).viewed(shape)
    if a.dim() == 1:
        return _turned(low, a[None], b).viewed(shape)
    order = (*range(len(b.shape) - 2), len(b.shape) - 1, len(b.shape) - 2)
    found = product(low, permuted(low, b, order), a.detach().transpose(-1, -2))
    return _transposed(low, found).viewed(shape)


def _batched(low: Lowering, a: Traced, b: Tensor) -> Any:
    """A product with a stack of constant matrices (..., I, O): a convolution whose groups are the stack."""
    shape = _shape_of_product(a.shape, tuple(b.shape))
    if len(a.shape) == 1:
        a = a.viewed((1, *a.shape))
    stack = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows, inner, outs = a.shape[-2], b.shape[-2], b.shape[-1]
    count = int(torch.Size(stack).numel())
    a = expanded(low, a, (*stack, rows, inner)).viewed((1, count, rows, inner))
    matrices = b.expand(*stack, inner, outs).reshape(count, inner, outs)
    turned = permuted(low, a, (0, 1, 3, 2), aside="permute")
    weight = matrices.transpose(1, 2).reshape(count * outs, inner, 1, 1)
    conv = Conv(weight, None, (1, 1), (0, 0, 0, 0), (1, 1), count)
    found = low.emit(conv, low.shaped(turned, (count * inner, rows, 1))).viewed((1, count, outs, rows))
    return permuted(low, found, (0, 1, 3, 2), aside="permute").viewed(shape)


def _of_two(low: Lowering, a: Traced, b: Traced) -> Any:
    """The product of two tensors of the image's: one is held, or each carries half."""
    shape = _shape_of_product(a.shape, b.shape)
    a = a.viewed((1, *a.shape)) if len(a.shape) == 1 else a
    b = b.viewed((*b.shape, 1)) if len(b.shape) == 1 else b
    gates = [is_gate(low, x) for x in (a, b)]
    if gates == [True, False]:
        return mixture(low, a, b).viewed(shape)
    if gates == [False, True]:
        return _mixed_by_right(low, a, b).viewed(shape)
    if not low.halves:
        return low.emit(MatrixPair(a.shape, b.shape), a, b, shape=shape)
    one = mixture(low, a, b)
    two = _mixed_by_right(low, a, b)
    return summed(low, scaled(low, one, 0.5), scaled(low, two, 0.5)).viewed(shape)


def _mixed_by_right(low: Lowering, a: Traced, b: Traced) -> Traced:
    """a (..., R, K) times ``b`` (..., K, C), held: the transpose of the transposed product."""
    return _transposed(low, mixture(low, _transposed(low, b), _transposed(low, a)))


def by_own_weights(
    low: Lowering,
    x: Traced,
    weight: Traced,
    bias: Any,
    stride: tuple[int, ...],
    around: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Any:
    """A convolution of x (1, C, H, W) by weights that the image made: a product of its windows and them."""
    kernel = weight.shape[2:]
    sides = [side for margin in reversed(around) for side in margin]

    def lay_out(values: Tensor) -> Tensor:
        return F.unfold(F.pad(values, sides), kernel, dilation, 0, stride)

    windows = gathered(low, lay_out, (x,), aside="windows")
    rows = prod(weight.shape[1:])
    weights = weight.viewed((groups, weight.shape[0] // groups, rows))
    found = product(low, weights, windows.viewed((groups, rows, windows.shape[-1])))
    found = found.viewed(low.result.shape)
    if bias is None:
        return found
    shape = (1, bias.shape[0], 1, 1)
    return summed(low, found, bias.viewed(shape) if isinstance(bias, Traced) else bias.reshape(shape))


def _transposed(low: Lowering, x: Traced) -> Traced:
    rank = len(x.shape)
    return permuted(low, x, (*range(rank - 2), rank - 1, rank - 2), aside="permute")


def mixture(low: Lowering, matrix: Traced, x: Traced) -> Traced:
    """``matrix`` (..., R, K), held, times x (..., K, C): (..., R, C)."""
    stack = tuple(torch.broadcast_shapes(matrix.shape[:-2], x.shape[:-2]))
    rows, places, maps = matrix.shape[-2], matrix.shape[-1], x.shape[-1]
    count = prod(stack)
    held = expanded(low, matrix, (*stack, rows, places))
    turned = _transposed(low, expanded(low, x, (*stack, places, maps)))
    read = low.shaped(turned, (count * maps, places, 1))
    mixed = low.emit(Mixture(), read, low.shaped(held, (count, rows, places)))
    return _transposed(low, mixed.viewed((*stack, maps, rows)))


def _pattern(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, scale: float | None) -> Tensor:
    """softmax(q k^T / sqrt(d)), masked: what ``F.scaled_dot_product_attention`` multiplies its values by."""
    scores = torch.matmul(q, k.transpose(-1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    if mask is not None and mask.dtype is torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + mask.to(scores.dtype)
    found: Tensor = torch.ops.aten._safe_softmax(scores, -1)  # 0 where all is masked, as PyTorch has it
    return found


@aten("_scaled_dot_product_flash_attention_for_cpu")
def _flash_attention(
    low: Lowering,
    query: Any,
    key: Any,
    value: Any,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    attn_mask: Any = None,
    scale: float | None = None,
) -> Any:
    return _attention(low, query, key, value, attn_mask, dropout, causal, scale=scale), None


@aten("scaled_dot_product_attention")
def _attention(
    low: Lowering,
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Attention's pattern is held, as circuit tracers hold it; its value path is linear."""
    if dropout:
        low.refuse("drops at random even in evaluation mode: pass dropout_p=0.0 unless self.training")
    if enable_gqa or not isinstance(value, Traced):
        return low.unknown("is attention over values that do not come from the image, or shared ones")
    stack = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    shape = (*stack, query.shape[-2], key.shape[-2])

    def pattern(q: Tensor, k: Tensor, m: Tensor | None) -> Tensor:
        return _pattern(q, k, m, causal, scale).expand(shape)

    result = torch.empty(shape, dtype=low.dtype, device="meta")
    given = (query, key, mask)
    if not any(isinstance(part, Traced) for part in given):
        return product(low, pattern(query, key, mask), value)
    matrix = low.opaque(pattern, given, result, "is an attention pattern, which is held", limits=True)
    return mixture(low, matrix, value)
