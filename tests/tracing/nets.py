"""Small networks that between them hold every supported operation, with the shape of their images."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

Shape = tuple[int, int, int]


def randomised(model: nn.Module, seed: int) -> nn.Module:
    """The model in float64 with random weights, biases, and batch-norm scales, shifts and statistics."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    model.double()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.copy_(0.3 * drawn(module.running_mean))
                module.running_var.copy_(0.5 + drawn(module.running_var) ** 2)
                if module.weight is not None:
                    module.weight.copy_(1 + 0.5 * drawn(module.weight))
                    module.bias.copy_(0.3 * drawn(module.bias))
            elif isinstance(getattr(module, "weight", None), Tensor):
                flow_rows = module.weight[0].numel()
                module.weight.copy_(drawn(module.weight) * (2 / flow_rows) ** 0.5)
                if getattr(module, "bias", None) is not None:
                    module.bias.copy_(0.2 * drawn(module.bias))
    return model


def images(shape: Shape, count: int, seed: int) -> Tensor:
    """Random images (count, *shape) in [0, 1], with some pixels exactly 0."""
    generator = torch.Generator().manual_seed(1000 + seed)
    drawn = torch.rand((count, *shape), generator=generator, dtype=torch.float64)
    return torch.where(torch.rand(drawn.shape, generator=generator) < 0.1, 0.0, drawn)


