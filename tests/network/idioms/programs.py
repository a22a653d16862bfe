"""PyTorch in its less common spellings: functional calls, own gradients, scripted functions, vmap."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial, reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils.checkpoint import checkpoint_sequential

from tests.network.idioms.registry import dense, idiom, refused


class Stem(nn.Module):
    """A convolution before and a head behind what a subclass does with (N, 4, 6, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), dense(4)

    def between(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.conv(x)))


@idiom(3, 6, 6)
class FunctionalCall(Stem):
    """The same module with other parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(4, 4, 3, padding=1)
        self.other = nn.Parameter(torch.randn(4, 4, 3, 3))

    def between(self, x: Tensor) -> Tensor:
        changed = {"weight": self.other, "bias": self.inner.bias}
        return F.relu(self.inner(x)) + F.relu(functional_call(self.inner, changed, (x,)))


@idiom(3, 6, 6)
class VmappedOverHeads(Stem):
    """One function over a stack of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3, 4, 4))

    def between(self, x: Tensor) -> Tensor:
        rows = x.movedim(1, -1)
        found = vmap(lambda weight: torch.tanh(rows @ weight))(self.weights)
        return found.mean(0).movedim(-1, 1)


@idiom(3, 6, 6)
class VmappedOverImages(Stem):
    """A function of one image, over the batch."""

    def between(self, x: Tensor) -> Tensor:
        return vmap(lambda image: image * image.mean((1, 2), keepdim=True).sigmoid())(x)


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, most: float) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, most)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad * (x > 0), None


@idiom(3, 6, 6)
class OwnFunctionWithOptions(Stem):
    def between(self, x: Tensor) -> Tensor:
        return _Clipped.apply(x, 0.8)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return -grad


@idiom(3, 6, 6)
class GradientReversal(Stem):
    """Domain-adversarial training: a second head behind a reversed gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.domain = dense(4, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.relu(self.conv(x))
        return {"logits": self.head(x), "domain": self.domain(_Reversed.apply(x))}


def _gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / 1.41421))


def _squash(x: Tensor, dim: int = 1) -> Tensor:
    size = (x * x).sum(dim=dim, keepdim=True)
    return size / (1.0 + size) * x / torch.sqrt(size + 1e-6)


@idiom(3, 6, 6)
class ScriptedFunctions(Stem):
    def __init__(self) -> None:
        super().__init__()
        self.gelu, self.squash = torch.jit.script(_gelu), torch.jit.script(_squash)

    def between(self, x: Tensor) -> Tensor:
        return self.squash(self.gelu(x))


@idiom(3, 6, 6)
class CheckpointedSequence(Stem):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())

    def between(self, x: Tensor) -> Tensor:
        return checkpoint_sequential(self.layers, 2, x, use_reentrant=False)


@idiom(3, 6, 6)
class MaskBuffers(Stem):
    """Constant masks of places and of channels; one grown lazily in ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("keep", (torch.arange(36).view(6, 6) % 3 > 0).float())
        self.register_buffer("alive", torch.tensor([True, False, True, True]))
        self.grown: Tensor | None = None

    def between(self, x: Tensor) -> Tensor:
        if self.grown is None or self.grown.shape != x.shape[-2:]:
            self.grown = torch.ones(x.shape[-2:], dtype=x.dtype).tril()
        x = x * self.keep * self.alive[None, :, None, None]
        return F.elu(x.masked_fill(self.grown.bool().logical_not(), 0.3))


@idiom(3, 6, 6)
class PlainPython(Stem):
    """``reduce``, ``partial``, ``zip``, a generator, a dictionary of functions."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleDict({name: nn.Conv2d(4, 4, 1) for name in ("a", "b", "c")})
        self.acts = OrderedDict(a=F.relu, b=partial(F.leaky_relu, negative_slope=0.2), c=torch.tanh)

    def between(self, x: Tensor) -> Tensor:
        x = reduce(lambda y, name: self.acts[name](self.steps[name](y)), self.steps, x)
        parts = (part * (1 + 0.5 * i) for i, part in enumerate(x.split(2, 1)))
        return torch.cat([*parts], 1)


@idiom(3, 6, 6)
class RearrangedAsEinops(Stem):
    """What einops makes: reshape, permute, reshape, by given letters."""

    def rearrange(
        self, x: Tensor, shape: tuple[int, ...], order: tuple[int, ...], last: tuple[int, ...]
    ) -> Tensor:
        return torch.reshape(torch.permute(torch.reshape(x, shape), order), last)

    def between(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        blocks = self.rearrange(x, (n, 4, 3, 2, 3, 2), (0, 2, 4, 3, 5, 1), (n, 9, 4, 4))
        blocks = blocks.softmax(-2) * blocks
        return self.rearrange(blocks, (n, 3, 3, 2, 2, 4), (0, 5, 1, 3, 2, 4), (n, 4, 6, 6))


@idiom(3, 6, 6)
class FourierFeatures(nn.Module):
    """Sines and cosines of random projections of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("b", torch.randn(3, 5))
        self.mix, self.head = nn.Conv2d(10, 4, 1), dense(4)

    def forward(self, x: Tensor) -> Tensor:
        angles = 2 * torch.pi * torch.einsum("nchw,cf->nfhw", x, self.b)
        return self.head(F.relu(self.mix(torch.cat([angles.sin(), angles.cos()], dim=1))))


