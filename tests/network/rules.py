"""For every rule of the dialect, small functions of an image's tensor that make use of it.

``RULES[rule]`` are functions of x (N, 4, 4, 3), which do to each image the same whatever N is, or modules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]

RULES: dict[str, list[Function | Callable[[], nn.Module]]] = {}
A = torch.ops.aten
INNER = (4, 4, 3)
"""The shape of x for one image."""


@cache
def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Constants between -1.5 and 1.5 that repeat nowhere: nothing that is drawn, which would be refused."""
    number = torch.arange(prod(shape), dtype=torch.float64) + 1 + 1000 * seed
    return 1.5 * torch.sin(12.9898 * number + 0.3 * len(shape)).reshape(shape)


def positive(x: Tensor) -> Tensor:
    return x.abs() + 0.3


def within(x: Tensor) -> Tensor:
    """Between -.9 and .9."""
    return 0.9 * torch.tanh(x)


def line(x: Tensor) -> Tensor:
    """(N, 4, 12)."""
    return x.flatten(2)


def volume(x: Tensor) -> Tensor:
    """(N, 2, 4, 2, 3)."""
    return x.reshape(-1, 2, 4, 2, 3)


def windows(x: Tensor) -> Tensor:
    """(2 N, 4, 2, 3): the two halves of every image, as a batch."""
    return x.reshape(-1, 4, 2, 2, 3).transpose(1, 2).reshape(-1, 4, 2, 3)


def together(x: Tensor) -> Tensor:
    """The halves of every image in one row again."""
    return x.reshape(-1, 2 * x[0].numel())


def rows(x: Tensor) -> Tensor:
    """(N, 12, 4): tokens."""
    return x.flatten(2).transpose(1, 2)


def masked(x: Tensor) -> Tensor:
    """x, and -inf where it is small: everywhere in the first row."""
    return torch.where((x > 0.1) & (torch.arange(4)[:, None] > 0), x, -torch.inf)


def by_image(x: Tensor, function: Function) -> Tensor:
    """What a function gives of each image, one by one."""
    return torch.stack([function(image) for image in x])


def add(rule: str, *functions: Function | Callable[[], nn.Module]) -> None:
    RULES.setdefault(rule, []).extend(functions)


# --- convolutions and dense layers --------------------------------------------------------

add(
    "conv1d",
    lambda x: F.conv1d(line(x), drawn(5, 4, 3), drawn(5), 2, 1),
    lambda x: F.conv1d(line(x), drawn(6, 2, 3), None, 1, 2, 3, 2),
    lambda x: F.conv1d(line(x), drawn(4, 4, 2), drawn(4), padding="same"),
    lambda x: together(F.conv1d(windows(x).flatten(2), drawn(3, 4, 3), drawn(3), 2, 1)),
    lambda x: F.conv1d(x.flatten(1)[:, None], drawn(2, 1, 5), drawn(2), 7),
)
add(
    "conv2d",
    lambda x: F.conv2d(x, drawn(5, 4, 3, 2), drawn(5), (2, 1), (1, 0)),
    lambda x: F.conv2d(x, drawn(6, 2, 2, 2), None, 1, (2, 1), (3, 2), 2),
    lambda x: F.conv2d(x, drawn(4, 1, 3, 3), drawn(4), 1, 1, 1, 4),
    lambda x: F.conv2d(x, drawn(3, 4, 2, 3), drawn(3), padding="same"),
    lambda x: F.conv2d(x, drawn(3, 4, 2, 3), drawn(3), padding="valid"),
    lambda x: together(F.conv2d(windows(x), drawn(3, 4, 2, 2), drawn(3), (1, 2), 1)),
    lambda x: together(F.conv2d(windows(x), drawn(4, 2, 2, 2), None, 1, 1, 2, 2)),
)
add(
    "conv3d",
    lambda x: F.conv3d(volume(x), drawn(3, 2, 2, 2, 2), drawn(3), (2, 1, 1), (1, 0, 1)),
    lambda x: F.conv3d(volume(x), drawn(4, 1, 2, 1, 2), None, 1, 0, (2, 1, 2), 2),
    lambda x: F.conv3d(volume(x), drawn(2, 2, 3, 2, 3), drawn(2), padding="same"),
    lambda x: together(F.conv3d(windows(x)[:, :, None], drawn(2, 4, 1, 2, 2), drawn(2), padding=(0, 1, 0))),
)
add(
    "conv_transpose1d",
    lambda x: F.conv_transpose1d(line(x), drawn(4, 3, 3), drawn(3), 2, 1, 1),
    lambda x: F.conv_transpose1d(line(x), drawn(4, 2, 2), None, 3, 0, 2, 2, 2),
    lambda x: together(F.conv_transpose1d(windows(x).flatten(2), drawn(4, 2, 3), drawn(2), 2)),
)
add(
    "conv_transpose2d",
    lambda x: F.conv_transpose2d(x, drawn(4, 3, 3, 2), drawn(3), (2, 1), (1, 0), (1, 0)),
    lambda x: F.conv_transpose2d(x, drawn(4, 1, 2, 3), None, 2, 1, 1, 2, (1, 3)),
    lambda x: F.conv_transpose2d(x, drawn(4, 3, 2, 2), drawn(3), 2, 2),
    lambda x: F.conv_transpose2d(x, drawn(4, 3, 1, 1), drawn(3)),
    lambda x: together(F.conv_transpose2d(windows(x), drawn(4, 2, 2, 2), drawn(2), 2, 1, 1)),
)
add(
    "conv_transpose3d",
    lambda x: F.conv_transpose3d(volume(x), drawn(2, 2, 2, 2, 2), drawn(2), (2, 1, 1), 1, (1, 0, 0)),
    lambda x: F.conv_transpose3d(volume(x), drawn(2, 1, 2, 1, 2), None, 1, 0, 0, 2, (1, 1, 2)),
)
add(
    "convolution",
    lambda x: A.convolution(x, drawn(3, 4, 2, 2), drawn(3), [1, 2], [0, 1], [1, 1], False, [0, 0], 1),
    lambda x: A.convolution(x, drawn(4, 2, 2, 2), None, [2, 2], [1, 0], [1, 1], True, [1, 0], 2),
)
add(
    "_convolution",
    lambda x: A._convolution(
        x, drawn(3, 4, 2, 2), None, [1, 1], [0, 1], [1, 1], False, [0, 0], 1, False, False, True, True
    ),
)
add(
    "linear",
    lambda x: F.linear(x, drawn(5, 3), drawn(5)),
    lambda x: F.linear(x.flatten(1), drawn(5, 48)),
    lambda x: F.linear(rows(x), drawn(3, 4), drawn(3)),
    lambda x: F.linear(line(x)[:, 1], drawn(3, 12), drawn(3)),
    lambda x: together(F.linear(windows(x), drawn(2, 3), drawn(2))),
    lambda x: F.linear(x.reshape(-1, 2, 2, 4, 3), drawn(2, 3), drawn(2)),
    lambda x: F.linear(x[..., :1], drawn(2, 1), drawn(2)),
)
add("mm", lambda x: torch.mm(x.flatten(1), drawn(48, 3)), lambda x: A.mm(x[:, 0, 0], drawn(3, 5)))
add(
    "addmm",
    lambda x: torch.addmm(drawn(3), x.flatten(1), drawn(48, 3)),
    lambda x: torch.addmm(x[:, 0, 0], x.flatten(1), drawn(48, 3), beta=0.5, alpha=-2),
)
add(
    "bmm",
    lambda x: torch.bmm(rows(x), drawn(1, 4, 5).expand(len(x), -1, -1)),
    lambda x: torch.bmm(drawn(1, 5, 12).expand(len(x), -1, -1), rows(x)),
    lambda x: torch.bmm(torch.softmax(rows(x) @ drawn(4, 12), -1), rows(x)),
    lambda x: together(torch.bmm(windows(x)[:, 0], drawn(1, 3, 2).expand(2 * len(x), -1, -1))),
    lambda x: together(torch.bmm(torch.softmax(windows(x)[:, 0], -1), windows(x)[:, 1].transpose(1, 2))),
)
add(
    "baddbmm",
    lambda x: torch.baddbmm(
        rows(x)[:, :5], drawn(1, 5, 12).expand(len(x), -1, -1), rows(x), beta=0.3, alpha=2
    ),
    lambda x: torch.baddbmm(drawn(1, 12, 5), rows(x), drawn(1, 4, 5).expand(len(x), -1, -1)),
)
add("addbmm", lambda x: torch.addbmm(drawn(4, 5), x[0], drawn(4, 3, 5))[None] if len(x) == 1 else alone(x))
add("mv", lambda x: torch.mv(x.flatten(1), drawn(48))[:, None] * drawn(1, 3))
add("addmv", lambda x: torch.addmv(drawn(1), x.flatten(1), drawn(48), alpha=2)[:, None] * drawn(1, 3))
for _rule in ("dot", "vdot"):

    def _dotted(x: Tensor, rule: str = _rule) -> Tensor:
        product = getattr(torch, rule)
        return torch.stack([product(image.flatten(), drawn(48)) for image in x])[:, None] * drawn(1, 3)

    add(_rule, _dotted)
