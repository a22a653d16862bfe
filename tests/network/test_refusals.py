"""What cannot be taken apart is refused in one sentence that names the operation and its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from graphpath.errors import NetworkError, UnsupportedOperation
from graphpath.network import take_apart
from tests.tracing import nets

SHAPE = (3, 6, 6)


def around(operation: Callable[[Tensor], Any]) -> nn.Module:
    """A network with an operation in its middle."""
    return nets.Net(
        lambda net, x: net.head(operation(net.stem(x))), stem=nets.conv(3, 4), head=nets.head(4 * 36)
    )


def holding(odd: nn.Module) -> nn.Module:
    return nets.Net(
        lambda net, x: net.head(net.odd(net.stem(x))), stem=nets.conv(3, 4), odd=odd, head=nets.head(4 * 36)
    )


def giving(forward: Callable[[Any, Tensor], Any]) -> nn.Module:
    return nets.Net(forward, stem=nets.conv(3, 4), other=nets.conv(3, 4), head=nets.head(4 * 36))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "gate of two branches": (
        lambda: giving(lambda net, x: net.head(net.stem(x) * torch.relu(net.other(x)))),
        "^mul multiplies two tensors of one shape, neither",
    ),
    "square": (lambda: around(lambda y: y * y), "^mul multiplies two tensors of one shape, neither"),
    "product of gates": (
        lambda: around(lambda y: torch.sigmoid(y) * torch.tanh(y)),
        "^mul multiplies two tensors of one shape, neither or both",
    ),
    "product of a row and a column": (
        lambda: around(lambda y: y.mean((2, 3), keepdim=True) * y[:, :1]),
        r"^mul multiplies two tensors of the shapes \(4, 1, 1\) and \(1, 6, 6\)",
    ),
    "power": (lambda: around(lambda y: y**2), "^pow .*cannot take apart"),
    "division by a tensor": (lambda: around(lambda y: 1 / (y + 2)), "^truediv divides by a tensor"),
    "softmax": (lambda: around(lambda y: F.softmax(y, 1)), "^softmax .*cannot take apart"),
    "softmax module": (lambda: holding(nn.Softmax(dim=1)), "^odd is torch.nn.modules.activation.Softmax"),
    "log softmax of the logits": (
        lambda: giving(lambda net, x: F.log_softmax(net.head(net.stem(x)), 1)),
        "^log_softmax .*cannot take apart",
    ),
    "mean over the batch": (
        lambda: around(lambda y: y - y.mean(0, keepdim=True)),
        "^mean is a mean over the dimensions 0",
    ),
    "batch turned round": (lambda: around(lambda y: y.flip(0)), "^flip "),
    "batch indexed": (lambda: around(lambda y: y[torch.tensor([1, 0])]), "^getitem .*keep the whole batch"),
    "batch sliced": (lambda: around(lambda y: y[:1]), "^getitem .*keep the whole batch"),
    "batch concatenated": (lambda: around(lambda y: torch.cat([y, y])), "^cat concatenates along the batch"),
    "batch transposed": (
        lambda: around(lambda y: y.transpose(0, 1).transpose(0, 1)),
        "^transpose transposes the batch dimension",
    ),
    "batch permuted": (
        lambda: around(lambda y: y.permute(1, 0, 2, 3)),
        "^permute permutes the batch dimension",
    ),
    "batch split": (lambda: around(lambda y: y.chunk(2)[0]), "^chunk splits the batch dimension"),
    "batch flattened": (lambda: around(lambda y: y.view(-1)), "^view reshapes across the images of a batch"),
    "made for a batch of two": (
        lambda: around(lambda y: y + torch.ones(2, 4, 6, 6)),
        "^add .*image to image",
    ),
    "batch norm without statistics": (
        lambda: holding(nn.BatchNorm2d(4, track_running_stats=False)),
        "^odd is a batch norm without running statistics",
    ),
    "group norm": (lambda: holding(nn.GroupNorm(2, 4)), "^odd is torch.nn.modules.normalization.GroupNorm"),
    "instance norm": (
        lambda: holding(nn.InstanceNorm2d(4)),
        "^odd is torch.nn.modules.instancenorm.InstanceNorm2d",
    ),
    "transposed convolution": (
        lambda: holding(nn.ConvTranspose2d(4, 4, 3, padding=1)),
        "^odd is torch.nn.modules.conv.ConvTranspose2d",
    ),
    "interpolation": (lambda: around(lambda y: F.interpolate(y, size=6)), "^interpolate "),
    "matrix product": (lambda: around(lambda y: torch.matmul(y, y.transpose(2, 3))), "^matmul "),
    "dropout that is always on": (
        lambda: around(lambda y: F.dropout(y, 0.5)),
        "^dropout drops at random even in",
    ),
    "broadcast sum": (
        lambda: giving(lambda net, x: net.head(net.stem(x) + F.adaptive_avg_pool2d(net.other(x), 1))),
        "^add adds tensors of the shapes",
    ),
    "dense layer over tokens": (
        lambda: holding(nn.Sequential(nn.Flatten(2), nn.Linear(36, 36))),
        r"^odd\.1 is a linear layer on a tensor of shape \(4, 36\)",
    ),
    "padding with a value": (lambda: around(lambda y: F.pad(y, (1, 1), value=0.5)), "^pad pads with 0.5"),
    "write into a slice": (
        lambda: around(lambda y: (y.__setitem__((slice(None), 0), 0.0), y)[1]),
        "^__setitem__ ",
    ),
    "max-pool with indices": (
        lambda: giving(lambda net, x: net.head(F.max_pool2d(net.stem(x), 1, return_indices=True)[0])),
        "max_pool2d",
    ),
    "recurrent layer": (lambda: holding(nn.LSTM(6, 6)), "^odd is torch.nn.modules.rnn.LSTM"),
    "weight norm": (
        lambda: holding(nn.utils.parametrizations.weight_norm(nets.conv(4, 4))),
        "^odd is .*ParametrizedConv2d",
    ),
    "two outputs": (
        lambda: giving(lambda net, x: (net.head(net.stem(x)), x)),
        "^the network's output is tuple",
    ),
    "a feature map as output": (
        lambda: giving(lambda net, x: net.stem(x)),
        r"^the network's output is \(4, 6, 6\); expected .* logits",
    ),
    "vision transformer": (
        lambda: torchvision.models.VisionTransformer(6, 3, 1, 2, 8, 8, num_classes=3),
        "^cat concatenates the image's tensors with one that is not made of it",
    ),
    "hooks": (lambda: hooked(), "^stem has forward hooks"),
    "old weight norm": (lambda: pre_hooked(), "^stem has forward hooks"),
}


def hooked() -> nn.Module:
    model = around(F.relu)
    model.stem.register_forward_hook(lambda module, args, result: result * 2)
    return model


def pre_hooked() -> nn.Module:
    model = around(F.relu)
    model.stem.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    return model


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_by_name_and_place(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedOperation, match=message) as caught:
        take_apart(make(), SHAPE)
    assert "\n" not in str(caught.value)


def test_a_transformer_is_refused() -> None:
    layer = nn.TransformerEncoderLayer(36, 2, batch_first=True)
    model = nets.Net(
        lambda net, x: net.odd(net.stem(x).flatten(2)).flatten(1), stem=nets.conv(3, 4), odd=layer
    )
    with pytest.raises(UnsupportedOperation, match=r"^odd is .*TransformerEncoderLayer"):
        take_apart(model, SHAPE)


def test_the_place_is_the_one_inside_the_network() -> None:
    inner = nn.Sequential(nets.conv(3, 4), nn.Sequential(nn.ReLU(), nn.Tanhshrink()))
    with pytest.raises(UnsupportedOperation, match=r"^body\.1\.1 is .*Tanhshrink"):
        take_apart(nets.Net(lambda net, x: net.head(net.body(x)), body=inner, head=nets.head(144)), SHAPE)
    gate = nets.Net(lambda net, x: x * net.conv(x), conv=nets.conv(3, 3))
    with pytest.raises(UnsupportedOperation, match=r"^block\.mul multiplies"):
        take_apart(nets.Net(lambda net, x: net.head(net.block(x)), block=gate, head=nets.head(108)), SHAPE)


def test_a_second_input_is_refused() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.fc(x) + y

    with pytest.raises(UnsupportedOperation, match="second input"):
        take_apart(Two(), (1, 2, 2))


def test_branching_on_values_is_refused() -> None:
    model = giving(lambda net, x: net.head(net.stem(x)) if x.sum() > 0 else net.head(net.other(x)))
    with pytest.raises(NetworkError, match=r"torch\.fx cannot trace Net: .*control flow"):
        take_apart(model, SHAPE)


def test_operations_in_place_through_a_view_are_noticed() -> None:
    """What cannot be followed is not traced wrongly: the program's logits are compared with the model's."""
    model = around(lambda y: (y[:, :2].relu_(), y)[1])
    with pytest.raises(NetworkError, match="gives other logits than the network itself"):
        take_apart(model, SHAPE)


def test_a_hook_on_the_whole_network_that_changes_its_result_is_noticed() -> None:
    model = around(F.relu)
    model.register_forward_hook(lambda module, args, result: result * 2)
    with pytest.raises(NetworkError):
        take_apart(model, SHAPE)


def test_images_that_the_network_cannot_take_are_refused() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 4 * 4, 3))
    take_apart(model, (1, 6, 6))
    with pytest.raises(NetworkError, match=r"Sequential cannot take images of shape \(1, 7, 7\): .*size"):
        take_apart(model, (1, 7, 7))


def test_networks_without_weights_and_images_of_other_ranks_are_refused() -> None:
    with pytest.raises(NetworkError, match="has no parameters"):
        take_apart(nn.Sequential(nn.Flatten(), nn.ReLU()), SHAPE)
    with pytest.raises(NetworkError, match=r"expected \(channels, height, width\)"):
        take_apart(around(F.relu), (6, 6))


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "swin_v2_t", "maxvit_t"])
def test_torchvisions_transformers_are_refused(name: str) -> None:
    with torch.device("meta"), pytest.raises(NetworkError):
        take_apart(torchvision.models.get_model(name, weights=None), (3, 224, 224))
