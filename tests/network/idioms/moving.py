"""Elements moved, copied, summed: reshapes, slices, padding, stacking."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import add, dense, idiom

Move = Callable[[Tensor], Tensor]


class Between(nn.Module):
    """A convolution, something that moves its elements, a dense layer."""

    def __init__(self, move: Move) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.move = move
        self.fc = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.move(F.relu(self.conv(x))).flatten(1))


MOVES: dict[str, Move] = {
    "ellipsis_stride": lambda x: x[..., ::2],
    "negative_slices": lambda x: x[:, :, 1:-1, -3:],
    "strided_both": lambda x: x[:, ::2, 1::2, ::3],
    "one_channel": lambda x: x[:, 1],
    "none_index": lambda x: x[:, None, 2:, 0],
    "list_index": lambda x: x[:, [2, 0, 0, 3]],
    "tensor_index": lambda x: x[:, torch.tensor([1, 3])],
    "mask_index": lambda x: x[:, torch.tensor([True, False, True, True])],
    "two_lists": lambda x: x[:, :, [0, 1, 2], [3, 4, 0]],
    "upper_triangle": lambda x: x[:, :, *torch.triu_indices(6, 6)],
    "index_select": lambda x: torch.index_select(x, 2, torch.tensor([4, 1])),
    "gather": lambda x: torch.gather(x, 1, torch.tensor([2, 0]).view(1, 2, 1, 1).expand(x.shape[0], 2, 6, 6)),
    "take_along": lambda x: torch.take_along_dim(x, torch.arange(5, -1, -1).view(1, 1, 1, 6), 3),
    "narrow": lambda x: x.narrow(2, 1, 3),
    "select": lambda x: x.select(1, 2),
    "roll": lambda x: torch.roll(x, shifts=(1, -2), dims=(2, 3)),
    "flip": lambda x: torch.flip(x, [2, 3]),
    "rot90": lambda x: torch.rot90(x, 1, [2, 3]),
    "unfold_tensor": lambda x: x.unfold(2, 3, 2).unfold(3, 3, 2),
    "unfold_im2col": lambda x: F.unfold(x, 3, padding=1, stride=2),
    "fold_back": lambda x: F.fold(F.unfold(x, 2, stride=2), (6, 6), 2, stride=2),
    "fold_overlapping": lambda x: F.fold(F.unfold(x, 3, padding=1), (6, 6), 3, padding=1),
    "cumsum": lambda x: x.cumsum(3),
    "cumsum_flipped": lambda x: x.flip(2).cumsum(2).flip(2),
    "expand": lambda x: x.mean(1, keepdim=True).expand(-1, 5, -1, -1),
    "expand_as": lambda x: x[:, :1].expand_as(x) + x,
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
    "repeat_new_dimension": lambda x: x.repeat(1, 1, 2, 3),
    "tile": lambda x: torch.tile(x, (1, 2, 1, 1)),
    "repeat_interleave": lambda x: x.repeat_interleave(2, dim=1),
    "stack": lambda x: torch.stack([x, x.roll(1, 1)], dim=2),
    "stack_mean": lambda x: torch.stack([x, x[:, [3, 2, 1, 0]]], dim=1).mean(1),
    "unbind": lambda x: torch.cat([part * (i + 1) for i, part in enumerate(x.unbind(1))], 1),
    "chunk": lambda x: torch.cat([x.chunk(2, 1)[1], x.chunk(2, 1)[0]], 1),
    "split_sizes": lambda x: torch.cat([2 * part for part in torch.split(x, [1, 3], dim=1)], 2 - 1),
    "tensor_split": lambda x: torch.cat(torch.tensor_split(x, 3, dim=3)[::-1], 3),
    "hsplit": lambda x: torch.cat([x.hsplit(2)[0], x.hsplit(2)[1] * 2], 1),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "movedim": lambda x: torch.movedim(x, 1, -1),
    "transpose": lambda x: x.transpose(1, 3).contiguous(),
    "swapaxes": lambda x: x.swapaxes(2, 3),
    "mT": lambda x: x.mT,
    "channels_last": lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4).permute(0, 2, 1),
    "unflatten": lambda x: x.unflatten(1, (2, 2)).sum(2),
    "reshape_patches": lambda x: (
        x.reshape(x.shape[0], 4, 3, 2, 3, 2).permute(0, 2, 4, 3, 5, 1).flatten(3).sum(3)
    ),
    "windows_and_back": lambda x: (
        x.view(x.shape[0], 4, 2, 3, 2, 3)
        .permute(0, 2, 4, 1, 3, 5)
        .reshape(-1, 4, 3, 3)
        .flip(3)
        .view(x.shape[0], 2, 2, 4, 3, 3)
        .permute(0, 3, 1, 4, 2, 5)
        .reshape(x.shape[0], 4, 6, 6)
    ),
    "squeeze_pair": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze((2, 3)),
    "squeeze_twice": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 2),
    "channel_shuffle_by_hand": lambda x: (
        x.view(x.size(0), 2, x.size(1) // 2, x.size(2), x.size(3))
        .transpose(1, 2)
        .contiguous()
        .view(x.size(0), -1, x.size(2), x.size(3))
    ),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "space_to_depth": lambda x: torch.cat(
        [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1
    ),
    "pad_negative": lambda x: F.pad(x, (-1, 1, 0, -2)),
    "pad_value": lambda x: F.pad(x, (1, 2), value=0.7),
    "pad_reflect": lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"),
    "pad_replicate": lambda x: F.pad(x, (2, 1, 1, 2), mode="replicate"),
    "pad_circular": lambda x: F.pad(x, (2, 1, 1, 2), mode="circular"),
    "constant_pad_module": nn.ConstantPad2d((1, 0, 2, 1), 0.5),
    "shortcut_option_a": lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2), "constant", 0),
    "cat_with_zeros": lambda x: torch.cat([x, torch.zeros_like(x[:, :1]), torch.ones_like(x[:, :1])], 1),
    "cat_of_stretched": lambda x: torch.cat([x, x.amax((2, 3), keepdim=True).expand(-1, -1, 6, 6)], 1),
    "hstack": lambda x: torch.hstack([x, 2 * x]),
    "dstack": lambda x: torch.dstack([x, x]),
    "diagonal": lambda x: torch.diagonal(x, dim1=2, dim2=3),
    "trace_of_map": lambda x: torch.einsum("ncii->nc", x),
    "tril": lambda x: torch.tril(x),
    "masked_fill": lambda x: x.masked_fill(torch.ones(6, 6).triu().bool(), 0.25),
    "mean_of_dims": lambda x: x.mean([1, 3]),
    "mean_all_but_batch": lambda x: torch.stack([x.mean((1, 2, 3)), x.sum((1, 2, 3)) / 50], 1),
    "shift_channels": lambda x: torch.cat([x[:, :2].roll(1, 2), F.pad(x[:, 2:], (1, 0))[..., :-1]], 1),
    "difference_of_neighbours": lambda x: torch.diff(x, dim=3),
    "constant_matrix": lambda x: torch.arange(36, dtype=x.dtype).view(6, 6).div(36) @ x,
    "by_position": lambda x: x * torch.linspace(0, 1, 6, dtype=x.dtype).view(1, 1, 6, 1),
    "kron_upsample": lambda x: (
        x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2).reshape(x.shape[0], 4, 12, 12)
    ),
    "atleast_and_view_as": lambda x: torch.atleast_3d(x).view_as(x),
    "flat_rows_stacked": lambda x: torch.stack([row.flatten(1) for row in x.unbind(1)], 1),
    "scatter_constant": lambda x: torch.zeros_like(x).scatter(
        1, torch.tensor([3, 1, 0, 2]).view(1, 4, 1, 1).expand_as(x), x
    ),
    "index_add": lambda x: torch.zeros_like(x[:, :2]).index_add(1, torch.tensor([0, 1, 1, 0]), x),
    "as_strided_columns": lambda x: x.flatten(2)[..., torch.arange(0, 36, 7)],
}
for _name, _move in MOVES.items():
    add("moving", _name, (3, 6, 6), lambda move=_move: Between(move))


@idiom(3, 8, 8)
class PatchEmbedding(nn.Module):
    """ViT's and MLP-Mixer's patches: a strided convolution, flattened, transposed; a token mixing layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 4, stride=4)
        self.tokens = nn.Linear(4, 4)
        self.channels = nn.Linear(6, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = x + F.gelu(self.tokens(x.transpose(1, 2))).transpose(1, 2)
        x = x + F.gelu(self.channels(x))
        return self.fc(x.mean(1))


@idiom(3, 8, 8)
class ClassToken(nn.Module):
    """A learnt token before the patches, and positions added."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.positions = nn.Parameter(torch.randn(1, 5, 6))
        self.mix = nn.Linear(5, 5)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        x = x + F.relu(self.mix(x.transpose(1, 2))).transpose(1, 2)
        return self.fc(x[:, 0])


@idiom(2, 8, 8)
class TwoViews(nn.Module):
    """Both channels through the same branch, as a batch of twice as many grey images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        x = F.relu(self.conv(x.reshape(n * 2, 1, 8, 8))).mean((2, 3))
        return self.fc(x.reshape(n, -1))


@idiom(3, 8, 8)
class Siamese(nn.Module):
    """The image's halves through one branch, their difference classified."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), dense(4, 5))
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x[..., :4], x[..., 4:]
        return self.fc(torch.abs(self.branch(left) - self.branch(right)))


@idiom(3, 8, 8)
class FourierMixing(nn.Module):
    """A fixed orthogonal transform by a constant matrix on both sides (as FNet would)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.linalg.qr(torch.randn(8, 8))[0])
        self.conv = nn.Conv2d(3, 4, 1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.basis @ x @ self.basis.t()
        return self.head(F.relu(self.conv(x)))