class Net(nn.Module):
    """Modules by name, and a forward given as a function of (modules, x)."""

    def __init__(self, forward: Callable[[Net, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self, x)


class Refused(nn.Module):
    """What graphpath cannot take apart: a Fourier transform."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x).real


NETS: dict[str, tuple[Callable[[], nn.Module], Shape]] = {}


def net(shape: Shape) -> Callable[[Callable[[], nn.Module]], Callable[[], nn.Module]]:
    def register(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        NETS[make.__name__] = (make, shape)
        return make

    return register


def conv(inner: int, outer: int, size: int | tuple[int, int] = 3, **options: object) -> nn.Conv2d:
    options.setdefault("padding", 1 if size == 3 else 0)
    return nn.Conv2d(inner, outer, size, **options)  # type: ignore[arg-type]


def head(features: int, classes: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(features, classes))


def stem(net: Net, x: Tensor) -> Tensor:
    return F.relu(net.stem(x))


# --- plain layers ------------------------------------------------------------------------


@net((2, 5, 5))
def plain() -> nn.Module:
    return nn.Sequential(
        conv(2, 3),
        nn.ReLU(),
        conv(3, 4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    )


@net((1, 4, 4))
def linear_only() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5, bias=False), nn.Linear(5, 3)
    )


@net((4, 6, 6))
def groups_and_depthwise() -> nn.Module:
    return nn.Sequential(
        conv(4, 6, groups=2), nn.ReLU(), conv(6, 6, groups=6), nn.ReLU(), conv(6, 4, 1), nn.ReLU(), head(144)
    )


@net((2, 8, 7))
def stride_and_dilation() -> nn.Module:
    return nn.Sequential(
        conv(2, 4, stride=(2, 1), padding=(1, 2)),
        nn.ReLU(),
        conv(4, 4, dilation=(1, 2), padding=2),
        nn.ReLU(),
        conv(4, 3, (2, 3), stride=2, padding=0, groups=1),
        nn.ReLU(),
        head(36),
    )


def padded(mode: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        return nn.Sequential(
            conv(2, 3, padding=(2, 1), padding_mode=mode),
            nn.ReLU(),
            conv(3, 3, stride=2, padding_mode=mode),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(3),
        )

    make.__name__ = f"padding_{mode}"
    return make


for _mode in ("zeros", "reflect", "replicate", "circular"):
    net((2, 5, 6))(padded(_mode))


@net((2, 5, 6))
def padding_same() -> nn.Module:
    return nn.Sequential(
        conv(2, 3, (4, 2), padding="same"),
        nn.ReLU(),
        conv(3, 3, 2, padding="same", dilation=(3, 1)),
        nn.ReLU(),
        conv(3, 2, 4, padding="same", padding_mode="circular"),
        nn.ReLU(),
        conv(2, 2, 3, padding="valid"),
        nn.ReLU(),
        head(2 * 3 * 4),
    )


@net((2, 5, 5))
def functional_weights() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = torch.relu(F.conv2d(x, net.a.weight, net.a.bias, padding=1))
        x = F.conv2d(x, net.b.weight, None, 2, 1, 1, 2).relu()
        return F.linear(x.flatten(1), net.c.weight, bias=net.c.bias)

    return Net(forward, a=conv(2, 4), b=conv(4, 4, groups=2), c=nn.Linear(36, 3))


# --- batch norm and activations ----------------------------------------------------------


@net((2, 5, 5))
def norm_folded() -> nn.Module:
    return nn.Sequential(
        conv(2, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        conv(3, 4),
        nn.BatchNorm2d(4, affine=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(100, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Linear(6, 3),
    )


@net((2, 5, 5))
def norm_alone() -> nn.Module:
    """Pre-activation, as in DenseNet; batch norm on the image, and one that nothing activates."""
    return nn.Sequential(
        nn.BatchNorm2d(2),
        conv(2, 3),
        nn.ReLU(),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        conv(3, 3),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.BatchNorm2d(3),
        head(3),
    )


@net((2, 5, 5))
def norm_with_two_readers() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        y = net.bn(net.stem(x))
        return net.head(torch.cat([F.relu(y), y], 1))

    return Net(forward, stem=conv(2, 3), bn=nn.BatchNorm2d(3), head=head(150))


@net((2, 5, 5))
def relu_spellings() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.relu(net.a(x))
        x = F.relu(net.b(x), inplace=True)
        x = net.c(x)
        torch.relu_(x)
        x = net.relu(net.d(x)).relu()
        x = net.e(x)
        x.relu_()
        return net.head(net.dropout(x))

    parts = {name: conv(2, 2) for name in "abcde"}
    return Net(forward, **parts, relu=nn.ReLU(inplace=True), head=head(50), dropout=nn.Dropout(0.5))


@net((2, 4, 4))
def relu_in_place_read_again() -> nn.Module:
    """What reads a tensor after an operation in place reads the result."""

    def forward(net: Net, x: Tensor) -> Tensor:
        y = net.stem(x)
        z = F.relu_(y)
        return net.head(y + net.a(z))

    return Net(forward, stem=conv(2, 3), a=conv(3, 3), head=head(48))


@net((2, 4, 4))
def clone_before_in_place() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        y = net.stem(x)
        z = y.clone()
        y = y * 2
        w = z.clone()
        z += y
        y.relu_()
        return net.head(torch.cat([w, z, y], 1))

    return Net(forward, stem=conv(2, 2), head=head(96))


@net((2, 4, 4))
def activation_alone() -> nn.Module:
    """A pre-activation with two readers, a ReLU behind a pool, a ReLU of the image, and logits behind one."""

    def forward(net: Net, x: Tensor) -> Tensor:
        y = net.stem(F.relu(x - 0.5))
        z = F.relu(F.max_pool2d(y, 2))
        return F.relu(net.head(torch.cat([F.relu(y).flatten(1), z.flatten(1), y.flatten(1)], 1)))

    return Net(forward, stem=conv(2, 3), head=nn.Linear(108, 4))


@net((2, 4, 4))
def dropouts() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = F.relu(net.two(net.stem(x)))
        x = net.depth(x)
        x = F.dropout(net.alpha(x), 0.3, training=net.training)
        return net.head(net.identity(x).contiguous())

    return Net(
        forward,
        stem=conv(2, 3),
        two=nn.Dropout2d(),
        depth=StochasticDepth(0.5, "row"),
        alpha=nn.AlphaDropout(),
        identity=nn.Identity(),
        head=head(48),
    )


def activated(name: str, activation: Callable[[], nn.Module]) -> None:
    """An activation behind a convolution, behind a sum, alone behind a pool, and behind a dense layer."""

    def make() -> nn.Module:
        def forward(net: Net, x: Tensor) -> Tensor:
            x = net.act(net.a(x))
            x = net.act2(net.b(x) + x)
            x = net.act3(F.max_pool2d(x, 2))
            return net.fc(net.act4(net.dense(x.flatten(1))))

        acts = {f"act{i}": activation() for i in ("", 2, 3, 4)}
        return Net(forward, a=conv(2, 3), b=conv(3, 3), dense=nn.Linear(12, 3), fc=nn.Linear(3, 3), **acts)

    make.__name__ = f"activation_{name}"
    net((2, 5, 5))(make)


for _name, _activation in {
    "silu": lambda: nn.SiLU(inplace=True),
    "hardswish": nn.Hardswish,
    "relu6": lambda: nn.ReLU6(inplace=True),
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    "tanh": nn.Tanh,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "prelu": lambda: nn.PReLU(3),
    "elu": lambda: nn.ELU(0.7, inplace=True),
    "celu": lambda: nn.CELU(0.5),
    "selu": nn.SELU,
    "mish": nn.Mish,
    "hardtanh": lambda: nn.Hardtanh(0.1, 0.8),
    "softplus": lambda: nn.Softplus(2.0),
    "softsign": nn.Softsign,
}.items():
    activated(_name, _activation)


@net((2, 5, 5))
def activation_functions() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = F.silu(net.a(x))
        x = F.gelu(net.b(x), approximate="tanh")
        x = F.leaky_relu(F.hardswish(net.c(x)), 0.3)
        x = F.relu6(net.d(x)) + torch.sigmoid(x) - F.hardsigmoid(x)
        y = net.e(x)
        return net.head(torch.cat([y * torch.sigmoid(y), x.tanh()], 1))

    return Net(forward, **{name: conv(2, 2) for name in "abcde"}, head=head(100))


# --- gates, and norms over one image -----------------------------------------------------


def squeezed(channels: int, gate: nn.Module) -> nn.Module:
    """The gate of squeeze-and-excitation (Hu et al. 2018)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(channels, 2, 1), nn.SiLU(), conv(2, channels, 1), gate)


@net((2, 6, 6))
def squeeze_and_excitation() -> nn.Module:
    """Behind an activation, behind a sum's operand, in place, and behind pools that overlap and average."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        x = F.silu(net.a(net.s1(x) * x))
        y = net.b(x)
        y = y * net.s2(y)
        x = F.relu(y + x)
        y = F.max_pool2d(x, 3, 1, 1)
        y *= net.s3(x)
        z = F.avg_pool2d(torch.cat([y, x], 1), 3, 2)
        return net.head(F.max_pool2d(z * net.s4(z), 2, 1))

    gates = {f"s{i}": squeezed(3, nn.Sigmoid() if i % 2 else nn.Hardsigmoid()) for i in (1, 2, 3)}
    return Net(
        forward, stem=conv(2, 3), a=conv(3, 3), b=conv(3, 3), s4=squeezed(6, nn.Tanh()), head=head(6), **gates
    )


@net((2, 4, 4))
def gates_of_gates() -> nn.Module:
    """Gated linear units, a gate over space, one gated twice, and the logits behind one."""

    def forward(net: Net, x: Tensor) -> Tensor:
        value, gate = net.stem(x).chunk(2, 1)
        x = F.relu(net.a(value * torch.sigmoid(gate)))
        x = x * torch.sigmoid(net.b(x)) * torch.sigmoid(x.mean((2, 3), keepdim=True))
        logits = net.head(x)
        return logits * torch.sigmoid(net.fc(x.flatten(1)))

    return Net(forward, stem=conv(2, 6), a=conv(3, 3), b=conv(3, 1, 1), head=head(48), fc=nn.Linear(48, 3))


@net((2, 5, 5))
def layer_norms() -> nn.Module:
    """Over channels at each place, over the whole image, over features; without weights; behind pools."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.channels(net.a(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = F.relu(net.b(F.max_pool2d(F.relu(x), 3, 1, 1)))
        x = net.whole(F.avg_pool2d(x, 2, 1)) + 0.1
        x = F.relu(net.c(x))
        return net.fc(F.layer_norm(x.flatten(1), (48,)))

    return Net(
        forward,
        a=conv(2, 3),
        b=conv(3, 3),
        c=conv(3, 3),
        channels=nn.LayerNorm(3),
        whole=nn.LayerNorm((3, 4, 4), bias=False),
        fc=nn.Linear(48, 3),
    )


@net((2, 4, 4))
def convnext_block() -> nn.Module:
    """Depthwise, channels last, normalised, dense over channels, scaled, added (Liu et al. 2022)."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = torch.permute(net.depthwise(x), (0, 2, 3, 1))
        y = net.narrow(F.gelu(net.wide(net.norm(y))))
        x = x + net.scale * y.permute(0, 3, 1, 2)
        return net.head(net.last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).mean((2, 3)))

    made = Net(
        forward,
        stem=conv(2, 3),
        depthwise=conv(3, 3, groups=3),
        norm=nn.LayerNorm(3),
        wide=nn.Linear(3, 5),
        narrow=nn.Linear(5, 3),
        last=nn.LayerNorm(3),
        head=nn.Linear(3, 3),
    )
    made.scale = nn.Parameter(torch.tensor([0.5, -2.0, 1.5], dtype=torch.float64).view(3, 1, 1))
    return made


@net((2, 4, 5))
def turned_round_and_round() -> nn.Module:
    """Axes that move under activations, sums and constants, and orders that never cancel."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.a(x).permute(0, 2, 3, 1)
        x = F.relu(x * torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64) + 0.1)
        x = F.prelu(x.transpose(1, 3), net.slopes.weight)  # (C, W, H)
        x = F.relu(net.b(x)).permute(0, 3, 1, 2)  # (H, C, W)
        y = F.relu(x.permute(0, 2, 1, 3))
        z = y.permute(0, 2, 3, 1)
        return net.head(F.relu(z + z)[:, :, 1:])

    return Net(
        forward,
        a=conv(2, 3),
        b=conv(3, 3),
        slopes=nn.PReLU(3),
        head=nn.Sequential(nn.Flatten(), nn.LazyLinear(3)),
    )


