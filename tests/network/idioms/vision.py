"""More networks of images, small: blocks, necks and heads as repositories have them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom, refused


def conv_bn(into: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)
    )


@idiom(3, 8, 8)
class UNet(nn.Module):
    """Down, up by a transposed convolution and by interpolation, skips cropped to fit."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = conv_bn(3, 4), conv_bn(4, 6), conv_bn(6, 8)
        self.up2, self.join2 = nn.ConvTranspose2d(8, 6, 2, 2), conv_bn(12, 6)
        self.join1, self.head = conv_bn(10, 4), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        one = F.relu(self.down1(x))
        two = F.relu(self.down2(F.max_pool2d(one, 2)))
        low = F.relu(self.bottom(F.max_pool2d(two, 2)))
        two = F.relu(self.join2(torch.cat([self.up2(low), two], 1)))
        up = F.interpolate(two, scale_factor=2, mode="bilinear", align_corners=True)
        high, wide = one.size(2) - up.size(2), one.size(3) - up.size(3)
        up = F.pad(up, [wide // 2, wide - wide // 2, high // 2, high - high // 2])
        return self.head(F.relu(self.join1(torch.cat([one, up], 1))))


class StandardisedConv(nn.Conv2d):
    """BiT's: weights standardised in ``forward`` by ``torch.var_mean``."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=[1, 2, 3], keepdim=True, unbiased=False)
        weight = (self.weight - mean) / torch.sqrt(variance + 1e-10)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


@idiom(3, 8, 8)
class BigTransfer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = StandardisedConv(3, 4, 3, padding=1)
        self.norm, self.conv = nn.GroupNorm(2, 4), StandardisedConv(4, 4, 3, 2, 1)
        self.down, self.last = StandardisedConv(4, 4, 1, 2), nn.GroupNorm(2, 4)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.relu(self.norm(x))
        x = self.conv(y) + self.down(y)
        return self.head(F.adaptive_avg_pool2d(F.relu(self.last(x)), 1))[..., 0, 0]


@idiom(3, 8, 8)
class DeepLayerAggregation(nn.Module):
    """A tree whose root joins its leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.base, self.left, self.right = conv_bn(3, 4), conv_bn(4, 4, 3, 2), conv_bn(4, 4)
        self.root, self.project, self.head = conv_bn(8, 4, 1), conv_bn(4, 4, 1), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.base(x).relu_()
        bottom = F.max_pool2d(x, 2, 2)
        left = F.relu(self.left(x) + self.project(bottom))
        right = F.relu(self.right(left) + left)
        return self.head(F.relu(self.root(torch.cat((right, left), 1)) + right))


@idiom(3, 8, 8)
class DualPath(nn.Module):
    """DPN: part of each block's result is added, part concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 6)
        self.blocks = nn.ModuleList([conv_bn(6, 6), conv_bn(8, 6), conv_bn(10, 6)])
        self.head = dense(12)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for block in self.blocks:
            y = block(x)
            d = 4
            x = torch.cat([x[:, :d] + y[:, :d], x[:, d:, :, :], y[:, d:]], 1)
            x = F.relu(x)
        return self.head(x)


@idiom(3, 8, 8)
class CrossStagePartial(nn.Module):
    """CSP and SPPF of detectors, SiLU in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = conv_bn(3, 6, 3, 2), conv_bn(6, 4, 1), conv_bn(6, 4, 1)
        self.inner = nn.Sequential(conv_bn(4, 4), nn.SiLU(inplace=True))
        self.pool, self.out, self.head = nn.MaxPool2d(5, 1, 2), conv_bn(14, 6, 1), dense(6)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.stem(x))
        x = torch.cat((self.inner(self.one(x)) + self.one(x), self.two(x), x), dim=1)
        y = self.pool(x)
        return self.head(F.silu(self.out(torch.maximum(torch.maximum(x, y), self.pool(y)))))


@idiom(3, 8, 8)
class GatedMlp(nn.Module):
    """gMLP: spatial gating by a dense layer over places."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.into = nn.Conv2d(3, 6, 2, 2), nn.Linear(6, 8)
        self.norm, self.space = nn.LayerNorm(4), nn.Conv1d(16, 16, 1)
        self.out, self.fc = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).mT
        u, v = F.gelu(self.into(x)).chunk(2, dim=-1)
        return self.fc((x + self.out(u * self.space(self.norm(v)))).mean(dim=1))


@idiom(3, 8, 8)
class CapsuleRouting(nn.Module):
    """Capsules with two rounds of routing; lengths are the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight = nn.Conv2d(3, 8, 5, 3), nn.Parameter(torch.randn(3, 8, 4, 2))

    @staticmethod
    def squash(s: Tensor) -> Tensor:
        n = s.norm(dim=-1, keepdim=True)
        return n**2 / (1 + n**2) * s / (n + 1e-8)

    def forward(self, x: Tensor) -> Tensor:
        u = self.squash(self.conv(x).view(x.size(0), 2, 4, 4).permute(0, 1, 3, 2).reshape(x.size(0), 8, 4))
        votes = torch.einsum("nid,jide->njie", u, self.weight)
        logits = torch.zeros_like(votes[..., :1])
        for i in range(2):
            v = self.squash((logits.softmax(dim=1) * votes).sum(dim=2, keepdim=True))
            if i < 1:
                logits = logits + (votes * v).sum(-1, keepdim=True)
        return v.squeeze(2).norm(dim=-1)


@idiom(3, 8, 8)
class WarpedByConstantGrid(nn.Module):
    """A polar view of the image, then a rotation of features, by ``grid_sample``."""

    def __init__(self) -> None:
        super().__init__()
        radius, angle = torch.meshgrid(torch.linspace(0, 1, 5), torch.linspace(0, 6.0, 7), indexing="ij")
        self.register_buffer("grid", torch.stack([radius * angle.cos(), radius * angle.sin()], -1)[None])
        self.register_buffer("theta", torch.tensor([[[0.8, -0.6, 0.0], [0.6, 0.8, 0.1]]]))
        self.conv, self.head = nn.Conv2d(3, 4, 3), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        x = F.grid_sample(x, self.grid.expand(n, -1, -1, -1), align_corners=True, padding_mode="border")
        x = F.relu(self.conv(x))
        turned = F.affine_grid(self.theta.expand(n, 2, 3), list(x.shape), align_corners=False)
        return self.head(F.grid_sample(x, turned, mode="nearest", align_corners=False))


@idiom(3, 8, 8)
class Autofocus(nn.Module):
    """Branches of several dilations with shared weights, mixed by a softmax over them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.choose = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.Conv2d(3, 3, 1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        branches = torch.stack([F.conv2d(x, self.weight, padding=d, dilation=d) for d in (1, 2, 3)], dim=1)
        gates = F.softmax(self.choose(x), dim=1).unsqueeze(2)
        return self.head(torch.relu(torch.sum(branches * gates, dim=1)))


@idiom(3, 8, 8)
class PowerMeans(nn.Module):
    """Soft-plus pooling: LP, log-mean-exp and learnt mixtures of mean and maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix, self.fc = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Parameter(torch.zeros(1)),
            nn.Linear(4, 3),
        )
        self.lp = nn.LPPool2d(3, 2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lp(F.softplus(self.conv(x)))
        a = torch.sigmoid(self.mix)
        x = a * F.max_pool2d(x, 2) + (1 - a) * F.avg_pool2d(x, 2)
        return self.fc(torch.logsumexp(3 * x.flatten(2), -1) / 3)


@idiom(3, 8, 8)
class PyramidAttention(nn.Module):
    """PSP's pools, projected, resized with ``size=`` and multiplied back."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.parts = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(s), nn.Conv2d(4, 2, 1), nn.PReLU(2)) for s in (1, 2, 3)
        )
        self.join, self.head = nn.Conv2d(10, 4, 1), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.rrelu(self.stem(x), training=self.training)
        size = x.shape[2:]
        parts = [F.interpolate(p(x), size=size, mode="bilinear", align_corners=False) for p in self.parts]
        return self.head(x * torch.sigmoid(self.join(torch.cat([x, *parts], 1))))


@idiom(3, 8, 8)
class DepthwiseEverything(nn.Module):
    """MobileNet's block with hard swish by hand, squeeze, and a shuffle of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 8)
        self.deep, self.point = conv_bn(8, 8, 5, 2, 8), conv_bn(8, 8, 1, groups=2)
        self.squeeze, self.shuffle, self.head = nn.Linear(8, 8), nn.ChannelShuffle(2), dense(8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x * F.relu6(x + 3) / 6
        x = self.deep(x)
        gate = (F.relu6(self.squeeze(x.mean([2, 3])) + 3.0) / 6.0)[:, :, None, None]
        return self.head(self.shuffle(F.hardswish(self.point(x * gate))))


@idiom(3, 8, 8)
class SuperResolutionHead(nn.Module):
    """ESPCN, a cubic and a nearest one beside, cut to the same size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2)
        self.head = dense(8)

    def forward(self, x: Tensor) -> Tensor:
        sharp = self.up(torch.tanh(self.conv(x)))
        cubic = F.interpolate(x, scale_factor=2.0, mode="bicubic")[:, :, :16, :16]
        near = nn.functional.interpolate(x, [16, 16])
        return self.head(torch.cat([sharp, cubic, near], 1))


@idiom(3, 8, 8)
class BilateralGrid(nn.Module):
    """Neighbours weighed by how alike they are: ``unfold`` and a kernel of differences."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 1), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        n, c, h, w = x.shape
        near = F.unfold(x, 3, padding=1).view(n, c, 9, h, w)
        alike = torch.exp(-(near - x.unsqueeze(2)).pow(2).sum(1, keepdim=True))
        return self.head((near * alike).sum(2) / alike.sum(2))


@idiom(3, 8, 8)
class SortedAndRanked(nn.Module):
    """Features sorted along space, the best few weighed, medians beside."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight, self.fc = nn.Conv2d(3, 4, 3), nn.Parameter(torch.randn(5)), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x)).flatten(2)
        best = torch.sort(x, dim=-1, descending=True)[0][..., :5] @ self.weight
        return self.fc(torch.cat([best, x.median(dim=-1).values], 1))


@idiom(3, 8, 8)
class StochasticBlocks(nn.Module):
    """torchvision's stochastic depth and drop block, which rest in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = conv_bn(3, 4), conv_bn(4, 4)
        self.depth = torchvision.ops.StochasticDepth(0.3, "row")
        self.block, self.head = torchvision.ops.DropBlock2d(0.2, 3), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.head(self.block(F.relu(x + self.depth(self.conv(x)))))


@idiom(3, 8, 8)
class TorchvisionParts(nn.Module):
    """Its squeeze-and-excitation, ``Conv2dNormActivation``, ``MLP`` and ``Permute``."""

    def __init__(self) -> None:
        super().__init__()
        ops = torchvision.ops
        self.stem = ops.Conv2dNormActivation(3, 4, activation_layer=nn.Hardswish)
        self.squeeze, self.turn = ops.SqueezeExcitation(4, 2), ops.Permute([0, 2, 3, 1])
        self.mlp = ops.MLP(4, [8, 3], activation_layer=nn.GELU, dropout=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.turn(self.squeeze(self.stem(x)))).mean((1, 2))


@idiom(3, 8, 8)
class ThreeDimensions(nn.Module):
    """The image as a volume: 3-D convolution, adaptive pools of 1 and 3 dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv3d(1, 3, (2, 3, 3), padding=(0, 1, 1)), nn.BatchNorm3d(3)
        self.pool, self.line = nn.AdaptiveMaxPool3d((1, 3, 3)), nn.AdaptiveAvgPool1d(4)
        self.fc = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.celu(self.norm(self.conv(x.unsqueeze(1))))
        return self.fc(self.line(self.pool(x).flatten(2)).flatten(1))


@idiom(3, 8, 8)
class LocalContrast(nn.Module):
    """Local response norm, local contrast by box filters, reflected borders."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.LocalResponseNorm(3)
        self.border, self.head = nn.ReflectionPad2d(1), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(F.relu(self.conv(x)))
        mean = F.avg_pool2d(self.border(x), 3, 1)
        spread = F.avg_pool2d(self.border((x - mean) ** 2), 3, 1).add(1e-3).sqrt()
        return self.head((x - mean) / spread)


@idiom(3, 8, 8)
class SignalPath(nn.Module):
    """A discrete wavelet transform by fixed filters, its bands gated apart."""

    def __init__(self) -> None:
        super().__init__()
        low, high = torch.tensor([0.7, 0.7]), torch.tensor([0.7, -0.7])
        bands = [torch.outer(a, b) for a in (low, high) for b in (low, high)]
        self.register_buffer("bank", torch.stack(bands)[:, None].repeat(3, 1, 1, 1))
        self.mix, self.head = nn.Conv2d(12, 4, 1), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        bands = F.conv2d(x, self.bank, stride=2, groups=3)
        gate = bands.abs().amax(dim=(2, 3), keepdim=True).sigmoid()
        return self.head(F.mish(self.mix(bands * gate)))


@idiom(3, 8, 8)
class BilinearOfTwoStreams(nn.Module):
    """``nn.Bilinear`` of two pooled streams, signed roots, normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5)
        self.join, self.fc = nn.Bilinear(4, 4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.join(F.relu(self.one(x)).mean((-2, -1)), torch.tanh(self.two(x)).amax((-2, -1)))
        y = torch.sign(y) * torch.sqrt(y.abs() + 1e-5)
        return self.fc(F.normalize(y, dim=-1))


@idiom(3, 8, 8)
class GluEverywhere(nn.Module):
    """GLU of channels, softmax of channels at each place, a Maxout head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.glu, self.soft = nn.Conv2d(3, 8, 3), nn.GLU(dim=1), nn.Softmax2d()
        self.fc = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.glu(self.conv(x))
        x = x * self.soft(x)
        return self.fc(x.mean((2, 3))).view(-1, 3, 2).max(-1)[0]


@refused(3, 8, 8, names=("places|unpool",))
class SegNet(nn.Module):
    """Modules that pool with places and put values back there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.back = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, 2, return_indices=True), nn.MaxUnpool2d(2, 2)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        pooled, where = self.pool(F.relu(self.conv(x)))
        return self.head(self.back(self.unpool(pooled, where)))