add(
    "inner",
    lambda x: torch.inner(x, drawn(5, 3)),
    lambda x: torch.inner(x.flatten(1), drawn(2, 48)),
)


def alone(x: Tensor) -> Tensor:
    """Image by image what addbmm gives."""
    return torch.stack([torch.addbmm(drawn(4, 5), image, drawn(4, 3, 5)) for image in x])


add(
    "matmul",
    lambda x: torch.matmul(x, drawn(3, 2)),
    lambda x: torch.matmul(x, drawn(4, 3, 2)),
    lambda x: torch.matmul(x, drawn(1, 4, 3, 2)),
    lambda x: torch.matmul(drawn(5, 4), x),
    lambda x: torch.matmul(drawn(4, 5, 4), x),
    lambda x: torch.matmul(x, drawn(3)),
    lambda x: torch.matmul(drawn(4), x),
    lambda x: torch.matmul(x[:, :1], drawn(4, 3, 2)),
    lambda x: torch.matmul(x, x.transpose(2, 3)),
    lambda x: torch.matmul(torch.sigmoid(x), x.transpose(2, 3)),
    lambda x: torch.matmul(x, torch.tanh(x).transpose(2, 3)),
    lambda x: torch.matmul(torch.softmax(x[:, :1], -1), x.transpose(2, 3)),
    lambda x: torch.matmul(x, x[:, 0, 0].sigmoid()[:, None, :, None]),
    lambda x: together(torch.matmul(windows(x), windows(x).transpose(2, 3))),
    lambda x: torch.einsum("nchw,cd->ndhw", x, drawn(4, 3)),
    lambda x: torch.einsum("nchw,chd->nwd", x, drawn(4, 4, 2)),
    lambda x: torch.einsum("nchw,nchv->nwv", x, x.sigmoid()),
    lambda x: torch.einsum("nchw,nc->nhw", x, x.mean((2, 3))),
    lambda x: torch.einsum("nchw,ndhw->ncd", x, torch.relu(x[:, 1:])),
    lambda x: torch.einsum("nchw->nhc", x),
    lambda x: torch.einsum("nccw->nw", x),
)

# --- attention ----------------------------------------------------------------------------


def attended(x: Tensor, **options: object) -> Tensor:
    """Of 2 heads over 12 places, with 2 features a head."""
    q, k, v = (
        part.unflatten(2, (2, 2)).transpose(1, 2) for part in (rows(x), rows(x) @ drawn(4, 4), rows(x) + 0.1)
    )
    return F.scaled_dot_product_attention(q, k, v, **options)  # type: ignore[arg-type]


add(
    "scaled_dot_product_attention",
    attended,
    lambda x: attended(x, is_causal=True, scale=0.7),
    lambda x: attended(x, attn_mask=drawn(12, 12) > -0.5),
    lambda x: attended(x, attn_mask=drawn(2, 12, 12)),
    lambda x: attended(x, attn_mask=torch.arange(12)[:, None].expand(12, 12) > 2),
    lambda x: attended(x, attn_mask=(rows(x)[..., 0] > 0)[:, None, None] | torch.eye(12, dtype=torch.bool)),
    lambda x: F.scaled_dot_product_attention(rows(x)[:, :5], rows(x), rows(x)[..., :3]),
    lambda x: F.scaled_dot_product_attention(drawn(1, 5, 4).expand(len(x), -1, -1), rows(x), rows(x)),
    lambda x: F.scaled_dot_product_attention(
        drawn(1, 2, 4).expand(len(x), -1, -1), drawn(1, 12, 4).expand(len(x), -1, -1), rows(x)
    ),
    lambda x: F.scaled_dot_product_attention(x, x[:, :1].expand(-1, 4, -1, -1), x[:, 1:2]),
    lambda x: together(F.scaled_dot_product_attention(windows(x), windows(x), windows(x))),
    lambda x: F.scaled_dot_product_attention(x[:, :, None], x[:, :, None, :2], x[:, :1, None, :2]),
)
add(
    "_scaled_dot_product_flash_attention_for_cpu",
    lambda x: A._scaled_dot_product_flash_attention_for_cpu(x, x, x, 0.0, True, scale=0.4)[0],
    lambda x: A._scaled_dot_product_flash_attention_for_cpu(x, x, x, attn_mask=drawn(1, 1, 4, 4))[0],
)

# --- norms ---------------------------------------------------------------------------------


def statistics(channels: int) -> tuple[Tensor, Tensor]:
    return drawn(channels), drawn(channels, seed=1) ** 2 + 0.2


