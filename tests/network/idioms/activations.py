"""Every element-wise function: torch.nn's, and those that people write by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import add, dense, idiom


class Activated(nn.Module):
    """Convolution, an activation, convolution, the activation again, head."""

    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.act = act
        self.again = nn.Conv2d(4, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.again(self.act(self.conv(x)))))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "celu": lambda: nn.CELU(0.7),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "glu_doubled": lambda: nn.Sequential(nn.Conv2d(4, 8, 1), nn.GLU(dim=1)),
    "hardshrink": lambda: nn.Hardshrink(0.2),
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "hardtanh": lambda: nn.Hardtanh(-0.4, 0.6),
    "leaky_relu": nn.LeakyReLU,
    "log_sigmoid": nn.LogSigmoid,
    "mish": nn.Mish,
    "prelu": nn.PReLU,
    "prelu_by_channel": lambda: nn.PReLU(4),
    "relu6": nn.ReLU6,
    "rrelu_at_rest": nn.RReLU,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": lambda: nn.Softplus(2, 5),
    "softshrink": lambda: nn.Softshrink(0.1),
    "softsign": nn.Softsign,
    "tanh": nn.Tanh,
    "tanhshrink": nn.Tanhshrink,
    "threshold": lambda: nn.Threshold(0.1, 0.05),
    "softmin": lambda: nn.Softmin(dim=1),
    "softmax2d": nn.Softmax2d,
}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "clamp_min": lambda x: x.clamp(min=0),
    "clamp_both": lambda x: torch.clamp(x, -0.3, 0.4),
    "clip": lambda x: x.clip(-0.5, 0.5),
    "maximum_of_zero": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "max_with_scaled_self": lambda x: torch.max(x, 0.1 * x),
    "where": lambda x: torch.where(x > 0, x, 0.2 * x),
    "where_exp": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "mask_times": lambda x: x * (x > 0).to(x.dtype),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0.0),
    "multiplied_by_bool": lambda x: x * (x > 0),
    "heaviside": lambda x: x * torch.heaviside(x, torch.zeros((), dtype=x.dtype)),
    "squared_relu": lambda x: F.relu(x).square(),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "cube_as_product": lambda x: x * x * x,
    "polynomial": lambda x: 0.5 * x + 0.25 * x**2 - 0.1 * x.pow(3),
    "sqrt_of_relu": lambda x: torch.sqrt(F.relu(x) + 1e-4),
    "exp": lambda x: torch.exp(-x.abs()),
    "gaussian": lambda x: torch.exp(-(x**2) / 2),
    "log1p": lambda x: torch.log1p(F.relu(x)),
    "log_of_abs": lambda x: torch.log(x.abs() + 0.1),
    "expm1": lambda x: torch.expm1(x.clamp(max=1)),
    "sin": torch.sin,
    "cos": torch.cos,
    "snake": lambda x: x + torch.sin(x) ** 2,
    "atan": torch.arctan,
    "asinh": torch.asinh,
    "erf": torch.erf,
    "sinc": torch.sinc,
    "reciprocal": lambda x: 1 / (1 + x**2),
    "softsign_by_hand": lambda x: x / (1 + x.abs()),
    "swish_by_hand": lambda x: x * torch.sigmoid(x),
    "swish_with_beta": lambda x: x * torch.sigmoid(1.7 * x),
    "gelu_by_hand": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    "gelu_tanh_by_hand": lambda x: (
        0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3))))
    ),
    "mish_by_hand": lambda x: x * torch.tanh(F.softplus(x)),
    "hardswish_by_hand": lambda x: x * F.relu6(x + 3) / 6,
    "hardsigmoid_by_hand": lambda x: F.relu6(x + 3.0) / 6.0,
    "sigmoid_by_hand": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh_by_hand": lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x)),
    "concatenated_relu": lambda x: torch.cat([F.relu(x), F.relu(-x)], 1)[:, ::2],
    "round_down": lambda x: x - torch.floor(x),
    "sign": lambda x: torch.sign(x) + x,
    "straight_through": lambda x: x + (torch.round(x * 4) / 4 - x).detach(),
    "binary_weights_like": lambda x: torch.sign(x) * x.abs().mean((1, 2, 3), keepdim=True),
    "quantised": lambda x: torch.fake_quantize_per_tensor_affine(x.float(), 0.1, 0, -8, 7).to(x.dtype),
    "nan_to_num": torch.nan_to_num,
    "logit": lambda x: torch.logit(torch.sigmoid(x), eps=1e-6),
    "rsqrt": lambda x: torch.rsqrt(1 + x**2) * x,
    "lerp": lambda x: torch.lerp(x, F.relu(x), 0.3),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5),
    "min_of_one": lambda x: torch.minimum(x, torch.ones((), dtype=x.dtype)),
    "hypot": lambda x: torch.hypot(x, x.flip(1)),
    "fmod": lambda x: torch.remainder(x, 0.5),
    "glu_functional": lambda x: F.glu(torch.cat([x, x.flip(1)], 1), dim=1),
    "softmax_over_space": lambda x: 9 * x * x.flatten(2).softmax(-1).view_as(x),
    "log_softmax_inside": lambda x: F.log_softmax(x, dim=1),
    "gumbel_free_softmax": lambda x: x * F.softmax(x / 0.5, dim=1),
    "threshold_functional": lambda x: F.threshold(x, 0.02, 0.0),
    "relu_inplace": lambda x: F.relu_(x.clone()),
}
for _name, _make in MODULES.items():
    add("activations", _name, (2, 5, 5), lambda make=_make: Activated(make()))
for _name, _function in FUNCTIONS.items():
    add("activations", f"{_name}_", (2, 5, 5), lambda function=_function: Activated(function))


class Swish(torch.autograd.Function):
    """An activation with a backward of its own, as EfficientNet's first port had it."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return gradient * (s * (1 + x * (1 - s)))


@idiom(2, 5, 5)
def own_autograd_function() -> nn.Module:
    return Activated(Swish.apply)


@idiom(2, 5, 5)
def scripted_activation() -> nn.Module:
    """``torch.jit.script`` of a function, as old timm had its Mish."""

    def mish(x: Tensor) -> Tensor:
        return x * torch.tanh(F.softplus(x))

    return Activated(mish)


@idiom(2, 6, 6)
class DynamicRelu(nn.Module):
    """DY-ReLU: slopes and intercepts from the image, the largest of two lines."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.fc = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid())
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        theta = (2 * self.fc(x.mean((2, 3))) - 1).view(-1, 4, 4)[..., None, None]
        first = x * (1 + theta[:, :, 0]) + theta[:, :, 1]
        second = x * theta[:, :, 2] + 0.5 * theta[:, :, 3]
        return self.head(torch.max(first, second))


@idiom(2, 6, 6)
class LearntActivation(nn.Module):
    """A mixture of activations with learnt weights (PAU, ACON)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.p1, self.p2 = nn.Parameter(torch.randn(1, 4, 1, 1)), nn.Parameter(torch.randn(1, 4, 1, 1))
        self.beta = nn.Parameter(torch.ones(1, 4, 1, 1))
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        d = (self.p1 - self.p2) * x
        return self.head(d * torch.sigmoid(self.beta * d) + self.p2 * x)
