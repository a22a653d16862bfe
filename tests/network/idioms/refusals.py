"""Networks that must be refused, and what the refusal has to name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, refused


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)


@refused(3, 6, 6, names=("branch",))
class BranchOnValues(Small):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if x.mean() > 0:
            x = F.relu(x)
        return self.head(x)


@refused(3, 6, 6, names=("branch",))
class EarlyExit(Small):
    def forward(self, x: Tensor) -> Tensor:
        y = self.head(self.conv(x))
        if y.softmax(1).max().item() > 0.9:
            return y
        return self.head(F.relu(self.conv(x)))


@refused(3, 6, 6, names=("batch",))
class BatchStatistics(Small):
    """Normalised by the batch in evaluation, too."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.head(F.relu(x - x.mean(0, keepdim=True)))


@refused(3, 6, 6, names=("batch",))
class BatchNormWithoutStatistics(Small):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(self.conv(x))))


@refused(3, 6, 6, names=("batch",))
class MixedImages(Small):
    """Mixup left on: each image is averaged with the next."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(0.5 * x + 0.5 * x.roll(1, 0))))


@refused(3, 6, 6, names=("batch",))
class SoftmaxOverBatch(Small):
    def forward(self, x: Tensor) -> Tensor:
        y = self.head(F.relu(self.conv(x)))
        return y * F.softmax(y, dim=0)


@refused(3, 6, 6, names=("random",))
class RandomInEvaluation(Small):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.head(F.relu(x + 0.1 * torch.randn_like(x)))


@refused(3, 6, 6, names=("random",))
class DropoutAlwaysOn(Small):
    """Monte Carlo dropout."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(F.relu(self.conv(x)), 0.5, training=True))


@refused(3, 6, 6, names=("fractional",))
class RandomFractionalPool(Small):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.fractional_max_pool2d(F.relu(self.conv(x)), 2, output_size=2))


@refused(3, 6, 6, names=("integers",))
class EmbeddingOfIntegers(nn.Module):
    """Pixels as words."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.fc = nn.Embedding(256, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.words((x * 255).long()).mean((1, 2, 3)))


@refused(3, 6, 6, names=("input",))
class SecondImage(Small):
    """Two images: the second has no default."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if y is None:
            raise TypeError("forward() needs the second input 'y'")
        return self.head(F.relu(self.conv(x) + self.conv(y)))


@refused(3, 6, 6, names=("nan",))
class NanWeights(Small):
    def __init__(self) -> None:
        super().__init__()
        self.bad = nn.Parameter(torch.full((4, 1, 1), float("nan")))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x) + self.bad))


@refused(3, 6, 6, names=("batch",))
class NoClassDimension(Small):
    """One number for the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x))).sum()


@refused(3, 6, 6, names=("output",))
class IntegerOutput(Small):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x))).argmax(1)


@refused(3, 6, 6, names=("image",))
class IgnoresItsImage(Small):
    """The logits do not depend on the image."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.constant.expand(x.shape[0], -1)


@refused(3, 6, 6, names=("nonzero",))
class ShapesFromValues(Small):
    """How many pixels are bright decides a shape."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.head(F.relu(self.conv(x)))
        bright = (x > 0.5).nonzero()
        return y * bright.shape[0]


@refused(3, 6, 6, names=("fft",))
class Fourier(Small):
    """Complex numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(torch.fft.fft2(self.conv(x)).abs()))


@refused(3, 6, 6, names=("places",))
class MaxUnpool(nn.Module):
    """SegNet's decoder: values put back where their maxima were."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        pooled, places = F.max_pool2d(F.relu(self.conv(x)), 2, return_indices=True)
        return self.head(F.max_unpool2d(pooled, places, 2))


@refused(3, 6, 6, names=("batch of one|one image|cannot take images",))
class SqueezedBatch(Small):
    """``squeeze()`` takes the batch dimension of one image, too."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(F.relu(self.conv(x)), 1).squeeze()
        return self.head[2](x.flatten(1))


@refused(3, 6, 6, names=("data-dependent|branch",))
class BranchOnBuffer(Small):
    """The value of a buffer decides."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("initialised", torch.tensor(1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.head(F.relu(x)) if int(self.initialised) else self.head(x)


@refused(3, 6, 6, names=("WeightWrittenInForward",))
class WeightWrittenInForward(Small):
    """``self.conv.weight.data`` clamped in ``forward``, as EEGNet's max-norm does."""

    def forward(self, x: Tensor) -> Tensor:
        self.conv.weight.data = torch.renorm(self.conv.weight.data, p=2, dim=0, maxnorm=10)
        return self.head(F.relu(self.conv(x)))


@refused(3, 6, 6, names=("TorchScript|script",))
def scripted() -> nn.Module:
    """A ``ScriptModule``."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), dense(4)).double().eval()
    return torch.jit.trace(net, torch.rand(2, 3, 6, 6, dtype=torch.float64))