add(
    "batch_norm",
    lambda x: F.batch_norm(x, *statistics(4), drawn(4, seed=2), drawn(4, seed=3), eps=0.1),
    lambda x: F.batch_norm(x, *statistics(4)),
    lambda x: F.batch_norm(line(x), *statistics(4), drawn(4, seed=2)),
    lambda x: F.batch_norm(x.flatten(1), *statistics(48), None, drawn(48, seed=2)),
    lambda x: F.batch_norm(volume(x), *statistics(2), drawn(2), drawn(2)),
    lambda x: together(F.batch_norm(windows(x), *statistics(4), drawn(4, seed=2), drawn(4, seed=3))),
    lambda x: F.batch_norm(x.flatten(0, 1).flatten(1), *statistics(12)).reshape(len(x), -1),
)
add(
    "_native_batch_norm_legit_no_training",
    lambda x: A._native_batch_norm_legit_no_training(x, drawn(4), None, *statistics(4), 0.1, 1e-3)[0],
)
add(
    "layer_norm",
    lambda x: F.layer_norm(x, (3,), drawn(3), drawn(3, seed=1)),
    lambda x: F.layer_norm(x, (4, 3), drawn(4, 3)),
    lambda x: F.layer_norm(x, (4, 4, 3), None, drawn(4, 4, 3), 0.1),
    lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,), drawn(4), drawn(4)).permute(0, 3, 1, 2),
    lambda x: F.layer_norm(rows(x), (4,)),
    lambda x: F.layer_norm(x.flatten(1), (48,)),
    lambda x: together(F.layer_norm(windows(x), (2, 3), drawn(2, 3))),
    lambda x: A.layer_norm(0.01 * x, [3]),
)
add(
    "native_layer_norm",
    lambda x: A.native_layer_norm(x, [3], drawn(3), drawn(3), 0.01)[0],
    lambda x: A.native_layer_norm(x, [4, 3], None, None, 0.01)[0],
)
add(
    "rms_norm",
    lambda x: F.rms_norm(x, (3,), drawn(3)),
    lambda x: F.rms_norm(x, (4, 3), eps=0.1),
    lambda x: together(F.rms_norm(windows(x), (3,))),
)
add("_fused_rms_norm", lambda x: A._fused_rms_norm(x, [3], drawn(3), 0.2)[0])
add(
    "group_norm",
    lambda x: F.group_norm(x, 2, drawn(4), drawn(4, seed=1)),
    lambda x: F.group_norm(x, 4, drawn(4), None, 0.1),
    lambda x: F.group_norm(x, 1),
    lambda x: F.group_norm(line(x), 2, None, drawn(4)),
    lambda x: F.group_norm(volume(x), 2, drawn(2), drawn(2)),
    lambda x: F.group_norm(x.flatten(1), 6, drawn(48), drawn(48)),
    lambda x: together(F.group_norm(windows(x), 2, drawn(4), drawn(4))),
)
add(
    "native_group_norm",
    lambda x: A.native_group_norm(x, drawn(4), None, len(x), 4, 12, 2, 1e-3)[0],
    lambda x: together(A.native_group_norm(windows(x), drawn(4), drawn(4), 2 * len(x), 4, 6, 2, 1e-3)[0]),
)
add(
    "instance_norm",
    lambda x: F.instance_norm(x, weight=drawn(4), bias=drawn(4, seed=1)),
    lambda x: F.instance_norm(x, eps=0.1),
    lambda x: F.instance_norm(line(x)),
    lambda x: F.instance_norm(volume(x), weight=drawn(2)),
    lambda x: F.instance_norm(x, *statistics(4), drawn(4), drawn(4), use_input_stats=False),
    lambda x: together(F.instance_norm(windows(x), weight=drawn(4), bias=drawn(4))),
)
for _name in ("softmax", "special_softmax"):
    _function = torch.softmax if _name == "softmax" else torch.special.softmax
    add(
        _name,
        lambda x, f=_function: f(x, 1),
        lambda x, f=_function: f(x.flatten(1), -1) * 20,
        lambda x, f=_function: f(x.masked_fill(drawn(4, 3) > 0.5, -torch.inf), 2),
        lambda x, f=_function: f(x.masked_fill(x >= x.amax(3, True), -torch.inf), -1) * x,
        lambda x, f=_function: together(f(windows(x), 0 - 2)),
    )
add(
    "_softmax",
    lambda x: A._softmax(x, -1, False),
    lambda x: A._softmax(F.relu(x), 1, False),
)
add(
    "_safe_softmax",
    lambda x: A._safe_softmax(x, 1),
    lambda x: A._safe_softmax(x.masked_fill(torch.arange(3) > 1, -torch.inf), 2) * x,
)
for _name in ("log_softmax", "special_log_softmax"):
    _function = torch.log_softmax if _name == "log_softmax" else torch.special.log_softmax
    add(_name, lambda x, f=_function: f(x, 1), lambda x, f=_function: f(F.relu(x), -1))
add("_log_softmax", lambda x: A._log_softmax(x, 2, False))

# --- pooling -------------------------------------------------------------------------------

add(
    "max_pool1d",
    lambda x: F.max_pool1d(line(x), 3, 2, 1),
    lambda x: F.max_pool1d(line(x), 2, 3, 0, 2, True),
    lambda x: together(F.max_pool1d(windows(x).flatten(2), 2)),
)
add("max_pool1d_with_indices", lambda x: A.max_pool1d_with_indices(line(x), [2], [2], [1])[0])
for _name, _pooling in (
    ("max_pool2d", F.max_pool2d),
    ("max_pool2d_with_indices", lambda x, *a: A.max_pool2d_with_indices(x, *a)[0]),
):
    add(
        _name,
        lambda x, f=_pooling: f(x, [3, 2], [1, 2], [1, 0]),
        lambda x, f=_pooling: f(x, [2, 2], [2, 2], [1, 1], [2, 1], True),
        lambda x, f=_pooling: together(f(windows(x), [2, 2], [1, 1])),
        lambda x, f=_pooling: f(x, [2, 3]),
    )
for _name, _pooling in (
    ("max_pool3d", F.max_pool3d),
    ("max_pool3d_with_indices", lambda x, *a: A.max_pool3d_with_indices(x, *a)[0]),
):
    add(
        _name,
        lambda x, f=_pooling: f(volume(x), [2, 1, 2], [1, 1, 2], [1, 0, 1]),
        lambda x, f=_pooling: f(volume(x), [2, 2, 2], [2, 1, 1], [0, 0, 0], [2, 1, 1], True),
    )
add(
    "adaptive_max_pool1d",
    lambda x: F.adaptive_max_pool1d(line(x), 5),
    lambda x: F.adaptive_max_pool1d(line(x), 1),
)
add(
    "adaptive_max_pool2d",
    lambda x: F.adaptive_max_pool2d(x, (3, 2)),
    lambda x: F.adaptive_max_pool2d(x, (None, 1)),
    lambda x: F.adaptive_max_pool2d(x, 1, return_indices=True)[0],
    lambda x: together(F.adaptive_max_pool2d(windows(x), (1, 2))),
)
add(
    "adaptive_max_pool3d",
    lambda x: F.adaptive_max_pool3d(volume(x), (3, 1, 2)),
    lambda x: F.adaptive_max_pool3d(volume(x), 1),
)
for _name in ("amax", "amin"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, 1),
        lambda x, f=_function: f(x, (1, -1), keepdim=True),
        lambda x, f=_function: f(x, (-2, -1)),
        lambda x, f=_function: together(f(windows(x), 1)),
    )
for _name in ("max", "min"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: torch.stack([f(image) for image in x])[:, None] * drawn(1, 3),
    )
    add(
        f"{_name}.dim",
        lambda x, f=_function: f(x, 1)[0],
        lambda x, f=_function: f(x, -1, keepdim=True).values,
        lambda x, f=_function: f(x.flatten(1), 1)[0][:, None] * drawn(1, 3),
    )
    add(f"{_name}.other", lambda x, f=_function: f(x, x.flip(3)), lambda x, f=_function: f(x, drawn(4, 3)))
for _name in ("maximum", "minimum"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, x.flip(2) + 0.1),
        lambda x, f=_function: f(x, x.mean((2, 3), True)),
        lambda x, f=_function: f(x[:, :1], x[:, 1:]),
        lambda x, f=_function: f(drawn(1), x),
        lambda x, f=_function: f(x.flatten(1), x.flatten(1).roll(1, 1)),
        lambda x, f=_function: together(f(windows(x), windows(x).flip(1))),
    )
