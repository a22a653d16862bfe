"""Inputs that are no images: vectors, series, volumes; and networks that make them of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom


@idiom(6)
def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3)
    )


@idiom(6)
class ResidualMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.norm = nn.LayerNorm(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + F.gelu(block(self.norm(x)))
        return self.fc(x)


@idiom(7)
class FactorisationMachine(nn.Module):
    """Pairwise products of features."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.v = nn.Linear(7, 2), nn.Parameter(torch.randn(7, 4))

    def forward(self, x: Tensor) -> Tensor:
        square = (x @ self.v).pow(2)
        return self.linear(x) + 0.5 * (square - x.pow(2) @ self.v.pow(2)).sum(1, keepdim=True)


@idiom(2, 16)
def series() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 5, stride=2, padding=2),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(4, 5, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )


@idiom(2, 16)
class CausalSeries(nn.Module):
    """TCN: padded on the left, chomped on the right, dilated, residual, weight norm."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.convs = nn.ModuleList(
            [norm(nn.Conv1d(2 if i == 0 else 3, 3, 3, padding=2 * 2**i, dilation=2**i)) for i in range(2)]
        )
        self.skip, self.fc = nn.Conv1d(2, 3, 1), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i, conv in enumerate(self.convs):
            y = F.relu(conv(y)[:, :, : -2 * 2**i].contiguous())
        return self.fc(F.relu(y + self.skip(x))[:, :, -1])


@idiom(3, 12)
class SeriesUpDown(nn.Module):
    """1-d transposed convolution, linear interpolation, average and LP pools."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv1d(3, 4, 4, 2, 1), nn.ConvTranspose1d(4, 3, 4, 2, 1)
        self.fc = nn.Linear(24 + 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(F.elu(self.down(x)))
        y = F.avg_pool1d(F.relu(y + x), 3, 1, 1)
        z = F.interpolate(y, scale_factor=0.5, mode="linear").flatten(1)
        return self.fc(
            torch.cat([z, F.lp_pool1d(y, 2, 2)[..., 0], F.adaptive_max_pool1d(y, 2).flatten(1)], 1)
        )


@idiom(1, 5, 6, 6)
def volume() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1),
        nn.BatchNorm3d(3),
        nn.ReLU(),
        nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(3, 4, (3, 1, 1)),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


@idiom(2, 3, 6, 6)
class Video(nn.Module):
    """(2+1)d convolutions, 3-d average pool, residual; frames averaged at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.space = nn.Conv3d(2, 4, (1, 3, 3), padding=(0, 1, 1))
        self.time = nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0))
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.space(x))
        x = F.avg_pool3d(F.relu(self.time(x) + x), (1, 2, 2))
        return self.fc(x.mean((-2, -1))).mean(1) if x.dim() == 4 else self.fc(x.mean((2, 3, 4)))


@idiom(3, 2, 6, 6)
class FramesAsBatch(nn.Module):
    """(N, T, C, H, W): frames through a 2-d CNN as one batch, averaged afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), dense(3))

    def forward(self, x: Tensor) -> Tensor:
        n, t, c, h, w = x.shape
        return self.cnn(x.view(n * t, c, h, w)).view(n, t, -1).mean(1)


@idiom(1, 4, 6, 6)
class VolumeUpDown(nn.Module):
    """3-d transposed convolution and trilinear upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv3d(1, 3, 2, 2), nn.ConvTranspose3d(3, 2, 2, 2)
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.down(x))
        z = F.interpolate(y, scale_factor=2, mode="trilinear", align_corners=False)
        x = torch.cat([F.relu(self.up(y)), z[:, :1]], 1)
        return self.fc(x.mean((2, 3, 4)))


@idiom(3, 8, 8)
class ImageAsSeries(nn.Module):
    """Rows of an image by ``conv1d``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(24, 6, 3)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.conv(x.flatten(1, 2))).mean(-1))


@idiom(3, 8, 8)
class ImageAsVolume(nn.Module):
    """Colours as depth of a 3-d convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 3, (3, 3, 3))
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x.unsqueeze(1)).squeeze(2)))


@idiom(4, 10)
class PointNet(nn.Module):
    """Points as a set: shared layers, a max over points, global features given back."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv1d(4, 5, 1), nn.Conv1d(10, 6, 1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.one(x))
        whole = x.max(dim=2, keepdim=True)[0].expand(-1, -1, x.shape[2])
        return self.fc(torch.max(F.relu(self.two(torch.cat([x, whole], 1))), 2)[0])


@idiom(6, 5)
class GraphConvolution(nn.Module):
    """A fixed adjacency between six nodes."""

    def __init__(self) -> None:
        super().__init__()
        a = (torch.rand(6, 6) > 0.5).float() + torch.eye(6)
        self.register_buffer("adjacency", a / a.sum(1, keepdim=True))
        self.one, self.two = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(torch.matmul(self.adjacency, self.one(x)))
        return self.two(self.adjacency @ x).mean(1)


@idiom(28, 28)
class GreyWithoutChannel(nn.Module):
    """(N, 28, 28): the channel is added inside."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 5, 4)
        self.fc = nn.Linear(72, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.conv(x.unsqueeze(1))).flatten(1))
