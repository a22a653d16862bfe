"""Known architectures in users' own spelling, small."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


@idiom(3, 8, 8)
class CifarResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.layers = nn.Sequential(BasicBlock(4, 4), BasicBlock(4, 6, 2))
        self.linear = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(F.relu(self.bn1(self.conv1(x))))
        out = F.avg_pool2d(out, 4)
        return self.linear(out.view(out.size(0), -1))


@idiom(3, 8, 8)
class DenseNet(nn.Module):
    """Concatenation in a loop, norm and ReLU before the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layers = nn.ModuleList(
            [nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 2, 3, padding=1)) for c in (4, 6, 8)]
        )
        self.norm, self.fc = nn.BatchNorm2d(10), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        x = F.relu(self.norm(torch.cat(features, 1)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).squeeze())


@idiom(3, 8, 8)
class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b1 = nn.Conv2d(3, 2, 1)
        self.b2 = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 3, (1, 3), padding=(0, 1)))
        self.b3 = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 5, padding=2))
        self.b4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(3, 2, 1))
        self.head = dense(9)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([F.relu(b(x)) for b in (self.b1, self.b2, self.b3, self.b4)], 1))


@idiom(3, 8, 8)
class InvertedResidual(nn.Module):
    """MobileNet's, with squeeze and excitation and hard swish."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(3, 6, 1, bias=False), nn.BatchNorm2d(6), nn.Hardswish())
        self.depth = nn.Sequential(
            nn.Conv2d(6, 6, 3, 1, 1, groups=6, bias=False), nn.BatchNorm2d(6), nn.Hardswish()
        )
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 2, 1), nn.ReLU(), nn.Conv2d(2, 6, 1), nn.Hardsigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(6, 3, 1, bias=False), nn.BatchNorm2d(3))
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depth(self.expand(x))
        return self.head(x + self.project(self.se(y) * y))


@idiom(3, 8, 8)
class ConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.dw = nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.norm, self.pw1, self.pw2 = nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4)
        self.gamma = nn.Parameter(1e-6 * torch.ones(4))
        self.final, self.fc = nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        y = (self.gamma * self.pw2(F.gelu(self.pw1(y)))).permute(0, 3, 1, 2)
        return self.fc(self.final((x + y).mean([-2, -1])))


@idiom(3, 8, 8)
class MlpMixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 6, 4, 4)
        self.norm1, self.norm2 = nn.LayerNorm(6), nn.LayerNorm(6)
        self.tokens = nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 4))
        self.channels = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6))
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norm2(x))
        return self.fc(x.mean(dim=1))


@idiom(3, 9, 9)
class PoolFormer(nn.Module):
    """A pool minus the identity as token mixer, layer scales, GroupNorm of one group."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 3, 2), nn.GroupNorm(1, 4)
        self.pool, self.scale = (
            nn.AvgPool2d(3, 1, 1, count_include_pad=False),
            nn.Parameter(1e-5 * torch.ones(4)),
        )
        self.mlp = nn.Sequential(nn.Conv2d(4, 6, 1), nn.GELU(), nn.Conv2d(6, 4, 1))
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(x)
        x = x + self.scale.unsqueeze(-1).unsqueeze(-1) * (self.pool(y) - y)
        return self.fc((x + self.mlp(self.norm(x))).mean([-2, -1]))


@idiom(3, 8, 8)
class GhostModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.primary, self.cheap = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1, groups=3)
        self.head = dense(5)

    def forward(self, x: Tensor) -> Tensor:
        one = F.relu(self.primary(x))
        out = torch.cat([one, F.relu(self.cheap(one))], dim=1)
        return self.head(out[:, :5, :, :])