add(
    "topk",
    lambda x: x.topk(2, 1).values,
    lambda x: x.topk(3, -2, largest=False)[0],
    lambda x: x.flatten(1).topk(5).values,
    lambda x: together(windows(x).topk(2)[0]),
)
add("sort", lambda x: x.sort(1)[0], lambda x: x.sort(-1, descending=True).values)
add("sort.stable", lambda x: torch.sort(x, dim=2, stable=True)[0])
add("kthvalue", lambda x: x.kthvalue(3, 1).values, lambda x: x.flatten(2).kthvalue(5, -1, keepdim=True)[0])
add("median.dim", lambda x: x.median(1)[0], lambda x: x.median(2, keepdim=True).values)
add("nanmedian.dim", lambda x: x.nanmedian(3).values)
add("median", lambda x: by_image(x, lambda image: image * image.median().abs()))
add("nanmedian", lambda x: by_image(x, lambda image: image + image[1:3].nanmedian()))
add("mode", lambda x: x.mode(1).values)
add("cummax", lambda x: x.cummax(2).values)
add("cummin", lambda x: x.cummin(1)[0])
add(
    "fractional_max_pool2d",
    lambda x: F.fractional_max_pool2d(x, 2, (2, 2), _random_samples=one(x, 4, 2)),
    lambda x: F.fractional_max_pool2d(x, (1, 2), (3, 2), _random_samples=one(x, 4, 2)),
)
add(
    "fractional_max_pool3d",
    lambda x: F.fractional_max_pool3d(volume(x), 1, (2, 1, 2), _random_samples=one(x, 2, 3)),
)


def one(x: Tensor, *shape: int) -> Tensor:
    """Samples between 0 and 1, the same for all images."""
    return drawn(*shape).sigmoid().expand(len(x), *shape)


add(
    "avg_pool1d",
    lambda x: F.avg_pool1d(line(x), 3, 2, 1, True),
    lambda x: F.avg_pool1d(line(x), 5, 3, 2, True, False),
    lambda x: together(F.avg_pool1d(windows(x).flatten(2), 2)),
)
add(
    "avg_pool2d",
    lambda x: F.avg_pool2d(x, (3, 2), (1, 2), (1, 0)),
    lambda x: F.avg_pool2d(x, 3, 2, 1, True, False),
    lambda x: F.avg_pool2d(x, 3, 2, 1, True, True),
    lambda x: F.avg_pool2d(x, 2, 1, divisor_override=3),
    lambda x: together(F.avg_pool2d(windows(x), 2, 1)),
)
add(
    "avg_pool3d",
    lambda x: F.avg_pool3d(volume(x), (2, 1, 2), (1, 1, 1), (1, 0, 1)),
    lambda x: F.avg_pool3d(volume(x), (3, 2, 2), 2, (1, 0, 1), True, False),
    lambda x: F.avg_pool3d(volume(x), (3, 2, 2), 2, (1, 0, 1), True, True),
    lambda x: F.avg_pool3d(volume(x), 2, 1, divisor_override=3),
)
add(
    "adaptive_avg_pool1d",
    lambda x: F.adaptive_avg_pool1d(line(x), 5),
    lambda x: F.adaptive_avg_pool1d(line(x), 1),
)
for _name, _pooling in (
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d),
    ("_adaptive_avg_pool2d", A._adaptive_avg_pool2d),
):
    add(
        _name,
        lambda x, f=_pooling: f(x, [3, 2]),
        lambda x, f=_pooling: f(x, [5, 1]),
        lambda x, f=_pooling: f(x, [1, 1]),
        lambda x, f=_pooling: together(f(windows(x), [1, 2])),
    )
for _name, _pooling in (
    ("adaptive_avg_pool3d", F.adaptive_avg_pool3d),
    ("_adaptive_avg_pool3d", A._adaptive_avg_pool3d),
):
    add(_name, lambda x, f=_pooling: f(volume(x), [3, 1, 2]), lambda x, f=_pooling: f(volume(x), [1, 1, 1]))

# --- sums, means, products ----------------------------------------------------------------

add(
    "add.Tensor",
    lambda x: x + x.mean((2, 3), keepdim=True),
    lambda x: x + drawn(3),
    lambda x: x + drawn(4, 1, 1),
    lambda x: x + drawn(2, 4, 1, 3)[0],
    lambda x: torch.add(x, x.flip(1), alpha=0.3),
    lambda x: torch.add(drawn(4, 4, 3), x, alpha=-2),
    lambda x: x[:, :1] + x[:, :, :1],
    lambda x: x.flatten(1) + 0.1,
    lambda x: x[:, 0, 0] + x[..., 0].sum((1, 2))[:, None],
    lambda x: together(windows(x) + windows(x).flip(3) + drawn(4, 1, 3)),
    lambda x: x.unsqueeze(1) + drawn(3, 1, 1, 1),
    lambda x: x.mean((2, 3), keepdim=True) + drawn(1, 4, 2, 3),
)
add("add", lambda x: A.add.Scalar(x, 0.25), lambda x: A.add.Scalar(x, 2, 0.5))
for _name in ("sub", "subtract"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, x.amax((2, 3), keepdim=True)),
        lambda x, f=_function: f(x, drawn(4, 1, 3), alpha=2),
        lambda x, f=_function: f(drawn(4, 3), x, alpha=0.5),
        lambda x, f=_function: f(x, 0.3),
    )
add("rsub", lambda x: torch.rsub(x, 0.2), lambda x: torch.rsub(x, drawn(4, 3), alpha=2), lambda x: 1 - x)
add("neg", lambda x: -x)
add("negative", lambda x: torch.negative(x))
for _name in ("mul", "multiply"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, drawn(4, 1, 3)),
        lambda x, f=_function: f(drawn(3), x),
        lambda x, f=_function: f(x, 0.3),
        lambda x, f=_function: f(x, x.flip(2).sigmoid()),
        lambda x, f=_function: f(x.mean((2, 3), keepdim=True), x),
        lambda x, f=_function: f(x, x.mean(1, keepdim=True).expand_as(x)),
        lambda x, f=_function: f(x, x.flip(2)),
        lambda x, f=_function: f(x[:, :1], x[:, :, :1]),
        lambda x, f=_function: f(x, x),
        lambda x, f=_function: f(x, torch.tanh(x)),
        lambda x, f=_function: f(x.sigmoid(), x.tanh()),
        lambda x, f=_function: f(x, x > 0.1),
        lambda x, f=_function: f(x, x.flip(1) > 0.1),
        lambda x, f=_function: f(x[:, 0, 0, :, None], x[:, 0, 0, None, :]),
        lambda x, f=_function: together(f(windows(x), windows(x).flip(3).sigmoid())),
        lambda x, f=_function: together(f(windows(x), drawn(4, 1, 3))),
        lambda x, f=_function: f(x.flatten(1), x[:, :1, 0, 0].sigmoid()),
    )
for _name in ("div", "divide", "true_divide"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, drawn(4, 1, 3)),
        lambda x, f=_function: f(x, 4),
        lambda x, f=_function: f(drawn(1), positive(x)),
        lambda x, f=_function: f(x, positive(x.flip(1))),
        lambda x, f=_function: f(x, positive(x).sum((1, 2, 3), keepdim=True)),
        lambda x, f=_function: f(x, 1 + x.abs()),
        lambda x, f=_function: f(x[:, :1], positive(x)),
        lambda x, f=_function: f(x, x.norm(dim=1, keepdim=True)),
        lambda x, f=_function: together(f(windows(x), positive(windows(x)).mean((1, 2), keepdim=True))),
    )