# --- pooling -----------------------------------------------------------------------------


def pooled(name: str, pool: Callable[[], nn.Module], shape: Shape = (2, 7, 7)) -> None:
    """A convolution, then a dense layer, then a sum's shortcut, behind a pool."""

    def make() -> nn.Module:
        def forward(net: Net, x: Tensor) -> Tensor:
            x = net.pool(stem(net, x))
            x = F.relu(net.a(x) + x)
            return net.head(net.again(x))

        return Net(
            forward,
            stem=conv(shape[0], 3),
            pool=pool(),
            a=conv(3, 3, groups=3),
            again=pool(),
            head=nn.Sequential(nn.Flatten(), nn.LazyLinear(3)),
        )

    make.__name__ = name
    net(shape)(make)


pooled("max_pool", lambda: nn.MaxPool2d(2, ceil_mode=True))
pooled("max_pool_overlapping", lambda: nn.MaxPool2d(3, 2, 1))
pooled("max_pool_stride_one", lambda: nn.MaxPool2d(3, 1, 1))
pooled("max_pool_dilated", lambda: nn.MaxPool2d(2, 2, 1, dilation=2, ceil_mode=True))
pooled("max_pool_gaps", lambda: nn.MaxPool2d((1, 2), (2, 3)))
pooled("max_pool_adaptive", lambda: nn.AdaptiveMaxPool2d((3, 2)))
pooled("max_pool_adaptive_overlapping", lambda: nn.AdaptiveMaxPool2d((5, None)))
pooled("average_pool", lambda: nn.AvgPool2d(2))
pooled("average_pool_padded", lambda: nn.AvgPool2d(3, 2, 1))
pooled("average_pool_padding_not_counted", lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False))
pooled("average_pool_ceil", lambda: nn.AvgPool2d(2, 2, 1, ceil_mode=True), (2, 6, 7))
pooled(
    "average_pool_ceil_not_counted",
    lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    (2, 8, 7),
)
pooled("average_pool_ceil_drops_window", lambda: nn.AvgPool2d(2, 3, 1, ceil_mode=True), (2, 6, 8))
pooled("average_pool_stride_one", lambda: nn.AvgPool2d(3, 1, 1))
pooled("average_pool_divisor", lambda: nn.AvgPool2d((2, 3), divisor_override=5), (2, 8, 12))
pooled("average_pool_adaptive", lambda: nn.AdaptiveAvgPool2d((3, 2)))
pooled("average_pool_upsampling", lambda: nn.AdaptiveAvgPool2d(9), (2, 4, 5))
pooled("pool_of_pool", lambda: nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.MaxPool2d(3, 2)))
pooled("max_of_average", lambda: nn.Sequential(nn.AvgPool2d(2, 1, 1), nn.MaxPool2d(3, 2)))
pooled("average_of_max", lambda: nn.Sequential(nn.MaxPool2d(3, 1), nn.AvgPool2d(3, 2, 1)))
pooled("max_average_max", lambda: nn.Sequential(nn.MaxPool2d(2, 1), nn.AvgPool2d(2, 1), nn.MaxPool2d(2, 1)))


