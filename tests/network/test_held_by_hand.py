"""The held network against autograd: nets written twice, as users do, and with what is held detached.

What flows from the first layer to the logits along all routes is the second one's Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.rules import by_image, drawn, masked, rows
from tests.tracing import harness, nets

SHAPE = (2, 4, 3)
Function = Callable[[Tensor], Tensor]


def held(phi: Function, z: Tensor) -> Tensor:
    """An element-wise function as a gate and what it gives at 0."""
    zero = phi(torch.zeros((), dtype=z.dtype))
    return z * ((phi(z) - zero) / z).detach() + zero


def ratio(function: Function, x: Tensor) -> Tensor:
    """What a function multiplies each element by."""
    return x * (function(x) / x).detach()


def normed(x: Tensor, axes: tuple[int, ...], eps: float, centred: bool = True) -> Tensor:
    mean = x.mean(axes, keepdim=True).detach() if centred else 0
    scale = ((x - mean).square().mean(axes, keepdim=True) + eps).rsqrt().detach()
    return (x - mean) * scale


def halves(a: Tensor, b: Tensor, product: Callable[[Tensor, Tensor], Tensor] = torch.mul) -> Tensor:
    return (product(a, b.detach()) + product(a.detach(), b)) / 2


def pattern(x: Tensor, mask: Tensor | None = None) -> Tensor:
    q, k = rows(x), rows(x) @ drawn(4, 4)
    scores = q @ k.transpose(1, 2) / 2
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)


def picked(x: Tensor, places: Tensor, axis: int) -> Tensor:
    return x.gather(axis, places.detach())


def chosen_hard(x: Tensor) -> Tensor:
    """1 at the largest of the channels, 0 elsewhere, with the gradient of a softmax."""
    soft = x.softmax(1)
    return torch.zeros_like(x).scatter(1, soft.argmax(1, True), 1.0) - soft.detach() + soft


def _others(x: Tensor, k: int) -> Tensor:
    """Of the factors up to row k, the product of the others, held."""
    factors = x[:, :, : k + 1]
    return (factors.prod(2, True) / factors).detach()


MASK = torch.ones(12, 12, dtype=torch.bool).tril()

WRITTEN: dict[str, tuple[Function, Function]] = {
    "attention": (
        lambda x: F.scaled_dot_product_attention(rows(x), rows(x) @ drawn(4, 4), rows(x)),
        lambda x: pattern(x).detach() @ rows(x),
    ),
    "causal attention": (
        lambda x: F.scaled_dot_product_attention(rows(x), rows(x) @ drawn(4, 4), rows(x), is_causal=True),
        lambda x: pattern(x, MASK).detach() @ rows(x),
    ),
    "attention spelled out": (
        lambda x: pattern(x, MASK) @ (rows(x) @ drawn(4, 5)),
        lambda x: pattern(x, MASK).detach() @ (rows(x) @ drawn(4, 5)),
    ),
    "softmax": (lambda x: x.softmax(1), lambda x: ratio(lambda z: z.softmax(1), x)),
    "log softmax": (lambda x: x.log_softmax(1), lambda x: ratio(lambda z: z.log_softmax(1), x)),
    "layer norm": (
        lambda x: F.layer_norm(x, (4, 3), drawn(4, 3), drawn(4, 3, seed=1), 0.1),
        lambda x: normed(x, (2, 3), 0.1) * drawn(4, 3) + drawn(4, 3, seed=1),
    ),
    "layer norm over channels": (
        lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,), drawn(4)).permute(0, 3, 1, 2),
        lambda x: normed(x, (1,), 1e-5) * drawn(4)[:, None, None],
    ),
    "group norm": (
        lambda x: F.group_norm(x, 2, drawn(4), drawn(4)),
        lambda x: (
            normed(x.reshape(-1, 2, 24), (2,), 1e-5).reshape(x.shape) * drawn(4)[:, None, None]
            + drawn(4)[:, None, None]
        ),
    ),
    "instance norm": (lambda x: F.instance_norm(x, eps=0.2), lambda x: normed(x, (2, 3), 0.2)),
    "root mean square norm": (
        lambda x: F.rms_norm(x, (3,), drawn(3), 0.1),
        lambda x: normed(x, (3,), 0.1, centred=False) * drawn(3),
    ),
    "norm spelled out": (
        lambda x: (x - x.mean(1, True)) / torch.sqrt(x.var(1, unbiased=False, keepdim=True) + 0.1),
        lambda x: (x - x.mean(1, True)) * (x.var(1, unbiased=False, keepdim=True) + 0.1).rsqrt().detach(),
    ),
    "normalised to length 1": (
        lambda x: F.normalize(x, dim=1),
        lambda x: x / x.norm(dim=1, keepdim=True).detach(),
    ),
    "gate": (lambda x: x * x.flip(1).sigmoid(), lambda x: x * x.flip(1).sigmoid().detach()),
    "squeeze and excitation": (
        lambda x: x * (x.mean((2, 3), keepdim=True) * 3).relu(),
        lambda x: x * (x.mean((2, 3), keepdim=True) * 3).relu().detach(),
    ),
    "product": (lambda x: x * x.flip(2), lambda x: halves(x, x.flip(2))),
    "product of gates": (
        lambda x: x.sigmoid() * x.flip(1).tanh(),
        lambda x: halves(held(torch.sigmoid, x), held(torch.tanh, x.flip(1))),
    ),
    "product of matrices": (
        lambda x: x @ x.transpose(2, 3),
        lambda x: halves(x, x.transpose(2, 3), torch.matmul),
    ),
    "matrices of which one is a gate": (
        lambda x: x @ x.transpose(2, 3).sigmoid(),
        lambda x: x @ x.transpose(2, 3).sigmoid().detach(),
    ),
    "product of many": (
        lambda x: x.prod(1),
        lambda x: (x * (x.prod(1, True) / x).detach()).mean(1),
    ),
    "running product": (
        lambda x: x.cumprod(2),
        lambda x: torch.stack([(x[:, :, : k + 1] * _others(x, k)).mean(2) for k in range(4)], 2),
    ),
    "gate that is a hard choice": (
        lambda x: x * chosen_hard(x.flip(2)),
        lambda x: x * chosen_hard(x.flip(2)).detach(),
    ),
    "quotient": (
        lambda x: x / (x.flip(1).abs() + 0.5),
        lambda x: x / (x.flip(1).abs() + 0.5).detach(),
    ),
    "choice": (
        lambda x: torch.where(x.flip(1) > 0, x, x.flip(2) * 2),
        lambda x: torch.where((x.flip(1) > 0).detach(), x, x.flip(2) * 2),
    ),
    "max-pool": (
        lambda x: F.max_pool2d(x, 2, 1),
        lambda x: picked(x.flatten(2), F.max_pool2d(x, 2, 1, return_indices=True)[1].flatten(2), 2),
    ),
    "largest of channels": (lambda x: x.amax(1), lambda x: picked(x, x.argmax(1, True), 1)),
    "largest of what is not masked": (
        lambda x: masked(x).amax(1).clamp(-0.2, 0.7),
        lambda x: ratio(lambda z: z.clamp(-0.2, 0.7), picked(x, masked(x).argmax(1, True), 1)).where(
            masked(x).amax(1, True).isfinite(), -0.2
        ),
    ),
    "median of all": (
        lambda x: by_image(x, lambda image: image[0] + image.median()),
        lambda x: x[:, 0] + picked(x.flatten(1), x.flatten(1).median(1, True)[1], 1)[:, :, None],
    ),
    "between two": (
        lambda x: x.clamp(x.flip(1), x.flip(2) + 0.3),
        lambda x: torch.where(
            ((x > x.flip(1)) & (x < x.flip(2) + 0.3)).detach(),
            x,
            torch.where((x.flip(1) > x.flip(2) + 0.3) | (x > x.flip(1)), x.flip(2) + 0.3, x.flip(1)),
        ),
    ),
    "larger of two": (
        lambda x: torch.maximum(x, x.flip(3) + 0.1),
        lambda x: torch.where((x > x.flip(3) + 0.1).detach(), x, x.flip(3) + 0.1),
    ),
    "some largest": (lambda x: x.topk(2, 1)[0], lambda x: picked(x, x.topk(2, 1)[1], 1)),
    "sorted": (lambda x: x.sort(2)[0], lambda x: picked(x, x.sort(2)[1], 2)),
    "activations": (
        lambda x: F.silu(x) + torch.exp(x.flip(1)) - x.square() + F.gelu(x.flip(2)),
        lambda x: (
            held(F.silu, x) + held(torch.exp, x.flip(1)) - held(torch.square, x) + held(F.gelu, x.flip(2))
        ),
    ),
    "activation spelled out": (
        lambda x: (y := x.flip(1)) * torch.sigmoid(y),
        lambda x: held(F.silu, x.flip(1)),
    ),
    "local response norm": (
        lambda x: F.local_response_norm(x, 3),
        lambda x: ratio(lambda z: F.local_response_norm(z, 3), x),
    ),
}


class Made(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function, self.stem, self.head = function, nn.Conv2d(2, 4, 1), nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.later(self.stem(x))

    def later(self, x: Tensor) -> Tensor:
        return self.head(self.function(x).flatten(1))


def along_all_routes(edges: harness.Edges, numbers: harness.Numbers) -> np.ndarray:
    """d(output of a neuron) / d(output of another) by the edges alone: (neurons, neurons)."""
    count = len(numbers.a)
    step = np.zeros((count, count))
    step[edges.target, edges.source] = edges.flow / numbers.a[edges.source] * numbers.gate[edges.target]
    return np.linalg.inv(np.eye(count) - step)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_held_is_what_is_detached(name: str) -> None:
    plain, by_hand = WRITTEN[name]
    torch.manual_seed(3)
    model = Made(plain).double().eval()
    pixels = nets.images(SHAPE, 2, seed=2)
    logits = model(pixels).detach()
    batch, classes = harness.held(model, pixels)
    twin = Made(by_hand).double()
    twin.stem, twin.head = model.stem, model.head
    torch.testing.assert_close(twin(pixels).detach(), logits, rtol=1e-12, atol=1e-12)
    first, last = batch.compiled.sites[1], batch.compiled.sites[-1]
    assert first.name == "stem"
    for image, edges in enumerate(harness.every_edge(batch)):
        x = model.stem(pixels[image : image + 1]).detach()
        wanted = torch.autograd.functional.jacobian(twin.later, x).reshape(3, -1)
        found = along_all_routes(edges, harness.numbers(batch, image))[last.span, first.span]
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-9, atol=1e-11)
        gradient = batch.held.gradient[image, first.span]
        torch.testing.assert_close(gradient, wanted[classes[image]], rtol=1e-9, atol=1e-11)