add(
    "addcmul",
    lambda x: torch.addcmul(x, x.flip(1), drawn(4, 1, 3), value=0.5),
    lambda x: torch.addcmul(drawn(4, 3), x, x.sigmoid()),
    lambda x: torch.addcmul(x, drawn(3), drawn(4, 1), value=2),
    lambda x: torch.addcmul(x, drawn(3), x.flip(2)),
)
add(
    "addcdiv",
    lambda x: torch.addcdiv(x, x.flip(1), positive(drawn(4, 1, 3)), value=0.5),
    lambda x: torch.addcdiv(drawn(4, 3), x, positive(x.flip(2))),
    lambda x: torch.addcdiv(x, drawn(3), positive(drawn(4, 1)), value=2),
    lambda x: torch.addcdiv(x, drawn(3), positive(x.flip(3))),
)
add(
    "lerp",
    lambda x: torch.lerp(x, x.flip(1), 0.3),
    lambda x: torch.lerp(x, drawn(4, 4, 3), 0.3),
    lambda x: torch.lerp(drawn(4, 4, 3), x, drawn(3)),
    lambda x: torch.lerp(x, x.flip(1), x.flip(2).sigmoid()),
    lambda x: torch.lerp(drawn(4, 4, 3), drawn(4, 4, 3, seed=1), x),
)
for _name in ("mean", "sum"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, (2, 3)),
        lambda x, f=_function: f(x, (-1, 1), keepdim=True),
        lambda x, f=_function: f(x, 1),
        lambda x, f=_function: f(x, (1, 2, 3), keepdim=True)[..., 0, 0] * drawn(1, 3),
        lambda x, f=_function: torch.stack([f(image) for image in x])[:, None] * drawn(1, 3),
        lambda x, f=_function: together(f(windows(x), 1)),
        lambda x, f=_function: f(windows(x).reshape(-1, 2, 4, 2, 3), 1),
        lambda x, f=_function: f(rows(x), 1),
        lambda x, f=_function: f(rows(x), 2),
        lambda x, f=_function: f(x[:, 0, 0], -1, keepdim=True) * drawn(1, 3),
    )
add(
    "linalg_vector_norm",
    lambda x: torch.linalg.vector_norm(x, dim=1),
    lambda x: torch.linalg.vector_norm(x, 3, (2, 3), keepdim=True),
    lambda x: torch.linalg.vector_norm(x, 1, -1),
    lambda x: torch.linalg.vector_norm(x, torch.inf, (1, 2)),
    lambda x: x / torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True),
    lambda x: F.normalize(x, dim=1) + F.normalize(x, 1, (2, 3)),
)
add("norm", lambda x: A.norm.ScalarOpt_dim(x, 2, [1], True), lambda x: A.norm.ScalarOpt_dim(x, None, [2, 3]))
for _name in ("var", "std"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, (2, 3)),
        lambda x, f=_function: f(x, (-1, 1), unbiased=False, keepdim=True),
        lambda x, f=_function: f(x, 1, correction=0),
        lambda x, f=_function: f(x, 1, correction=2, keepdim=True),
        lambda x, f=_function: (x - x.mean(1, True)) / (f(x, 1, unbiased=False, keepdim=True) + 0.1),
        lambda x, f=_function: torch.stack([f(image) for image in x])[:, None] * drawn(1, 3),
        lambda x, f=_function: torch.stack([f(image, False) for image in x])[:, None] * drawn(1, 3),
    )
    _both = getattr(torch, f"{_name}_mean")
    add(
        f"{_name}_mean",
        lambda x, f=_both: f(x, (2, 3))[0] + 2 * f(x, (2, 3))[1],
        lambda x, f=_both: f(x, 1, correction=0, keepdim=True)[1] - x,
    )
add(
    "prod",
    lambda x: x.prod(1),
    lambda x: x.prod(-1, keepdim=True),
    lambda x: x.relu().flatten(1)[:, :5].prod(1, keepdim=True),
    lambda x: by_image(x, lambda image: image[0] + image[1:3, 0].prod()),
    lambda x: together(windows(x).prod(2)),
)
add(
    "cumprod",
    lambda x: x.cumprod(1),
    lambda x: x.cumprod(-1),
    lambda x: x.relu().flatten(1)[:, :5].cumprod(1),
    lambda x: together(windows(x).cumprod(2)),
)
add(
    "cumsum",
    lambda x: x.cumsum(1),
    lambda x: x.cumsum(-1),
    lambda x: x.flatten(1).cumsum(1),
    lambda x: together(windows(x).cumsum(2)),
)
add(
    "logsumexp",
    lambda x: torch.logsumexp(x, 1),
    lambda x: torch.logsumexp(x, (-1, 2), keepdim=True),
    lambda x: torch.logsumexp(20 * x, 3),
)

# --- element-wise functions ---------------------------------------------------------------

for _name in (
    *("sigmoid", "tanh", "erf", "erfc", "exp", "exp2", "expm1", "square", "sin", "cos", "sinh", "cosh"),
    *("atan", "asinh", "sinc", "abs", "sign", "sgn", "floor", "ceil", "round", "trunc", "frac", "i0"),
    *("nan_to_num", "relu"),
):
    add(_name, getattr(torch, _name))
for _name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma"):
    add(_name, lambda x, name=_name: getattr(torch, name)(positive(x)))
for _name in ("asin", "acos", "atanh", "erfinv", "tan"):
    add(_name, lambda x, name=_name: getattr(torch, name)(within(x)))
for _name in ("silu", "relu6", "hardswish", "hardsigmoid", "mish", "selu", "gelu", "elu", "celu"):
    add(_name, getattr(F, _name))
add("gelu", lambda x: F.gelu(x, approximate="tanh"))
add("elu", lambda x: F.elu(x, 0.6), lambda x: A.elu(x, 0.5, 1.5, 0.7))
add("hardtanh", lambda x: F.hardtanh(x, 0.1, 0.6), lambda x: F.hardtanh(x))
add("softplus", lambda x: F.softplus(x, 2.0, 3.0))
add("log_sigmoid", F.logsigmoid)
add("log_sigmoid_forward", lambda x: A.log_sigmoid_forward(x)[0])
add("softshrink", lambda x: F.softshrink(x, 0.2))
add("hardshrink", lambda x: F.hardshrink(x, 0.2))
add("threshold", lambda x: F.threshold(x, 0.2, -0.5))
add("leaky_relu", lambda x: F.leaky_relu(x, 0.3))
add("acosh", lambda x: torch.acosh(positive(x) + 1))
add("logit", lambda x: torch.logit(x.sigmoid()), lambda x: torch.logit(x.sigmoid(), 0.2))
for _name in ("clamp.Tensor", "clip.Tensor"):
    _function = getattr(torch, _name.split(".")[0])
    add(
        _name,
        lambda x, f=_function: f(x, x.flip(1) - 0.4, x.flip(2) + 0.4),
        lambda x, f=_function: f(x, x.mean((2, 3), keepdim=True), drawn(4, 1, 3)),
        lambda x, f=_function: f(x, drawn(3), x.flip(3)),
        lambda x, f=_function: f(drawn(4, 4, 3), x.flip(1), x.flip(2)),
        lambda x, f=_function: f(x, max=x.flip(1)),
    )
add(
    "clamp_min.Tensor",
    lambda x: torch.clamp_min(x, x.flip(1)),
    lambda x: torch.clamp_min(drawn(4, 4, 3), x),
    lambda x: torch.clamp_min(masked(x).amax(1), x[:, 1]),
)
add("clamp_max.Tensor", lambda x: torch.clamp_max(x, x.flip(1)), lambda x: torch.clamp_max(drawn(4, 3), x))
for _name in ("clamp", "clip"):
    _function = getattr(torch, _name)
    add(
        _name,
        lambda x, f=_function: f(x, -0.3, 0.5),
        lambda x, f=_function: f(x, min=0.1),
        lambda x, f=_function: f(x, max=drawn(4, 1, 3)),
        lambda x, f=_function: f(x, drawn(3) - 1, drawn(4, 1, 3) + 1),
    )