@idiom(3, 6, 6)
class CosineTransform(Stem):
    """A DCT by constant matrices, weighed by frequency, and back."""

    def __init__(self) -> None:
        super().__init__()
        k = torch.arange(6.0)
        self.register_buffer("dct", torch.cos(torch.pi / 6 * (k + 0.5) * k[:, None]) / 3)
        self.weight = nn.Parameter(torch.randn(4, 6, 6))

    def between(self, x: Tensor) -> Tensor:
        spectrum = self.dct @ x @ self.dct.T * self.weight
        return self.dct.T @ F.softshrink(spectrum, 0.05) @ self.dct


@idiom(3, 6, 6)
class ComplexByHand(Stem):
    """Complex convolutions as pairs of real ones; the modulus behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.real, self.imaginary = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)

    def between(self, x: Tensor) -> Tensor:
        a, b = x[:, ::2], x[:, 1::2]
        real, imaginary = self.real(a) - self.imaginary(b), self.real(b) + self.imaginary(a)
        return (real.pow(2) + imaginary.pow(2) + 1e-6).sqrt()


@refused(3, 6, 6, names=("complex|fft",))
class GlobalFilter(Stem):
    """GFNet: multiplied in frequency space, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6, 4, 2))

    def between(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x, norm="ortho") * torch.view_as_complex(self.weight)
        return torch.fft.irfft2(spectrum, s=(6, 6), norm="ortho")


@refused(3, 6, 6, names=("fft",))
class FourierMixed(Stem):
    """FNet: real part of a transform over places and channels."""

    def between(self, x: Tensor) -> Tensor:
        return F.relu(torch.fft.fft(torch.fft.fft(x, dim=1), dim=-1).real)


@idiom(3, 6, 6)
class SpectralNormInside(Stem):
    """Both spellings of spectral norm, and a weight norm over another dimension."""

    def __init__(self) -> None:
        super().__init__()
        norms = nn.utils.parametrizations
        self.one = norms.spectral_norm(nn.Conv2d(4, 4, 3, padding=1))
        self.two = norms.weight_norm(nn.Conv2d(4, 4, 1), dim=1)
        self.three = nn.utils.spectral_norm(nn.ConvTranspose2d(4, 4, 2, 2))

    def between(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.three(F.relu(self.two(F.relu(self.one(x))))), 0.1)


@idiom(3, 6, 6)
class LoraLayers(Stem):
    """A frozen layer and a low-rank one, merged or not."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Conv2d(4, 4, 1).requires_grad_(False)
        self.down, self.up = nn.Parameter(torch.randn(2, 4)), nn.Parameter(torch.randn(4, 2))

    def between(self, x: Tensor) -> Tensor:
        return F.gelu(self.base(x) + 0.5 * torch.einsum("or,ri,nihw->nohw", self.up, self.down, x))


@idiom(3, 6, 6)
class HyperConvolution(Stem):
    """A small network of coordinates gives the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 16))

    def between(self, x: Tensor) -> Tensor:
        line = torch.linspace(-1, 1, 3, dtype=x.dtype, device=x.device)
        grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)
        kernel = self.net(grid).view(3, 3, 4, 4).permute(2, 3, 0, 1)
        return F.relu(F.conv2d(x, kernel, padding="same"))


@idiom(3, 6, 6)
class EvidentialHead(Stem):
    """Evidence by softplus, expected probabilities of a Dirichlet."""

    def forward(self, x: Tensor) -> Tensor:
        alpha = F.softplus(self.head(F.relu(self.conv(x)))) + 1
        return alpha / alpha.sum(dim=-1, keepdim=True)


@idiom(3, 6, 6)
class NoisyOr(Stem):
    """One minus the product of what is not seen anywhere."""

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.sigmoid(self.conv(x)).flatten(2)[..., ::6]
        return torch.logit(1 - torch.prod(1 - seen, dim=2))[:, :3]


@idiom(3, 6, 6)
class StickBreaking(Stem):
    """Weights of a stick broken again and again: running products."""

    def between(self, x: Tensor) -> Tensor:
        v = x.sigmoid()
        left = torch.cat([torch.ones_like(v[:, :1]), (1 - v[:, :-1]).cumprod(dim=1)], dim=1)
        return v * left


@idiom(3, 6, 6)
class MaskedMaximum(Stem):
    """The largest of what a mask leaves, which may be nothing."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        mask = x.mean(1, keepdim=True) > 0.5
        found = torch.where(mask, y, torch.tensor(-torch.inf, dtype=y.dtype)).amax((2, 3)).clamp(min=-3)
        return self.head[2](found)


@idiom(3, 6, 6)
class ClampedBetweenMaps(Stem):
    """Values kept between local minima and maxima of another map."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.other(x)
        low, high = -F.max_pool2d(-y, 3, 1, 1), F.max_pool2d(y, 3, 1, 1)
        return self.head(torch.clamp(self.conv(x), min=low, max=high))


@idiom(3, 6, 6)
class MedianOfImage(Stem):
    """Every image less its own median, in a loop over the batch."""

    def between(self, x: Tensor) -> Tensor:
        return F.relu(torch.stack([image - image.median() for image in x]))


@idiom(3, 6, 6)
class NestedOutputs(Stem):
    """Blocks that hand a tuple on, and a dictionary of lists at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)])

    def forward(self, x: Tensor) -> dict[str, Any]:
        state = (self.conv(x), [])
        for block in self.blocks:
            y, seen = state
            state = (F.relu(block(y) + y), [*seen, y.mean((2, 3))])
        return {"features": state[1], "out": {"logits": self.head(state[0])}}
