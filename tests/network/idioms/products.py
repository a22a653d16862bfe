"""Products of two tensors of the image, and other meetings of branches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom


class Branches(nn.Module):
    """Two convolutions of the image, joined by a subclass, and a head."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.head = dense(channels)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.join(self.a(x), self.b(x)))


@idiom(3, 6, 6)
class Product(Branches):
    """StarNet's star operation."""

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return F.relu6(a) * b


@idiom(3, 6, 6)
class ProductOfThree(Branches):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b * torch.tanh(a + b)


@idiom(3, 6, 6)
class Gated(Branches):
    """WaveNet's unit: tanh times sigmoid."""

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.tanh(a) * torch.sigmoid(b)


@idiom(3, 6, 6)
class Highway(Branches):
    """``t * h + (1 - t) * x``."""

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        t = torch.sigmoid(a)
        return t * F.relu(b) + (1 - t) * a


@idiom(3, 6, 6)
class SwiGlu(Branches):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return F.silu(a) * b


@idiom(3, 6, 6)
class Quotient(Branches):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a / (1 + b.abs())


@idiom(3, 6, 6)
class Larger(Branches):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.maximum(a, b) + torch.minimum(a, 0.5 * b)


@idiom(3, 6, 6)
class WhereBranches(Branches):
    """The image decides elementwise which branch is taken."""

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.where(a > b, F.relu(a), 0.3 * b)


@idiom(3, 6, 6)
class SquaredDifference(Branches):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b) ** 2


@idiom(3, 6, 6)
class BilinearPool(nn.Module):
    """Bilinear CNN: outer product over space, signed root, length one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 2, 3)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        a, b = F.relu(self.a(x)).flatten(2), F.relu(self.b(x)).flatten(2)
        x = torch.bmm(a, b.transpose(1, 2)).div(16).flatten(1)
        return self.fc(F.normalize(torch.sign(x) * torch.sqrt(x.abs() + 1e-8)))


@idiom(3, 6, 6)
class BilinearLayer(Branches):
    """``nn.Bilinear`` of two pooled branches."""

    def __init__(self) -> None:
        super().__init__()
        self.bilinear = nn.Bilinear(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bilinear(F.relu(self.a(x)).mean((2, 3)), F.relu(self.b(x)).mean((2, 3)))


@idiom(3, 6, 6)
class EinsumOfBranches(Branches):
    """``nchw,ndhw->ncd``: an einsum of two tensors of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.einsum("nchw,ndhw->ncd", self.a(x), torch.tanh(self.b(x))).flatten(1))


@idiom(3, 6, 6)
class CosineSimilarity(Branches):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.cosine_similarity(F.relu(self.a(x)), self.b(x), dim=1).flatten(1))


@idiom(3, 6, 6)
class MixtureOfExperts(nn.Module):
    """All experts run; a softmax of the image weighs them."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([nn.Conv2d(3, 4, 3) for _ in range(3)])
        self.gate = nn.Linear(3, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        weights = F.softmax(self.gate(x.mean((2, 3))), dim=1)
        outs = torch.stack([F.relu(expert(x)) for expert in self.experts], dim=1)
        return self.head((weights.view(-1, 3, 1, 1, 1) * outs).sum(dim=1))


@idiom(3, 6, 6)
class DynamicConvolution(nn.Module):
    """CondConv: a kernel for each image, mixed from several, by a grouped convolution over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 4 * 3 * 9) * 0.3)
        self.route = nn.Linear(3, 2)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        kernel = (torch.sigmoid(self.route(x.mean((2, 3)))) @ self.weight).view(n * 4, c, 3, 3)
        y = F.conv2d(x.reshape(1, n * c, h, w), kernel, groups=n)
        return self.head(F.relu(y.view(n, 4, h - 2, w - 2)))


@idiom(3, 6, 6)
class InvolutionLike(nn.Module):
    """A kernel for each position, made from the image, times its unfolded neighbourhood."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.kernel = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 9, 1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.embed(x))
        n, c, h, w = x.shape
        weight = self.kernel(x).view(n, 1, 9, h, w)
        patches = F.unfold(x, 3, padding=1).view(n, c, 9, h, w)
        return self.head((weight * patches).sum(2))


@idiom(3, 8, 8)
class SpatialTransformer(nn.Module):
    """``F.affine_grid`` and ``F.grid_sample`` with an angle that the image gives."""

    def __init__(self) -> None:
        super().__init__()
        self.locate = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 6))
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        theta = torch.tanh(self.locate(x)).view(-1, 2, 3)
        grid = F.affine_grid(theta, list(x.size()), align_corners=False)
        x = F.grid_sample(x, grid, align_corners=False)
        return self.head(F.relu(self.conv(x)))


@idiom(3, 8, 8)
class FixedGridSample(nn.Module):
    """``grid_sample`` on a constant grid: a fixed warp."""

    def __init__(self) -> None:
        super().__init__()
        theta = torch.tensor([[[0.9, 0.1, 0.0], [-0.1, 0.9, 0.1]]])
        self.register_buffer("grid", F.affine_grid(theta, [1, 3, 8, 8], align_corners=False))
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.grid_sample(x, self.grid.expand(x.shape[0], -1, -1, -1), align_corners=False)
        return self.head(F.relu(self.conv(x)))


@idiom(3, 6, 6)
class CrossGating(Branches):
    """gMLP's spatial gate: one half multiplies the other after mixing positions."""

    def __init__(self) -> None:
        super().__init__(2)
        self.mix = nn.Linear(16, 16)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        u, v = F.gelu(a + b).chunk(2, dim=1)
        return u * self.mix(v.flatten(2)).view_as(v)