add("clamp_min", lambda x: torch.clamp_min(x, 0.2), lambda x: torch.clamp_min(x, drawn(4, 3)))
add("relu", lambda x: masked(x).amax(1).relu(), lambda x: F.relu6(-masked(x).amax((1, 3))))
add("clamp", lambda x: masked(x).amax(1).clamp(-0.2, 0.7), lambda x: masked(x).amax((1, 3)).clamp(min=0))
add("clamp_max", lambda x: torch.clamp_max(x, 0.2), lambda x: torch.clamp_max(x, drawn(4, 3)))
add(
    "pow",
    lambda x: x**3,
    lambda x: positive(x) ** 0.3,
    lambda x: 2**x,
    lambda x: positive(x) ** drawn(4, 3),
    lambda x: positive(drawn(4, 3)) ** x,
    lambda x: positive(x) ** -1.5,
)
add("float_power", lambda x: torch.float_power(positive(x), 1.3))
add("fmod", lambda x: torch.fmod(x, 0.3))
add("remainder", lambda x: torch.remainder(x, 0.3), lambda x: torch.remainder(x, positive(drawn(4, 3))))
add("special_expit", lambda x: A.special_expit(x))
add("atan2", lambda x: torch.atan2(x, drawn(4, 3)), lambda x: torch.atan2(drawn(1), x))
add("hypot", lambda x: torch.hypot(x, drawn(3)))
add("xlogy", lambda x: torch.xlogy(drawn(3), positive(x)), lambda x: torch.xlogy(x, 2.0))
add("special_xlogy", lambda x: A.special_xlogy(drawn(3), positive(x)))
add("logaddexp", lambda x: torch.logaddexp(x, drawn(4, 3)))
add("fmax", lambda x: torch.fmax(x, drawn(4, 3)))
add("fmin", lambda x: torch.fmin(x, drawn(4, 3)))
add("copysign", lambda x: torch.copysign(x, drawn(4, 3)))
add("rrelu", lambda x: F.rrelu(x, 0.1, 0.3))
add(
    "prelu",
    lambda x: F.prelu(x, drawn(4)),
    lambda x: F.prelu(x, drawn(1)),
    lambda x: F.prelu(rows(x), drawn(12)),
    lambda x: F.prelu(x.flatten(1), drawn(48)),
)
add("_prelu_kernel", lambda x: A._prelu_kernel(x, drawn(1, 4, 1, 1)))

# --- conditions, which are held ------------------------------------------------------------

for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    add(
        _name,
        lambda x, name=_name: x * getattr(torch, name)(x.flip(2), 0.1),
        lambda x, name=_name: torch.where(getattr(torch, name)(x, x.flip(1)), x, 2 * x),
    )
for _name in ("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"):
    add(_name, lambda x, name=_name: x * getattr(torch, name)(x > 0.1, x.flip(1) < 0.2))
for _name in ("logical_not", "bitwise_not"):
    add(_name, lambda x, name=_name: x * getattr(torch, name)(x > 0.1))
for _name in ("isnan", "isinf", "isfinite", "signbit"):
    add(_name, lambda x, name=_name: torch.where(getattr(torch, name)(x), x, 2 * x))
add("isclose", lambda x: x * torch.isclose(x, x.flip(1), 0.5))
add("heaviside", lambda x: x * torch.heaviside(x.flip(1), drawn(1)))
for _name in ("argmax", "argmin"):
    add(_name, lambda x, name=_name: x * getattr(torch, name)(x, 1, keepdim=True))
add("argsort", lambda x: x * x.argsort(1))
for _name in ("any", "all"):
    add(_name, lambda x, name=_name: x * getattr(torch, name)(x > 0.3, 1, keepdim=True))
add(
    "where",
    lambda x: torch.where(drawn(4, 3) > 0, x, x.flip(2)),
    lambda x: torch.where(drawn(4, 3) > 0, x, 0.5),
    lambda x: torch.where(drawn(4, 3) > 0, drawn(4, 1, 1), x),
    lambda x: torch.where(x > 0.2, x, -0.5),
    lambda x: torch.where(x > 0.2, drawn(4, 3), x.mean((2, 3), keepdim=True)),
    lambda x: torch.where(x[:, :1] > 0.2, x, x.flip(1)),
    lambda x: torch.where(x > 0.2, x[:, :1], x[:, :, :1]),
    lambda x: together(torch.where(windows(x) > 0.1, windows(x).flip(2), drawn(3))),
)
add(
    "masked_fill",
    lambda x: x.masked_fill(drawn(4, 3) > 0, 0.5),
    lambda x: x.masked_fill(x > 0.2, 0.5),
    lambda x: x.masked_fill(x.amax(1, keepdim=True) > 0.2, -1),
)

# --- elements moved ------------------------------------------------------------------------