@net((2, 6, 6))
def pool_spellings() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = F.max_pool2d(stem(net, x), 3, stride=1, padding=1)
        x = F.avg_pool2d(x, 2, 2, ceil_mode=True)
        x = F.relu(net.a(x))
        parts = [F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, (1, 1)), x.mean((2, 3), keepdim=True)]
        flat = torch.cat([torch.flatten(part, 1) for part in parts], dim=-1)
        return net.head(torch.cat([flat, x.mean([-2, -1]), torch.mean(x, dim=(2, 3))], 1))

    return Net(forward, stem=conv(2, 3), a=conv(3, 4), head=nn.Linear(20, 3))


@net((2, 6, 6))
def logits_of_an_average() -> nn.Module:
    """As SqueezeNet ends: a convolution per class, ReLU, and an average."""
    return nn.Sequential(
        conv(2, 3), nn.ReLU(), conv(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


@net((2, 6, 6))
def logits_of_a_linear_average() -> nn.Module:
    return nn.Sequential(conv(2, 3), nn.ReLU(), conv(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


# --- sums and concatenations -------------------------------------------------------------


@net((2, 5, 5))
def residual() -> nn.Module:
    """Identity and projection shortcuts, batch norms folded, in place as torchvision writes it."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.relu(net.bn(net.stem(x)))
        y = net.b1(net.a1(x))
        y += x
        x = net.relu(y)
        y = net.b2(net.a2(net.relu(net.c2(x))))
        y += net.down(x)
        return net.head(net.relu(y))

    return Net(
        forward,
        relu=nn.ReLU(inplace=True),
        stem=conv(2, 3),
        bn=nn.BatchNorm2d(3),
        a1=conv(3, 3, bias=False),
        b1=nn.BatchNorm2d(3),
        c2=conv(3, 4, stride=2),
        a2=conv(4, 4),
        b2=nn.BatchNorm2d(4),
        down=nn.Sequential(nn.Conv2d(3, 4, 1, 2), nn.BatchNorm2d(4)),
        head=head(36),
    )


@net((2, 4, 4))
def sums() -> nn.Module:
    """x + x, conv(x) + x, a sum of sums, constants, alpha, add_, and a linear sum."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        x = F.relu(x + x)
        x = F.relu(net.a(x) + x)
        y = net.b(x)
        x = torch.add(net.c(x), y, alpha=0.5) + (y + 1.5)
        y = F.relu(x).add(F.avg_pool2d(x, 3, 1, 1))
        y.add_(net.d(x))
        return net.fc(y.flatten(1)) + net.short(x.flatten(1))

    convs = {name: conv(3, 3) for name in "abcd"}
    return Net(forward, stem=conv(2, 3), **convs, fc=nn.Linear(48, 3), short=nn.Linear(48, 3))


@net((2, 4, 4))
def convolution_added_to_itself() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        y = net.stem(x)
        return net.head(F.relu(y + y))

    return Net(forward, stem=conv(2, 3), head=head(48))


@net((2, 4, 4))
def differences() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        y = F.relu(net.a(x)) - x
        z = torch.sub(y, F.max_pool2d(x, 3, 1, 1)) - 0.25
        return net.head(-F.relu(z) / 2)

    return Net(forward, stem=conv(2, 3), a=conv(3, 3), head=head(48))


@net((2, 6, 6))
def concatenations() -> nn.Module:
    """cat of branches, of a tensor with itself, and of one with its pool; densely connected."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        x = F.relu(net.a(torch.cat([x, x], 1)))
        y = torch.cat([x, F.max_pool2d(x, 3, 1, 1)], 1)
        x = F.relu(net.b(y))
        dense = torch.concat([x, y, F.avg_pool2d(y, 3, 1, 1)], dim=-3)
        z = F.relu(net.c(dense))
        return net.head(torch.cat([z, dense], 1))

    return Net(forward, stem=conv(2, 2), a=conv(4, 2), b=conv(4, 3), c=conv(11, 2, 1), head=head(13 * 36))


@net((2, 5, 5))
def cat_over_space() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        wide = torch.cat([x, x[:, :, :, :2], x], 3)
        return net.head(F.relu(net.a(wide)))

    return Net(forward, stem=conv(2, 2), a=conv(2, 2), head=head(2 * 5 * 12))


@net((2, 5, 5))
def grouped_cat_of_itself() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        return net.head(F.relu(net.a(torch.cat([x, x, x], 1)) + net.b(torch.cat([x, F.relu(net.c(x))], 1))))

    return Net(
        forward, stem=conv(2, 2), a=conv(6, 4, groups=2), b=conv(4, 4, 1), c=conv(2, 2), head=head(100)
    )


@net((2, 5, 5))
def grouped_average_of_itself() -> nn.Module:
    """Taps and groups together, and a dense layer behind an upsampling average."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        x = F.relu(net.a(F.avg_pool2d(torch.cat([x, x], 1), 3, 1, 1)))
        return net.head(F.adaptive_avg_pool2d(F.adaptive_max_pool2d(x, 3), 5))

    return Net(forward, stem=conv(2, 2), a=conv(4, 4, groups=4), head=head(100))


# --- elements moved ----------------------------------------------------------------------


@net((4, 4, 4))
def channel_shuffle() -> nn.Module:
    """ShuffleNet v2's unit."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        left, right = x.chunk(2, dim=1)
        x = torch.cat((left, F.relu(net.a(right))), dim=1)
        n, c, h, w = x.size()
        x = x.view(n, 2, c // 2, h, w)
        x = torch.transpose(x, 1, 2).contiguous()
        x = x.view(n, -1, h, w)
        left, right = torch.chunk(x, 2, 1)
        return net.head(net.b(right) + left)

    return Net(forward, stem=conv(4, 4), a=conv(2, 2), b=conv(2, 2, groups=2), head=head(32))


@net((2, 4, 6))
def moves() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x).permute(0, 1, 3, 2)
        x = F.relu(net.a(torch.permute(x, (0, 1, 2, 3))))
        x = x[:, :, 1:, ::2]
        first, rest = torch.split(x, [1, 2], dim=1)
        flat = torch.reshape(rest, (x.shape[0], -1))
        corner = x[:, 1, 0].unsqueeze(1).squeeze(1)
        row = x[..., -1].transpose(-1, 1).reshape(x.size(0), -1)
        both = torch.cat([flat, first.flatten(1), corner, row, x[:, :, 2, 1]], 1)
        return net.fc(F.relu(net.b(both)))

    return Net(forward, stem=conv(2, 3), a=conv(3, 3), b=nn.Linear(30 + 2 + 15 + 3, 5), fc=nn.Linear(5, 3))


@net((3, 4, 5))
def paddings_and_normalisation() -> nn.Module:
    """Affine normalisation of the input, explicit padding of every kind, cropping."""

    def forward(net: Net, x: Tensor) -> Tensor:
        mean = torch.tensor([0.4, 0.5, 0.6], dtype=torch.float64).view(1, 3, 1, 1)
        x = (x - mean) / torch.tensor([0.2, 0.3, 0.25], dtype=torch.float64).view(3, 1, 1)
        x = F.relu(net.a(net.zero(x)))
        x = F.pad(x, (1, 0, 2, 1), mode="reflect")
        x = F.relu(net.b(net.replicate(F.max_pool2d(x, 2, 1))))
        x = F.max_pool2d(F.pad(x, (1, 1, 1, 1)) - 0.2, 3, 2)
        x = F.relu(net.c(net.circular(2 * x + 0.1)))
        return net.head(F.pad(x, (-1, 0, 0, -1)))

    return Net(
        forward,
        zero=nn.ZeroPad2d((1, 0, 0, 2)),
        replicate=nn.ReplicationPad2d(1),
        circular=nn.CircularPad2d(1),
        a=conv(3, 2),
        b=conv(2, 3, stride=2, padding=0),
        c=conv(3, 6, padding=0),
        head=nn.Sequential(nn.Flatten(), nn.LazyLinear(3)),
    )


@net((3, 4, 4))
def padded_channels() -> nn.Module:
    """The shortcut without weights of He et al. 2016 (option A): strided, padded with empty channels."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        y = F.relu(net.a(x))
        y = net.b(y) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2))
        return net.head(F.relu(y))

    return Net(forward, stem=conv(3, 3), a=conv(3, 4, stride=2), b=conv(4, 6), head=head(24))


@net((2, 6, 6))
def input_read_by_many() -> nn.Module:
    """The image itself is concatenated, added and pooled further on."""

    def forward(net: Net, x: Tensor) -> Tensor:
        y = F.relu(net.a(x) + x)
        y = torch.cat([y, x, F.max_pool2d(x, 3, 1, 1)], 1)
        y = F.relu(net.b(y))
        return net.fc(torch.cat([y.flatten(1), x.flatten(1)], 1))

    return Net(forward, a=conv(2, 2), b=conv(6, 2, stride=2), fc=nn.Linear(18 + 72, 3))


# --- what an image sets, beyond gates and norms ------------------------------------------


def tokens(x: Tensor) -> Tensor:
    """(N, places, channels)."""
    return x.flatten(2).transpose(1, 2)


@net((2, 3, 2))
def attention() -> nn.Module:
    """A transformer's block: two heads, a class token, norms, residual sums (Dosovitskiy et al. 2021)."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = tokens(net.stem(x))
        x = torch.cat([net.token.expand(len(x), -1, -1), x], 1)
        y = net.norm(x)
        q, k, v = net.qkv(y).unflatten(2, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + net.out(y)
        return net.head((x + F.gelu(net.mlp(x)))[:, 0])

    made = Net(
        forward,
        stem=conv(2, 4),
        norm=nn.LayerNorm(4),
        qkv=nn.Linear(4, 12),
        out=nn.Linear(4, 4),
        mlp=nn.Linear(4, 4),
        head=nn.Linear(4, 3),
    )
    made.token = nn.Parameter(torch.tensor([[[0.3, -0.2, 0.5, 0.1]]]))
    return made


@net((2, 4, 4))
def attention_behind_pools() -> nn.Module:
    """Of pools that overlap and average, of a tensor beside itself, and one pattern for all channels."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = stem(net, x)
        pooled = F.avg_pool2d(F.max_pool2d(x, 2, 1), 2, 1)
        values = tokens(torch.cat([pooled, pooled * pooled.mean((2, 3), keepdim=True).sigmoid()], 1))
        mixed = (values @ values.transpose(1, 2)).softmax(-1) @ values
        return net.head(mixed) + net.other(F.relu(mixed))

    return Net(forward, stem=conv(2, 2), head=head(16), other=head(16))


@net((2, 3, 3))
def quotients_choices_and_ratios() -> nn.Module:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        x = F.group_norm(F.avg_pool2d(x, 2, 1), 2) / (1 + x[:, :1].abs().mean((2, 3), keepdim=True))
        y = net.a(F.relu(x))
        x = torch.where(y > 0, y, x * 0.5) + torch.where(x > 0.1, x, 0.25)
        return net.head(
            torch.cat([x.softmax(1), F.max_pool2d(F.instance_norm(x), 3, 1, 1)], 2).log_softmax(2)
        )

    return Net(forward, stem=conv(2, 4), a=conv(4, 4), head=nn.Sequential(nn.Flatten(), nn.LazyLinear(3)))


@net((2, 3, 3))
def products() -> nn.Module:
    """Of two tensors neither of which is a gate, of two gates, and of two matrices."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = net.a(x * x.flip(3)) + x
        z = torch.sigmoid(y) * torch.tanh(net.b(y))
        return net.head(torch.cat([z @ y.transpose(2, 3), y], 1))

    return Net(forward, stem=conv(2, 2), a=conv(2, 2), b=conv(2, 2), head=head(36))


@net((2, 4, 3))
def largest() -> nn.Module:
    """Of axes, of two tensors, and in order."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = torch.maximum(x, net.a(F.relu(x))) - torch.minimum(x, x.flip(3) + 0.2)
        y = F.relu(net.b(y.topk(2, 3)[0]))
        parts = [y.amax(1), y.max(2)[0], y.topk(1, 3)[0], y.flatten(2).sort(1)[0], y.kthvalue(2, 2)[0]]
        return net.head(torch.cat([part.flatten(1) for part in parts], 1))

    return Net(forward, stem=conv(2, 2), a=conv(2, 2), b=conv(2, 2, 1), head=nn.LazyLinear(3))


HELD = ["attention", "attention_behind_pools", "largest", "products", "quotients_choices_and_ratios"]
"""The nets whose twins are in tests/network/test_held_by_hand.py."""

TWINNED = sorted(set(NETS) - {"turned_round_and_round", *HELD})
"""The nets whose twin numbers its neurons alike; of the others only the laws speak."""


def made(name: str, seed: int = 0) -> tuple[nn.Module, Shape]:
    """The net called ``name``, randomised."""
    make, shape = NETS[name]
    model = make().double()
    with torch.no_grad():
        model.eval()(torch.zeros((1, *shape), dtype=torch.float64))
    return randomised(model, seed), shape
