"""How networks end: what they return, in which form."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import add, dense, idiom


class Backbone(nn.Module):
    """A small CNN to end in some way."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4, classes)

    def features(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Ending(Backbone):
    """The backbone with a function of its logits."""

    def __init__(self, end: Any, classes: int = 3) -> None:
        super().__init__(classes)
        self.end = end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.head(self.features(x)))


ENDS: dict[str, Any] = {
    "softmax": lambda y: F.softmax(y, dim=1),
    "softmax_last": lambda y: y.softmax(-1),
    "log_softmax": lambda y: F.log_softmax(y, dim=-1),
    "softmax_module": nn.Softmax(dim=1),
    "log_softmax_module": nn.LogSoftmax(dim=1),
    "log_of_softmax": lambda y: torch.log(F.softmax(y, 1)),
    "temperature": lambda y: F.softmax(y / 2.5, dim=1),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "tuple": lambda y: (y,),
    "list": lambda y: [y, y + 1],
    "dict": lambda y: {"logits": y},
    "dict_with_loss": lambda y: {"loss": None, "logits": y, "prediction": y.argmax(1)},
    "logits_and_prediction": lambda y: (y, y.argmax(dim=1)),
    "four_dimensions": lambda y: y[:, :, None, None],
    "logits_and_probabilities": lambda y: (y, y.softmax(1)),
}
for _name, _end in ENDS.items():
    add("heads", _name, (3, 8, 8), lambda end=_end: Ending(end))

add("heads", "one_output", (3, 8, 8), lambda: Ending(lambda y: y, 1))
add("heads", "one_output_squeezed", (3, 8, 8), lambda: Ending(lambda y: y.squeeze(1), 1))
add("heads", "one_output_squeezed_all", (3, 8, 8), lambda: Ending(lambda y: y.view(-1), 1))
add("heads", "one_probability", (3, 8, 8), lambda: Ending(torch.sigmoid, 1))


@dataclass
class Output:
    """As transformers' and others' models answer."""

    logits: Tensor
    features: Tensor | None = None


Named = namedtuple("Named", ["logits", "aux"])


@idiom(3, 8, 8)
class DataclassOutput(Backbone):
    def forward(self, x: Tensor) -> Output:
        x = self.features(x)
        return Output(logits=self.head(x), features=x)


@idiom(3, 8, 8)
class NamedTupleOutput(Backbone):
    def forward(self, x: Tensor) -> Named:
        y = self.head(self.features(x))
        return Named(y, None)


@idiom(3, 8, 8)
class LogitsAndFeatures(Backbone):
    """Features first would be no class dimension: (N, C, H, W) after the logits here."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.features(x)
        return self.head(x), x


@idiom(3, 8, 8)
class FullyConvolutional(nn.Module):
    """Ends in (N, C, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


@idiom(3, 8, 8)
class NetworkInNetwork(nn.Module):
    """A mean over space at the very end, no dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean(dim=(2, 3))


@idiom(3, 8, 8)
class MeanOfMeans(Backbone):
    """``x.mean(3).mean(2)``."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean(3).mean(2))


@idiom(3, 8, 8)
class SumAndAmax(Backbone):
    """Sum and maximum over space, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return self.fc(torch.cat([x.sum((-1, -2)), x.amax((-1, -2))], 1))


@idiom(3, 8, 8)
class TwoHeads(Backbone):
    """Several heads stacked: (N, classes) first."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes = dense(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.features(x)
        return self.head(x), torch.sigmoid(self.boxes(x))


@idiom(3, 8, 8)
class NormalisedHead(Backbone):
    """ArcFace's and CLIP's cosine head: features and weights of length one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).mean((2, 3))
        return self.scale.exp() * F.linear(F.normalize(x), F.normalize(self.weight))


@idiom(3, 8, 8)
class DuelingHead(Backbone):
    """Value and advantages, as in reinforcement learning."""

    def __init__(self) -> None:
        super().__init__()
        self.value = dense(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        advantage = self.head(x)
        return self.value(x) + advantage - advantage.mean(dim=1, keepdim=True)


@idiom(3, 8, 8)
class EnsembleMean(nn.Module):
    """The mean of several networks' logits."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList([Ending(lambda y: y) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self.members]).mean(0)


@idiom(3, 8, 8)
class TenCropMean(Backbone):
    """Flipped copies of the image, their logits averaged."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * (self.head(self.features(x)) + self.head(self.features(x.flip(-1))))


@idiom(3, 8, 8)
class BatchNormHead(Backbone):
    """``BatchNorm1d`` behind the dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc = nn.BatchNorm1d(3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.norm(self.head(self.features(x)))))


@idiom(3, 8, 8)
class Prototypes(Backbone):
    """Distances to prototypes: ``-((f - p)**2).sum``."""

    def __init__(self) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).mean((2, 3))
        return -((x[:, None] - self.prototypes[None]) ** 2).sum(-1)


@idiom(3, 8, 8)
class CdistPrototypes(Backbone):
    """The same by ``torch.cdist``."""

    def __init__(self) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        return -torch.cdist(self.features(x).mean((2, 3)), self.prototypes)