add("view.default", lambda x: x.contiguous().view(len(x), 2, -1))
add("_unsafe_view", lambda x: A._unsafe_view(x, [len(x), -1]))
for _rule, _function in {
    "reshape": lambda x: x.reshape(len(x), 2, -1),
    "flatten": lambda x: x.flatten(1, 2),
    "unflatten": lambda x: x.unflatten(1, (2, -1)),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "squeeze": lambda x: x[:, :, :1].squeeze(2) + x[:, :, :1].squeeze((1, 2)),
    "view_as": lambda x: x.flatten(1).view_as(x),
    "reshape_as": lambda x: x.flatten(1).reshape_as(x),
    "squeeze_copy": lambda x: torch.squeeze_copy(x[:, :1], 1),
    "unsqueeze_copy": lambda x: torch.unsqueeze_copy(x, 1),
    "view_copy": lambda x: torch.view_copy(x, (len(x), -1)),
    "_reshape_alias": lambda x: A._reshape_alias(x, [len(x), 48], [48, 1]),
    "_reshape_copy": lambda x: A._reshape_copy(x, [len(x), 48]),
    "ravel": lambda x: torch.stack([image.ravel() for image in x]),
    "atleast_1d": lambda x: torch.atleast_1d(x),
    "atleast_2d": lambda x: torch.atleast_2d(x),
    "atleast_3d": lambda x: torch.atleast_3d(x),
    "permute": lambda x: x.permute(0, -1, 1, 2),
    "permute_copy": lambda x: torch.permute_copy(x, (0, 3, 1, 2)),
    "transpose": lambda x: x.transpose(-1, 1) ** 1,
    "transpose_copy": lambda x: torch.transpose_copy(x, 1, 2),
    "swapaxes": lambda x: x.swapaxes(2, 3),
    "swapdims": lambda x: x.swapdims(1, 2),
    "t": lambda x: torch.stack([image.flatten(1).t() for image in x]),
    "t_copy": lambda x: torch.stack([A.t_copy(image.flatten(1)) for image in x]),
    "numpy_T": lambda x: torch.stack([image.flatten(1).T for image in x]),
    "mT": lambda x: x.mT,
    "adjoint": lambda x: x.adjoint(),
    "movedim": lambda x: x.movedim((1, 2), (3, 1)),
    "moveaxis": lambda x: x.moveaxis(1, -1),
    "expand": lambda x: x[:, :1].expand(-1, 3, -1, -1),
    "expand_copy": lambda x: torch.expand_copy(x[:, :1], [-1, 3, -1, -1]),
    "expand_as": lambda x: x[:, :1].expand_as(x),
    "broadcast_to": lambda x: x[:, None].broadcast_to(len(x), 2, 4, 4, 3),
    "concat": lambda x: torch.concat([x, x.flip(1)], 2),
    "concatenate": lambda x: torch.concatenate([x, drawn(1, 4, 4, 1).expand(len(x), -1, -1, -1)], 3),
    "split": lambda x: x.split(3, 1)[1] - x.split(1, 1)[0],
    "split_with_sizes": lambda x: x.split([1, 3], 2)[1],
    "chunk": lambda x: x.chunk(2, -1)[1],
    "tensor_split": lambda x: x.tensor_split(3, 1)[0][:, :1] - x.tensor_split([1, 3], 1)[1][:, :1],
    "split_copy": lambda x: torch.split_copy(x, 2, 1)[1],
    "split_with_sizes_copy": lambda x: torch.split_with_sizes_copy(x, [1, 3], 1)[1],
    "unsafe_split": lambda x: torch.unsafe_split(x, 2, 1)[1],
    "unsafe_chunk": lambda x: torch.unsafe_chunk(x, 2, 1)[1],
    "unsafe_split_with_sizes": lambda x: torch.unsafe_split_with_sizes(x, [1, 3], 1)[1],
    "unbind": lambda x: x.unbind(-1)[1] - x.unbind(2)[0][..., :1],
    "unbind_copy": lambda x: torch.unbind_copy(x, 1)[2],
    "select": lambda x: x.select(1, -2) * 2,
    "select_copy": lambda x: torch.select_copy(x, 1, -2),
    "narrow": lambda x: x.narrow(1, -3, 2),
    "narrow_copy": lambda x: torch.narrow_copy(x, 2, 1, 2),
    "slice": lambda x: x[:, 1:-1, ::3, -2:],
    "slice_copy": lambda x: torch.slice_copy(x, 1, -3, 100, 2),
    "roll": lambda x: x.roll((1, -2), (3, 1)) + x.flatten(1).roll(5, 1).view_as(x),
    "flip": lambda x: x.flip((1, -1)),
    "fliplr": lambda x: torch.fliplr(x),
    "flipud": lambda x: torch.stack([torch.flipud(image) for image in x]),
    "rot90": lambda x: torch.rot90(x, 3, (1, 3)),
    "tril": lambda x: x.tril(-1),
    "triu": lambda x: x.triu(),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x[..., :2], 2),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 2),
    "native_channel_shuffle": lambda x: torch.native_channel_shuffle(x, 2),
    "unfold": lambda x: x.unfold(2, 3, 1).unfold(3, 2, 1),
    "unfold_copy": lambda x: torch.unfold_copy(x, 2, 2, 2),
    "im2col": lambda x: F.unfold(x, (2, 3), (1, 1), (1, 0), (2, 1)),
    "index_select": lambda x: x.index_select(2, torch.tensor([3, 0, 0])),
    "gather": lambda x: x.gather(1, (torch.arange(12).reshape(1, 1, 4, 3) % 4).expand(len(x), 2, -1, -1)),
    "take": lambda x: torch.stack([image.take(torch.tensor([[3, 40], [3, 7]])) for image in x]),
    "take_along_dim": lambda x: x.take_along_dim(torch.tensor([[[[2], [0], [1], [1]]]]), 3),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "tile": lambda x: x.tile((2, 1)),
    "repeat_interleave.self_int": lambda x: x.repeat_interleave(2, 1),
    "repeat_interleave.self_Tensor": lambda x: x.repeat_interleave(torch.tensor([1, 2, 0, 1]), 1),
    "diagonal": lambda x: x.diagonal(0, 1, 2) * 1.5,
    "diagonal_copy": lambda x: torch.diagonal_copy(x, 1, 2, 3),
    "diagonal_scatter": lambda x: x.diagonal_scatter(2 * x.diagonal(0, 1, 2), 0, 1, 2),
    "diag_embed": lambda x: torch.diag_embed(x, 1),
    "as_strided": lambda x: x.contiguous().as_strided((len(x), 5, 3), (48, 7, 2), 1),
    "reflection_pad1d": lambda x: A.reflection_pad1d(line(x), [3, 1]),
    "reflection_pad2d": lambda x: A.reflection_pad2d(x, [2, 0, 1, 3]),
    "reflection_pad3d": lambda x: A.reflection_pad3d(volume(x), [2, 1, 0, 1, 1, 2]),
    "replication_pad1d": lambda x: A.replication_pad1d(line(x), [3, 1]),
    "replication_pad2d": lambda x: A.replication_pad2d(x, [2, 0, 1, 5]),
    "replication_pad3d": lambda x: A.replication_pad3d(volume(x), [2, 1, 0, 1, 1, 2]),
    "constant_pad_nd": lambda x: A.constant_pad_nd(x, [1, -1, 0, 2], 0.7),
    "pad": lambda x: (
        F.pad(x, (1, 0, 0, 0), "reflect")[:, :, :, :3] + F.pad(x, (1, -1, -1, 1, 1, -1), value=-0.4)
    ),
    "_pad_circular": lambda x: A._pad_circular(x, [1, 2, 0, 3]),
    "select_scatter": lambda x: x.select_scatter(drawn(1, 4, 3).expand(len(x), -1, -1), 1, 2),
    "slice_scatter": lambda x: x.slice_scatter(x[:, :2] * 2, 1, 1, 4, 2),
    "index_copy": lambda x: x.index_copy(1, torch.tensor([2, 0]), x[:, 1:3] * 2),
    "index_fill": lambda x: x.index_fill(2, torch.tensor([1, 3]), 0.4),
    "scatter": lambda x: x.scatter(
        1, torch.arange(12).reshape(1, 1, 4, 3).expand(len(x), -1, -1, -1) % 4, x[:, 1:2] * 2
    ),
    "copy": lambda x: A.copy(x, x[:, :1]),
    "fill": lambda x: x + A.fill(x, 0.5),
    "zero": lambda x: x + A.zero(x),
    "hstack": lambda x: torch.hstack([x, x * 2]),
    "vstack": lambda x: torch.stack([torch.vstack([image, image[:1]]) for image in x]),
    "dstack": lambda x: torch.dstack([x, x[:, :, 1:]]),
    "column_stack": lambda x: torch.column_stack([x.flatten(1), x[:, :, 0, 0]]),
    "block_diag": lambda x: torch.stack([torch.block_diag(image[0], image[1, :2]) for image in x]),
    "select_backward": lambda x: A.select_backward(x[:, 0], [len(x), 3, 4, 3], 1, 1),
    "slice_backward": lambda x: A.slice_backward(x[:, :2], [len(x), 5, 4, 3], 1, 1, 5, 2),
    "_unsafe_index": lambda x: A._unsafe_index(x, [None, torch.tensor([3, 1])]),
    "upsample_nearest1d": lambda x: F.interpolate(line(x), 7) + F.interpolate(line(x), scale_factor=7 / 12),
    "upsample_nearest2d": lambda x: F.interpolate(x, (7, 2)),
    "upsample_nearest3d": lambda x: F.interpolate(volume(x), scale_factor=(1.5, 2, 1)),
    "_upsample_nearest_exact1d": lambda x: F.interpolate(line(x), 7, mode="nearest-exact"),
    "_upsample_nearest_exact2d": lambda x: F.interpolate(x, scale_factor=(1.3, 2.6), mode="nearest-exact"),
    "_upsample_nearest_exact3d": lambda x: F.interpolate(volume(x), (3, 3, 5), mode="nearest-exact"),
    "upsample_linear1d": lambda x: F.interpolate(line(x), 7, mode="linear"),
    "upsample_trilinear3d": lambda x: F.interpolate(volume(x), (3, 4, 2), mode="trilinear"),
}.items():
    add(_rule, _function)
