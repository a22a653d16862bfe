"""How people spell a plain CNN."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom


@idiom(1, 28, 28)
class Mnist(nn.Module):
    """PyTorch's own MNIST example."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.conv2 = nn.Conv2d(4, 6, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(864, 12)
        self.fc2 = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = F.relu(x)
        x = self.conv2(x)
        x = F.relu(x)
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = F.relu(x)
        x = self.dropout2(x)
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


@idiom(3, 12, 12)
class ViewBySize(nn.Module):
    """``x.view(x.size(0), -1)``, as in the 60 minute blitz before it was changed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(4, 5, 3)
        self.fc1 = nn.Linear(5, 8)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(x.size(0), -1)
        return self.fc2(F.relu(self.fc1(x)))


@idiom(3, 12, 12)
class ViewByFeatures(nn.Module):
    """``x.view(-1, self.num_flat_features(x))``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.fc = nn.Linear(100, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        return self.fc(x.view(-1, self.num_flat_features(x)))

    def num_flat_features(self, x: Tensor) -> int:
        size = x.size()[1:]
        features = 1
        for s in size:
            features *= s
        return features


@idiom(3, 8, 8)
class ViewOfConstant(nn.Module):
    """``x.view(-1, 4 * 6 * 6)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4 * 6 * 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).view(-1, 4 * 6 * 6))


@idiom(3, 6, 6)
class FunctionalParameters(nn.Module):
    """All functional, with parameters of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(4, 3, 3, 3) * 0.3)
        self.b1 = nn.Parameter(torch.randn(4) * 0.1)
        self.w2 = nn.Parameter(torch.randn(3, 64) * 0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.w1, self.b1)
        x = F.leaky_relu(x, 0.1, inplace=True)
        return F.linear(x.flatten(start_dim=1), self.w2)


@idiom(3, 6, 6)
class FunctionalBatchNorm(nn.Module):
    """``F.batch_norm`` with buffers, in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.register_buffer("mean", torch.randn(4) * 0.1)
        self.register_buffer("var", torch.rand(4) + 0.5)
        self.scale = nn.Parameter(torch.rand(4) + 0.5)
        self.shift = nn.Parameter(torch.randn(4) * 0.1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.batch_norm(self.conv(x), self.mean, self.var, self.scale, self.shift, self.training, 0.1, 1e-3)
        return self.head(F.relu(x))


@idiom(3, 8, 8)
def sequential_of_ordered_dict() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            [
                ("conv", nn.Conv2d(3, 4, 3)),
                ("norm", nn.BatchNorm2d(4)),
                ("relu", nn.ReLU(inplace=True)),
                ("head", dense(4)),
            ]
        )
    )


@idiom(3, 8, 8)
class ModuleListLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(3)])
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = F.relu(layer(x)) if i % 2 == 0 else torch.tanh(layer(x)) + x
        return self.head(x)


@idiom(3, 8, 8)
class ModuleDictChoice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.acts = nn.ModuleDict({"relu": nn.ReLU(), "gelu": nn.GELU()})
        self.heads = nn.ModuleDict({"cifar": dense(4), "other": dense(4, 5)})

    def forward(self, x: Tensor, act: str = "gelu", head: str = "cifar") -> Tensor:
        return self.heads[head](self.acts[act](self.stem(x)))


@idiom(3, 6, 6)
class ParameterListScales(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)])
        self.scales = nn.ParameterList([nn.Parameter(torch.rand(1, 3, 1, 1) + 0.5) for _ in range(2)])
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        for conv, scale in zip(self.convs, self.scales, strict=True):
            x = x + scale * F.relu(conv(x))
        return self.head(x)


@idiom(3, 6, 6)
class ParameterDictBias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, bias=False)
        self.extra = nn.ParameterDict({"bias": nn.Parameter(torch.randn(3, 1, 1))})
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x) + self.extra["bias"]))


@idiom(3, 8, 8)
class SharedLayer(nn.Module):
    """One convolution and one activation, used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        for _ in range(3):
            x = self.act(self.conv(x))
        return self.head(x)


@idiom(3, 8, 8)
class MeanAndStdBuffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv((x - self.mean) / self.std)))