@idiom(3, 8, 8)
class ShuffleUnit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(2, 2, 3, padding=1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        c = x.size(1) // 2
        left, right = x[:, :c], x[:, c:]
        out = torch.cat([left, F.relu(self.branch(right))], 1)
        b, n, h, w = out.size()
        return self.head(out.reshape(b, 2, n // 2, h, w).permute(0, 2, 1, 3, 4).reshape(b, n, h, w))


@idiom(3, 8, 8)
class Res2Block(nn.Module):
    """Splits that feed one another."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.convs = nn.ModuleList([nn.Conv2d(2, 2, 3, padding=1) for _ in range(2)])
        self.head = dense(6)

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(F.relu(self.stem(x)), 2, 1)
        outs, y = [parts[0]], parts[0]
        for conv, part in zip(self.convs, parts[1:], strict=True):
            y = F.relu(conv(y + part))
            outs.append(y)
        return self.head(torch.cat(outs, 1))


@idiom(3, 8, 8)
class Fire(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.e1, self.e3 = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 3, padding=1)
        self.classifier = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x), inplace=True)
        x = torch.cat([F.relu(self.e1(x)), F.relu(self.e3(x))], 1)
        return torch.flatten(
            F.adaptive_avg_pool2d(F.relu(self.classifier(F.dropout(x, training=self.training))), 1), 1
        )


@idiom(3, 8, 8)
class RepVgg(nn.Module):
    """Three parallel branches with batch norms, one of them the identity."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.three = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4))
        self.one = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.identity, self.head = nn.BatchNorm2d(4), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(F.relu(self.three(x) + self.one(x) + self.identity(x)))


@idiom(3, 8, 8)
class ReversibleBlock(nn.Module):
    """``y1 = x1 + f(x2)``, ``y2 = x2 + g(y1)``; then ``exp``-coupled (Glow's affine coupling)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.f, self.g, self.s = (nn.Conv2d(2, 2, 3, padding=1) for _ in range(3))
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = self.stem(x).chunk(2, 1)
        y1 = x1 + F.relu(self.f(x2))
        y2 = x2 * torch.exp(torch.tanh(self.s(y1))) + self.g(y1)
        return self.head(torch.cat([y1, y2], 1))


@idiom(3, 8, 8)
class Octave(nn.Module):
    """Two frequencies that exchange by pooling and upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.hh, self.hl, self.lh, self.ll = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(4))
        self.head = dense(6)

    def forward(self, x: Tensor) -> Tensor:
        low = F.avg_pool2d(x, 2)
        high = F.relu(self.hh(x) + F.interpolate(self.lh(low), scale_factor=2, mode="nearest"))
        low = F.relu(self.ll(low) + F.avg_pool2d(self.hl(x), 2))
        return self.head(torch.cat([F.avg_pool2d(high, 2), low], 1))


@idiom(1, 28, 28)
class LeNet5(nn.Module):
    """Tanh, average pools, radial end left out."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c3 = nn.Conv2d(1, 3, 5, padding=2), nn.Conv2d(3, 4, 5)
        self.f6, self.out = nn.Linear(100, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(torch.tanh(self.c1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.c3(x)), 2)
        return self.out(torch.tanh(self.f6(x.flatten(1))))


@idiom(3, 12, 12)
class MtcnnProposal(nn.Module):
    """PReLU, ceil-mode pools, two heads, a softmax over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 4, 3), nn.PReLU(4)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(4, 5, 3), nn.PReLU(5)
        self.conv3, self.prelu3 = nn.Conv2d(5, 6, 3), nn.PReLU(6)
        self.conv4_1, self.softmax4_1, self.conv4_2 = (
            nn.Conv2d(6, 2, 1),
            nn.Softmax(dim=1),
            nn.Conv2d(6, 4, 1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_2(x), self.softmax4_1(self.conv4_1(x))


@idiom(3, 6, 6)
class CapsuleLike(nn.Module):
    """Squashed capsules, their lengths as classes (no routing)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.caps = nn.Conv2d(3, 4, 3), nn.Linear(64, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.caps(F.relu(self.conv(x)).flatten(1)).view(-1, 3, 4)
        norm2 = (x**2).sum(-1, keepdim=True)
        x = norm2 / (1 + norm2) * x / torch.sqrt(norm2 + 1e-8)
        return x.norm(dim=-1)


@idiom(3, 6, 6)
class NeuralOde(nn.Module):
    """Four explicit Runge-Kutta steps of one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.f = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        x, h = self.stem(x), 0.25
        for _ in range(2):
            k1 = torch.tanh(self.f(x))
            k2 = torch.tanh(self.f(x + h / 2 * k1))
            x = x + h * (k1 + 2 * k2) / 3
        return self.head(x)