add(
    "cat",
    lambda x: torch.cat([x, x.flip(3)], 1),
    lambda x: torch.cat([x, drawn(1, 4, 2, 3).expand(len(x), -1, -1, -1), x], -2),
    lambda x: torch.cat([drawn(1, 1, 4).expand(len(x), -1, -1), rows(x)], 1),
    lambda x: torch.cat([rows(x), rows(x)[..., :2]], 2) * drawn(12, 1),
    lambda x: torch.cat([F.layer_norm(rows(x), (4,)), drawn(1, 2, 4).expand(len(x), -1, -1)], 1),
    lambda x: torch.cat([x.flatten(1), torch.zeros(len(x), 2, dtype=torch.float64), x[:, 0, 0]], 1),
    lambda x: together(torch.cat([windows(x), windows(x).flip(2)], 1)),
    lambda x: torch.cat([x, x.new_zeros(len(x), 4, 4, 0)], 3),
)
add(
    "stack",
    lambda x: torch.stack([x, x.flip(1)], 1),
    lambda x: torch.stack([x[:, 0], drawn(1, 4, 3).expand(len(x), -1, -1)], -1),
)
add(
    "index.Tensor",
    lambda x: x[:, torch.tensor([3, 0, 3])],
    lambda x: x[:, torch.tensor([0, 1]), torch.tensor([[2], [3]])],
    lambda x: x[..., torch.tensor([True, False, True])],
    lambda x: x[:, torch.tensor([1, 0]), :, torch.tensor([2, 1])].transpose(0, 1),
)
add(
    "index_put",
    lambda x: x.index_put((torch.arange(len(x))[:, None], torch.tensor([[1, 3]])), drawn(4, 3)),
    lambda x: written(x),
)
add("flatten_dense_tensors", lambda x: torch.stack([A.flatten_dense_tensors([i[0], i[2:]]) for i in x]))


def written(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, [0, 2]] = x[:, [1, 1]] * 3
    return y


for _mode, _name in (("bilinear", "upsample_bilinear2d"), ("bicubic", "upsample_bicubic2d")):
    add(
        _name,
        lambda x, m=_mode: F.interpolate(x, (7, 2), mode=m),
        lambda x, m=_mode: F.interpolate(x, (3, 5), mode=m, align_corners=True),
        lambda x, m=_mode: F.interpolate(x, scale_factor=1.7, mode=m),
        lambda x, m=_mode: F.interpolate(x, scale_factor=1.7, mode=m, recompute_scale_factor=True),
        lambda x, m=_mode: together(F.interpolate(windows(x), (3, 5), mode=m)),
    )
    add(f"_{_name}_aa", lambda x, m=_mode: F.interpolate(x, (3, 2), mode=m, antialias=True))
add("upsample_linear1d", lambda x: F.interpolate(line(x), scale_factor=0.6, mode="linear"))
add(
    "upsample_trilinear3d",
    lambda x: F.interpolate(volume(x), (3, 1, 5), mode="trilinear", align_corners=True),
)
add(
    "permute",
    lambda x: rows(x).permute(1, 0, 2).permute(1, 2, 0),
    lambda x: windows(x).permute(1, 2, 3, 0).reshape(4, 2, 3, -1, 2).permute(3, 0, 1, 4, 2),
)
add("unfold", lambda x: x.unfold(1, 3, 2))


def asserted(x: Tensor) -> Tensor:
    torch._assert_async((x < 1000).all(), "too large")
    return x + 1


def grid(x: Tensor) -> Tensor:
    return drawn(1, 3, 5, 2).expand(len(x), -1, -1, -1)


def folded(x: Tensor) -> Tensor:
    return F.fold(x.reshape(len(x), 8, 6), (4, 3), (2, 2), 1, (0, 0), (1, 1))


add("hypot", lambda x: torch.hypot(x, x.flip(1)))
add("logaddexp", lambda x: torch.logaddexp(x, x.flip(2) + 1))
add("_trilinear", lambda x: F.bilinear(x, x.flip(1), drawn(2, 3, 3), drawn(2)))
add(
    "col2im",
    lambda x: F.fold(x.reshape(len(x), 4, 12), (4, 5), 2),
    folded,
)
add(
    "index_add",
    lambda x: x.index_add(1, torch.tensor([2, 0, 2]), x[:, 1:] * 2, alpha=0.5),
    lambda x: torch.index_add(drawn(1, 4, 2, 3).expand(len(x), -1, -1, -1), 2, torch.tensor([0, 1, 1, 0]), x),
)
add(
    "scatter_add",
    lambda x: x.scatter_add(
        2, (torch.arange(24).reshape(1, 4, 2, 3) * 7 % 4).expand(len(x), -1, -1, -1), x[:, :, :2]
    ),
)
add("grid_sampler_2d", lambda x: A.grid_sampler_2d(x, grid(x), 0, 1, True))
add(
    "fake_quantize_per_tensor_affine_cachemask",
    lambda x: A.fake_quantize_per_tensor_affine_cachemask(x, 0.1, 3, -20, 30)[0],
)
add(
    "grid_sampler",
    lambda x: F.grid_sample(x, grid(x), align_corners=False),
    lambda x: F.grid_sample(x, grid(x), "nearest", "border", True),
    lambda x: F.grid_sample(x, torch.tanh(rows(x)).reshape(-1, 4, 6, 2), "bilinear", "reflection", False),
)
add("cdist", lambda x: torch.cdist(rows(x), drawn(1, 5, 4).expand(len(x), -1, -1)))
add("_cdist_forward", lambda x: A._cdist_forward(rows(x), rows(x) * 2 + 1, 1.5, None))
add("_euclidean_dist", lambda x: A._euclidean_dist(rows(x), rows(x) * 2 + 1))
add(
    "fake_quantize_per_tensor_affine",
    lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -20, 30),
)


# --- what does nothing ---------------------------------------------------------------------

for _rule, _function in {
    "clone": lambda x: x.clone(),
    "contiguous": lambda x: x.transpose(1, 2).contiguous(),
    "dropout": lambda x: F.dropout(x, 0.5, False),
    "feature_dropout": lambda x: F.dropout2d(x, 0.5, False),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.5, False),
    "feature_alpha_dropout": lambda x: F.feature_alpha_dropout(x, 0.5, False),
    "native_dropout": lambda x: torch.native_dropout(x, 0.5, False)[0],
    "positive": lambda x: +x,
    "resolve_conj": lambda x: x.resolve_conj(),
    "resolve_neg": lambda x: x.resolve_neg(),
    "alias": lambda x: A.alias(x),
    "detach_copy": lambda x: x + 0 * torch.detach_copy(x),
    "detach": lambda x: x + 0 * x.detach(),
    "lift_fresh_copy": lambda x: A.lift_fresh_copy(x),
    "to": lambda x: x.to(torch.float64),
    "_to_copy": lambda x: A._to_copy(x, dtype=torch.float64),
    "type_as": lambda x: x.type_as(drawn(1)),
    "zeros_like": lambda x: x + torch.zeros_like(x),
    "ones_like": lambda x: x + torch.ones_like(x[:, :1]),
    "full_like": lambda x: x * torch.full_like(x, 0.3),
    "empty_like": lambda x: torch.cat([x, torch.empty_like(x[:, :0])], 1),
    "new_zeros": lambda x: torch.cat([x, x.new_zeros(len(x), 1, 4, 3)], 1),
    "new_ones": lambda x: x + x.new_ones(3),
    "new_full": lambda x: x * x.new_full((4, 1), 0.3),
    "new_empty": lambda x: torch.cat([x, x.new_empty(len(x), 0, 4, 3)], 1),
}.items():
    add(_rule, _function)
add("_autocast_to_full_precision", lambda x: A._autocast_to_full_precision(x, True, True))
add("_autocast_to_reduced_precision", lambda x: A._autocast_to_reduced_precision(x, 0, 0, 15, 15))
add("_assert_tensor_metadata", lambda x: x.to(torch.float64))
add("_assert_async", asserted)
