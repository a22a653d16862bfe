"""Up- and down-sampling, transposed convolutions, encoder and decoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import add, dense, idiom


class Resized(nn.Module):
    """Convolution, ReLU, a resize, convolution, head."""

    def __init__(self, resize: Callable[[Tensor], Tensor], channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.resize = resize
        self.again = nn.Conv2d(channels, 3, 3, padding=1)
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.again(self.resize(F.relu(self.conv(x))))))


def _interpolated(**options: object) -> Callable[[Tensor], Tensor]:
    return lambda x: F.interpolate(x, **options)


RESIZES: dict[str, Callable[[Tensor], Tensor]] = {
    "nearest": _interpolated(scale_factor=2),
    "nearest_size": _interpolated(size=(7, 9)),
    "nearest_exact": _interpolated(size=7, mode="nearest-exact"),
    "bilinear": _interpolated(scale_factor=2, mode="bilinear", align_corners=False),
    "bilinear_aligned": _interpolated(scale_factor=2, mode="bilinear", align_corners=True),
    "bilinear_smaller": _interpolated(size=(3, 2), mode="bilinear"),
    "bilinear_antialiased": _interpolated(size=3, mode="bilinear", antialias=True),
    "bilinear_recomputed": _interpolated(scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
    "bicubic": _interpolated(scale_factor=2, mode="bicubic", align_corners=False),
    "bicubic_smaller": _interpolated(size=3, mode="bicubic"),
    "area": _interpolated(size=(3, 2), mode="area"),
    "upsample_module": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "upsample_nearest_module": nn.UpsamplingNearest2d(scale_factor=3),
    "upsample_functional": lambda x: F.interpolate(x, scale_factor=(2.0, 1.0)),
    "to_its_own_size": lambda x: F.interpolate(F.max_pool2d(x, 2), size=x.shape[-2:], mode="bilinear"),
}
for _name, _resize in RESIZES.items():
    add("resizing", _name, (3, 5, 5), lambda resize=_resize: Resized(resize))

TRANSPOSED: dict[str, Callable[[], nn.Module]] = {
    "transposed": lambda: nn.ConvTranspose2d(4, 4, 2, stride=2),
    "transposed_padded": lambda: nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1),
    "transposed_grouped": lambda: nn.ConvTranspose2d(4, 4, 3, padding=1, groups=2),
    "transposed_depthwise": lambda: nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=4, bias=False),
    "transposed_dilated": lambda: nn.ConvTranspose2d(4, 4, 2, dilation=2),
    "sub_pixel": lambda: nn.Sequential(nn.Conv2d(4, 16, 1), nn.PixelShuffle(2)),
    "focus": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.PixelUnshuffle(2), nn.Conv2d(16, 4, 1)),
}
for _name, _make in TRANSPOSED.items():
    add("resizing", _name, (3, 5, 5), lambda make=_make: Resized(make()))


@idiom(3, 8, 8)
class UNetClassifier(nn.Module):
    """Down, up, skip connections that crop or pad to fit."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.merge = nn.Conv2d(6, 3, 3, padding=1)
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        one = F.relu(self.down1(x))
        two = F.relu(self.down2(F.max_pool2d(one, 2)))
        up = self.up(two)
        dy, dx = one.size(2) - up.size(2), one.size(3) - up.size(3)
        up = F.pad(up, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.head(F.relu(self.merge(torch.cat([one, up], dim=1))))


@idiom(3, 8, 8)
class FeaturePyramid(nn.Module):
    """Lateral connections, nearest upsampling, sums; all levels pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 3, 3, 2, 1), nn.Conv2d(3, 4, 3, 2, 1)
        self.l1, self.l2 = nn.Conv2d(3, 3, 1), nn.Conv2d(4, 3, 1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        c1 = F.relu(self.c1(x))
        c2 = F.relu(self.c2(c1))
        p2 = self.l2(c2)
        p1 = self.l1(c1) + F.interpolate(p2, size=c1.shape[-2:], mode="nearest")
        return self.fc(torch.cat([p.mean((2, 3)) for p in (p1, p2)], 1))


@idiom(3, 6, 6)
class AutoencoderHead(nn.Module):
    """Encodes, decodes, classifies the residue."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.ReLU())
        self.decode = nn.Sequential(nn.ConvTranspose2d(4, 3, 2, 2), nn.Sigmoid())
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x - self.decode(self.encode(x))).abs())


@idiom(3, 9, 9)
class Pyramid(nn.Module):
    """PSPNet's: pooled to several sizes, upsampled back, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.merge = nn.Conv2d(6, 3, 1)
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        size = x.shape[2:]
        pooled = [F.interpolate(F.adaptive_avg_pool2d(x, k), size, mode="bilinear") for k in (1, 4)]
        return self.head(F.relu(self.merge(torch.cat([x, *pooled], 1))))


@idiom(3, 8, 8)
class Atrous(nn.Module):
    """ASPP: dilated branches and a global one, expanded."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Conv2d(3, 2, 3, padding=d, dilation=d) for d in (1, 2, 3)])
        self.pool = nn.Conv2d(3, 2, 1)
        self.head = dense(8)

    def forward(self, x: Tensor) -> Tensor:
        outs = [F.relu(branch(x)) for branch in self.branches]
        outs.append(self.pool(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:]))
        return self.head(torch.cat(outs, 1))


@idiom(3, 7, 7)
class ResizedInput(nn.Module):
    """The network resizes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.fc = nn.Linear(48, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(6, 6), mode="bilinear", align_corners=False, antialias=True)
        return self.fc(F.relu(self.conv(x)).flatten(1))
