"""Attention: of channels, of space, of tokens."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom


class Stem(nn.Module):
    """A convolution before and a head behind what a subclass does with (N, 4, 6, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = dense(4)

    def attend(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attend(F.relu(self.conv(x))))


@idiom(3, 6, 6)
class SqueezeExcitation(Stem):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(4, 2, bias=False), nn.ReLU(True), nn.Linear(2, 4, bias=False))

    def attend(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        y = F.adaptive_avg_pool2d(x, 1).view(b, c)
        y = torch.sigmoid(self.fc(y)).view(b, c, 1, 1)
        return x * y.expand_as(x)


@idiom(3, 6, 6)
class EfficientChannelAttention(Stem):
    """ECA: a convolution along the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def attend(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(x, 1)
        y = self.mix(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * torch.sigmoid(y).expand_as(x)


@idiom(3, 6, 6)
class Cbam(Stem):
    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1))
        self.space = nn.Conv2d(2, 1, 7, padding=3)

    def attend(self, x: Tensor) -> Tensor:
        average, largest = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
        x = x * torch.sigmoid(self.mlp(average) + self.mlp(largest))
        pooled = torch.cat([torch.mean(x, 1, keepdim=True), torch.max(x, 1, keepdim=True)[0]], 1)
        return x * torch.sigmoid(self.space(pooled))


@idiom(3, 6, 6)
class ConcurrentScSe(Stem):
    def __init__(self) -> None:
        super().__init__()
        self.channel, self.space = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 1, 1)

    def attend(self, x: Tensor) -> Tensor:
        return x * self.channel(x.mean((2, 3), True)).sigmoid() + x * self.space(x).sigmoid()


@idiom(3, 6, 6)
class SimAm(Stem):
    """Attention without parameters, from each map's variance."""

    def attend(self, x: Tensor) -> Tensor:
        n = x.shape[2] * x.shape[3] - 1
        squared = (x - x.mean(dim=[2, 3], keepdim=True)).pow(2)
        y = squared / (4 * (squared.sum(dim=[2, 3], keepdim=True) / n + 1e-4)) + 0.5
        return x * torch.sigmoid(y)


@idiom(3, 6, 6)
class Triplet(Stem):
    """Attention over each pair of dimensions, by permuting."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.ModuleList([nn.Conv2d(2, 1, 3, padding=1) for _ in range(3)])

    def gate(self, number: int, x: Tensor) -> Tensor:
        pooled = torch.cat([x.max(1, keepdim=True)[0], x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.gates[number](pooled))

    def attend(self, x: Tensor) -> Tensor:
        first = self.gate(0, x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)
        second = self.gate(1, x.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)
        return (first + second + self.gate(2, x)) / 3


@idiom(3, 6, 6)
class CoordinateAttention(Stem):
    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2), nn.Hardswish())
        self.down, self.along = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 1)

    def attend(self, x: Tensor) -> Tensor:
        _, _, h, w = x.size()
        rows = x.mean(3, keepdim=True)
        columns = x.mean(2, keepdim=True).permute(0, 1, 3, 2)
        y = self.shared(torch.cat([rows, columns], dim=2))
        rows, columns = torch.split(y, [h, w], dim=2)
        return x * self.down(rows).sigmoid() * self.along(columns.permute(0, 1, 3, 2)).sigmoid()


@idiom(3, 6, 6)
class SelectiveKernel(Stem):
    """Two branches weighed by a softmax over them."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Conv2d(4, 4, k, padding=k // 2) for k in (1, 3)])
        self.squeeze = nn.Linear(4, 3)
        self.select = nn.ModuleList([nn.Linear(3, 4) for _ in range(2)])

    def attend(self, x: Tensor) -> Tensor:
        both = torch.stack([F.relu(branch(x)) for branch in self.branches], 1)
        z = F.relu(self.squeeze(both.sum(1).mean((-1, -2))))
        weights = torch.stack([fc(z) for fc in self.select], 1).softmax(1)
        return (both * weights[..., None, None]).sum(1)


@idiom(3, 6, 6)
class ResidualAttention(Stem):
    """``(1 + mask) * trunk``, with a mask from a bottom-up, top-down branch."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.down, self.mask = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def attend(self, x: Tensor) -> Tensor:
        mask = F.relu(self.down(F.max_pool2d(x, 2)))
        mask = F.interpolate(mask, size=x.shape[2:], mode="bilinear", align_corners=False)
        return (1 + torch.sigmoid(self.mask(mask))) * F.relu(self.trunk(x))


@idiom(3, 6, 6)
class GlobalContext(Stem):
    """GCNet: one softmax over space, pooled context added."""

    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Conv2d(4, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(4, 2, 1), nn.LayerNorm([2, 1, 1]), nn.ReLU(), nn.Conv2d(2, 4, 1)
        )

    def attend(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        weights = F.softmax(self.key(x).view(n, 1, h * w), dim=2).unsqueeze(-1)
        context = torch.matmul(x.view(n, 1, c, h * w), weights).view(n, c, 1, 1)
        return x + self.transform(context)


@idiom(3, 6, 6)
class NonLocal(Stem):
    """Self-attention over positions, by hand; SAGAN's with a learnt gamma."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 4, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def attend(self, x: Tensor) -> Tensor:
        b, c, h, w = x.size()
        query = self.query(x).view(b, -1, h * w).permute(0, 2, 1)
        key = self.key(x).view(b, -1, h * w)
        pattern = torch.bmm(query, key).softmax(dim=-1)
        value = self.value(x).view(b, -1, h * w)
        out = torch.bmm(value, pattern.permute(0, 2, 1)).view(b, c, h, w)
        return self.gamma * out + x


@idiom(3, 6, 6)
class ChannelSelfAttention(Stem):
    """DANet's and XCiT's: channels attend to channels."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def attend(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        energy = flat @ flat.transpose(1, 2)
        energy = energy.max(-1, keepdim=True)[0].expand_as(energy) - energy
        return x + self.gamma * (energy.softmax(-1) @ flat).view_as(x)


class Tokens(nn.Module):
    """Patches as tokens, what a subclass does with (N, 9, 8), a mean, a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, stride=2)
        self.fc = nn.Linear(8, 3)

    def mix(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        return self.fc(self.mix(x).mean(1))


@idiom(3, 6, 6)
class SelfAttentionByHand(Tokens):
    """Several heads; one ``qkv`` layer, as timm and nanoGPT have it."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)

    def mix(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        pattern = (q @ k.transpose(-2, -1) * (c // 2) ** -0.5).softmax(dim=-1)
        return x + self.proj((pattern @ v).transpose(1, 2).reshape(b, n, c))


@idiom(3, 6, 6)
class SelfAttentionEinsum(Tokens):
    """lucidrains' spelling."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_kv = nn.Linear(8, 8, bias=False), nn.Linear(8, 16, bias=False)
        self.out = nn.Linear(8, 8)

    def mix(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q = self.to_q(x).view(b, n, 2, 4).transpose(1, 2)
        k, v = (t.view(b, n, 2, 4).transpose(1, 2) for t in self.to_kv(x).chunk(2, dim=-1))
        dots = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(4)
        out = torch.einsum("bhij,bhjd->bhid", dots.softmax(-1), v)
        return x + self.out(out.transpose(1, 2).reshape(b, n, -1))


@idiom(3, 6, 6)
class FusedAttention(Tokens):
    """``F.scaled_dot_product_attention``."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

    def mix(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (layer(x).view(b, n, 2, 4).transpose(1, 2) for layer in (self.q, self.k, self.v))
        return x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


@idiom(3, 6, 6)
class CausalAttention(Tokens):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


@idiom(3, 6, 6)
class MultiheadAttention(Tokens):
    """``nn.MultiheadAttention``; its weights are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def mix(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        out, _ = self.attention(y, y, y)
        return x + out


@idiom(3, 6, 6)
class MultiheadWithoutWeights(Tokens):
    """Sequence first, ``need_weights=False``."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 4)

    def mix(self, x: Tensor) -> Tensor:
        y = x.transpose(0, 1)
        y = y + self.attention(y, y, y, need_weights=False)[0]
        return y.transpose(0, 1)


@idiom(3, 6, 6)
class EncoderLayer(Tokens):
    """``nn.TransformerEncoderLayer``, whose fast path runs in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, batch_first=True)

    def mix(self, x: Tensor) -> Tensor:
        return self.layer(x)


@idiom(3, 6, 6)
class Encoder(Tokens):
    """A stack of them, GELU, norm first."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)

    def mix(self, x: Tensor) -> Tensor:
        return self.encoder(x)


@idiom(3, 6, 6)
class DecoderQueries(Tokens):
    """DETR's: learnt queries attend to the image."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, 2, 8))
        self.layer = nn.TransformerDecoderLayer(8, 2, 12, batch_first=True)

    def mix(self, x: Tensor) -> Tensor:
        return self.layer(self.queries.expand(x.shape[0], -1, -1), x)


@idiom(3, 6, 6)
class RotaryAttention(Tokens):
    """Rotary positions by sin and cos of a constant grid."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24, bias=False)

    def rotate(self, x: Tensor) -> Tensor:
        angle = torch.arange(9, dtype=x.dtype)[:, None] * 10 ** -torch.arange(4, dtype=x.dtype)
        x1, x2 = x.chunk(2, -1)
        return torch.cat([x1 * angle.cos() - x2 * angle.sin(), x1 * angle.sin() + x2 * angle.cos()], -1)

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).split(8, dim=-1)
        pattern = (self.rotate(q) @ self.rotate(k).mT).div(8**0.5).softmax(-1)
        return x + pattern @ v


@idiom(3, 6, 6)
class LinearAttention(Tokens):
    """``q (k^T v)`` with softmax on either side."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return x + q.softmax(-1) @ (k.softmax(1).transpose(1, 2) @ v)


@idiom(3, 6, 6)
class ReluLinearAttention(Tokens):
    """EfficientViT's: ReLU features, divided by their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k = F.relu(q), F.relu(k)
        v = F.pad(v, (0, 1), value=1.0)
        out = q @ (k.transpose(1, 2) @ v)
        return x + out[..., :-1] / (out[..., -1:] + 1e-6)


@idiom(3, 8, 8)
class WindowAttention(nn.Module):
    """Swin's: windows of a rolled map, with a table of relative positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 1)
        self.qkv = nn.Linear(4, 12)
        self.table = nn.Parameter(torch.randn(49, 1) * 0.1)
        offset = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        relative = offset[:, :, None] - offset[:, None, :] + 3
        self.register_buffer("relative", relative[0] * 7 + relative[1])
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).permute(0, 2, 3, 1)
        b, h, w, c = x.shape
        x = torch.roll(x, (-2, -2), (1, 2))
        windows = x.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(windows).chunk(3, -1)
        bias = self.table[self.relative.view(-1)].view(16, 16)
        windows = (q @ k.transpose(-2, -1) * 0.5 + bias).softmax(-1) @ v
        x = windows.view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return self.fc(torch.roll(x, (2, 2), (1, 2)).mean((1, 2)))


@idiom(3, 8, 8)
class SmallVit(nn.Module):
    """A whole ViT as tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Linear(48, 8)
        self.token, self.position = nn.Parameter(torch.randn(8)), nn.Parameter(torch.randn(1, 5, 8))
        self.norm1, self.norm2, self.norm = (nn.LayerNorm(8) for _ in range(3))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        x = x.reshape(n, 3, 2, 4, 2, 4).permute(0, 2, 4, 1, 3, 5).reshape(n, 4, 48)
        x = torch.cat([self.token.repeat(n, 1, 1), self.patch(x)], 1) + self.position
        y = self.norm1(x)
        x = x + self.attention(y, y, y)[0]
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm(x)[:, 0])


@idiom(3, 8, 8)
class ExternalAttention(Stem):
    """A learnt memory instead of keys and values, normed twice."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.values = nn.Linear(4, 5, bias=False), nn.Linear(5, 4, bias=False)

    def attend(self, x: Tensor) -> Tensor:
        flat = x.flatten(2).transpose(1, 2)
        pattern = self.keys(flat).softmax(1)
        pattern = pattern / pattern.sum(2, keepdim=True)
        return x + self.values(pattern).transpose(1, 2).view_as(x)