@idiom(3, 8, 8)
class TwiceMinusOne(nn.Module):
    """``x * 2 - 1``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = x * 2 - 1
        return self.head(F.relu(self.conv(x)) * 0.5 + 1)


@idiom(3, 8, 8)
class PythonNumbers(nn.Module):
    """``255 * x``, ``1 - x``, ``x / 3``, ``-x``, ``x.mul(2).add(1)``, ``torch.add(x, y, alpha=2)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = (255 * x - 128) / 64
        y = F.relu(self.conv(1 - x))
        z = torch.add(y, torch.relu(-y + 0.3), alpha=2)
        z = z.mul(2).add(1).sub(0.5).div(3).neg()
        return self.head(torch.rsub(z, 1))


@idiom(3, 8, 8)
class ScaledInput(nn.Module):
    """GoogLeNet's ``transform_input``, channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        first = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
        second = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
        third = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
        return self.head(F.relu(self.conv(torch.cat((first, second, third), 1))))


@idiom(3, 8, 8)
class RememberedOutput(nn.Module):
    """``self.last = y``, as people do to look at features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.last = F.relu(self.conv(x))
        return self.head(self.last)


@idiom(3, 8, 8)
class CountedCalls(nn.Module):
    """A Python counter and a list of features, written by ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)
        self.calls = 0
        self.features: list[Any] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.features = []
        x = F.relu(self.conv(x))
        self.features.append(x.shape)
        return self.head(x)


@idiom(3, 8, 8)
class InPlace(nn.Module):
    """``x += y``, ``relu_``, ``mul_``, ``clamp_``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).relu_()
        y = self.again(x)
        y += x
        y.mul_(0.5).add_(0.1)
        y.clamp_(min=0)
        return self.head(y)


@idiom(3, 8, 8)
class SliceAssignment(nn.Module):
    """``y[:, :2] = ...`` and ``y[:, 2:] += ...`` on a fresh tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros(x.shape[0], 4, x.shape[2], x.shape[3], dtype=x.dtype, device=x.device)
        y[:, :2] = F.relu(self.conv(x))
        y[:, 2:] += x[:, 1:]
        return self.head(y)


@idiom(3, 8, 8)
class NoGradInside(nn.Module):
    """``with torch.no_grad()`` around the backbone; ``detach``, ``clone``, ``contiguous``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = F.relu(self.conv(x))
        return self.head(x.detach().clone().contiguous())


@idiom(3, 8, 8)
class TypeAndDevice(nn.Module):
    """``x.to(self.conv.weight.device)``, ``x.type_as``, ``.to(dtype)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.conv.weight.device).to(self.conv.weight.dtype)
        return self.head(F.relu(self.conv(x)).type_as(x))


@idiom(3, 8, 8)
class Checkpointed(nn.Module):
    """Memory saved by ``torch.utils.checkpoint``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        from torch.utils.checkpoint import checkpoint

        return self.head(checkpoint(lambda y: F.relu(self.conv(y)), x, use_reentrant=False))


@idiom(3, 8, 8)
class Einsum(nn.Module):
    """A 1x1 convolution and a dense layer as ``einsum``."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(4, 3))
        self.out = nn.Parameter(torch.randn(3, 4, 8, 8) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(torch.einsum("oi,nihw->nohw", self.mix, x))
        return torch.einsum("nchw,kchw->nk", x, self.out)


@idiom(3, 4, 4)
class Matmul(nn.Module):
    """``x @ W.t() + b`` with parameters of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(8, 48) * 0.2)
        self.b1 = nn.Parameter(torch.zeros(8))
        self.w2 = nn.Parameter(torch.randn(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x.reshape(len(x), -1) @ self.w1.t() + self.b1)
        return torch.matmul(x, self.w2)


@idiom(3, 8, 8)
class Tensordot(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 8, 5) * 0.3)
        self.fc = nn.Linear(40, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(torch.tensordot(x, self.w, dims=([1, 3], [0, 1]))).flatten(1))


@idiom(3, 8, 8)
class UnusedBranches(nn.Module):
    """An auxiliary head, a loss and statistics that the output does not need."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)
        self.aux = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        aux = self.aux(x).argmax(1)
        _norm = torch.linalg.svdvals(x.flatten(2))
        _loss = (aux.float() ** 2).sum()
        return self.head(x)


@idiom(3, 8, 8)
class Identities(nn.Module):
    """``nn.Identity``, ``Dropout2d``, ``AlphaDropout``, ``DropPath`` at rest, empty ``Sequential``."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Identity(),
            nn.Conv2d(3, 4, 3),
            nn.Dropout2d(0.2),
            nn.SELU(),
            nn.AlphaDropout(0.1),
            nn.Sequential(),
        )
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.body(x), 0.5, self.training)
        return self.head(F.feature_alpha_dropout(x, 0.2, training=self.training))
