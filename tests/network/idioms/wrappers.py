"""Networks inside others: wrappers, hooks, transforms."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import transforms

from tests.network.idioms.registry import dense, idiom


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.conv(x)))


@idiom(3, 6, 6)
def data_parallel() -> nn.Module:
    return nn.DataParallel(Small())


@idiom(3, 6, 6)
def compiled() -> nn.Module:
    return torch.compile(Small(), backend="eager")


@idiom(3, 6, 6)
def averaged() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(Small())


@idiom(3, 6, 6)
def normalised_before() -> nn.Module:
    """``nn.Sequential(T.Normalize(...), net)``, as attacks want it."""
    return nn.Sequential(transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.25]), Small())


@idiom(3, 6, 6)
class WrappedWithNormalisation(nn.Module):
    """robustbench's."""

    def __init__(self) -> None:
        super().__init__()
        self.normalize, self.model = transforms.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.25)), Small()

    def forward(self, x: Tensor) -> Tensor:
        return self.model(self.normalize(x))


@idiom(3, 6, 6)
def observed_by_hooks() -> nn.Module:
    """Hooks that only look."""
    net = Small()
    seen: list[Any] = []
    net.relu.register_forward_hook(lambda module, args, result: seen.append(result.shape))
    net.conv.register_forward_pre_hook(lambda module, args: None)
    net.register_forward_hook(lambda module, args, result: None)
    return net


@idiom(3, 6, 6)
def features_kept_by_hook() -> nn.Module:
    """A hook that keeps features in a dictionary."""
    net = Small()
    features: dict[str, Tensor] = {}
    net.conv.register_forward_hook(lambda module, args, result: features.update(conv=result.detach()))
    return net


@idiom(3, 6, 6)
def changed_by_hook() -> nn.Module:
    """A hook that halves what it sees: followed like the network's own code."""
    net = Small()
    net.relu.register_forward_hook(lambda module, args, result: result * 0.5 + 0.1)
    return net


@idiom(3, 6, 6)
def changed_by_root_hook() -> nn.Module:
    """The same on the network itself, before and after."""
    net = Small()
    net.register_forward_pre_hook(lambda module, args: (args[0] * 2 - 1,))
    net.register_forward_hook(lambda module, args, result: result / 2)
    return net


@idiom(3, 6, 6)
def backward_hooks() -> nn.Module:
    net = Small()
    net.relu.register_full_backward_hook(lambda module, given, made: None)
    return net


@idiom(3, 6, 6)
class FeatureExtractor(nn.Module):
    """``nn.Sequential(*list(net.children())[:-1])`` and a head of one's own."""

    def __init__(self) -> None:
        super().__init__()
        net = Small()
        self.features = nn.Sequential(*list(net.children())[:-1])
        self.classifier = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


@idiom(3, 6, 6)
def replaced_layer() -> nn.Module:
    """``net.fc = nn.Sequential(...)`` on a network of another's."""
    net = Small()
    net.head[2] = nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    return net


@idiom(3, 6, 6)
class GetattrLayers(nn.Module):
    """``setattr(self, f"conv{i}", ...)`` and ``getattr``."""

    def __init__(self) -> None:
        super().__init__()
        for i in range(3):
            setattr(self, f"conv{i}", nn.Conv2d(3, 3, 3, padding=1))
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(3):
            x = F.relu(getattr(self, f"conv{i}")(x))
        return self.head(x)


@idiom(3, 6, 6)
def patched_forward() -> nn.Module:
    """``net.forward`` replaced on the object."""
    net = Small()
    old = net.forward
    net.forward = lambda x: 2 * old(x)
    return net


@idiom(3, 6, 6)
def lambda_layer() -> nn.Module:
    class Lambda(nn.Module):
        def __init__(self, function: Any) -> None:
            super().__init__()
            self.function = function

        def forward(self, x: Tensor) -> Tensor:
            return self.function(x)

    return nn.Sequential(
        nn.Conv2d(3, 4, 3), Lambda(F.relu), Lambda(lambda x: x.mean((2, 3))), nn.Linear(4, 3)
    )


@idiom(3, 6, 6)
def lazy_layers() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))


@idiom(3, 6, 6)
def fx_graph_module() -> nn.Module:
    return torch.fx.symbolic_trace(Small())


@idiom(3, 6, 6)
def exported_module() -> nn.Module:
    """What ``torch.export`` gives back as a module."""
    return torch.fx.symbolic_trace(nn.Sequential(Small(), nn.Linear(3, 3)))


@idiom(3, 6, 6)
class AutocastDisabled(nn.Module):
    """``torch.autocast`` in ``forward``, switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Small()

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return self.net(x)
