"""Every rule of the dialect, in float64: the module's own logits and gradient, every conservation check, and
each edge once; as torch.export gives it, and decomposed to core ATen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphpath.network import capture, hold
from graphpath.network.dialect import registry
from graphpath.tracing.batch import Batch
from tests.network.rules import RULES, drawn, windows
from tests.tracing import harness, nets

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
SHAPE = (2, 4, 3)
EVERY = sorted(RULES)
GROUPS = [EVERY[first : first + 6] for first in range(0, len(EVERY), 6)]
NO_DERIVATIVE = {
    *("copy", "detach_copy", "heaviside", "native_channel_shuffle"),
    *("fake_quantize_per_tensor_affine_cachemask"),
}
"""Of which PyTorch has none."""


class Holding(nn.Module):
    """A convolution, functions of what it gives, each on its own, and a dense layer."""

    def __init__(self, functions: list[Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.functions = functions
        self.stem = nn.Conv2d(2, 4, 1)
        self.head = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(torch.cat([function(x).flatten(1) for function in self.functions], 1))


@pytest.fixture(scope="module")
def used() -> Iterator[set[str]]:
    """The rules that were asked, as they are."""
    found: set[str] = set()
    rules = dict(registry._RULES)

    def noted(name: str, rule: Callable[..., object]) -> Callable[..., object]:
        def noting(*args: object, **kwargs: object) -> object:
            found.add(name)
            return rule(*args, **kwargs)

        return noting

    registry._RULES.update({name: noted(name, rule) for name, rule in rules.items()})
    yield found
    registry._RULES.update(rules)


def test_no_rule_is_without_a_case() -> None:
    assert set(RULES) == set(registry.known())
    assert all(RULES.values())


def made(functions: list[Callable[[Tensor], Tensor]]) -> nn.Module:
    torch.manual_seed(0)
    model = Holding(functions).double().eval()
    model(nets.images(SHAPE, 1, seed=1))
    return model


def check(names: list[str]) -> None:
    """Raise AssertionError if a net of these rules' functions breaks any law."""
    model = made([function for name in names for function in RULES[name]])
    batch = check_laws(model)
    if not NO_DERIVATIVE.intersection(names):
        check_true_gradient(model, batch)


def check_laws(model: nn.Module) -> Batch:
    pixels = nets.images(SHAPE, 2, seed=1)
    batch, _ = harness.held(model, pixels)
    torch.testing.assert_close(batch.held.logits, model(pixels).detach(), rtol=1e-10, atol=1e-10)
    for image, mine in enumerate(harness.every_edge(batch)):
        for law, off in harness.laws(mine, harness.numbers(batch, image)).items():
            assert off < harness.EXACT, (law, image)
        assert len(set(zip(mine.source.tolist(), mine.target.tolist(), strict=True))) == len(mine) > 0
    return batch


def check_true_gradient(model: nn.Module, batch: Batch) -> None:
    network = batch.compiled.network
    true = hold(network, batch.images, lambda _: batch.held.seed, gates="true")
    pixels = batch.images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((model(pixels) * batch.held.seed).sum(), pixels)
    ours = true.gradient[:, network.sites[0].span].reshape(pixels.shape)
    torch.testing.assert_close(ours, gradient, rtol=1e-9, atol=1e-10)


def broken(names: list[str]) -> dict[str, str]:
    """What is wrong of each of some rules, all in one net first."""
    try:
        check(names)
    except Exception as error:
        if len(names) == 1:
            return {names[0]: f"{type(error).__name__}: {error}"}
        alone = {name: why for one in names for name, why in broken([one]).items()}
        return alone or {" with ".join(names): str(error)}
    return {}


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: f"{names[0]}-{names[-1]}")
def test_rules_are_lawful(names: list[str], used: set[str]) -> None:
    used.clear()
    assert broken(names) == {}
    for name in set(names) - used:  # another's operation had all decomposed
        used.clear()
        check([name])
        assert name in used, name


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: f"{names[0]}-{names[-1]}")
def test_rules_are_lawful_decomposed(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a network that has an operation without a rule, all of which is decomposed then."""
    monkeypatch.setattr(capture, "make_functional", lambda graph: False)
    assert broken(names) == {}


@st.composite
def convolutions(draw: st.DrawFn) -> Callable[[Tensor], Tensor]:
    """A convolution or its transpose, of 1 to 3 dimensions, with any options, of images or their halves."""
    rank, transposed, halves = draw(st.integers(1, 3)), draw(st.booleans()), draw(st.booleans())
    groups, outs = draw(st.sampled_from([1, 2])), draw(st.integers(1, 2))

    def sizes(least: int, most: int) -> list[int]:
        return [draw(st.integers(least, most)) for _ in range(rank)]

    kernel, stride, dilation = sizes(1, 2), sizes(1, 3), sizes(1, 2)
    padding = [draw(st.integers(0, d * (k - 1))) for k, d in zip(kernel, dilation, strict=True)]
    more = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    inner = 4 // groups
    shape = (4, outs, *kernel) if transposed else (outs * groups, inner, *kernel)
    weight, bias = drawn(*shape), drawn(outs * groups) if draw(st.booleans()) else None
    space = {1: (-1,), 2: (2, -1), 3: (1, 2, -1)}[rank]
    name = f"conv{'_transpose' if transposed else ''}{rank}d"
    options = {"output_padding": more} if transposed else {}

    def convolve(x: Tensor) -> Tensor:
        parts = (windows(x) if halves else x).flatten(2).unflatten(2, space)
        function = getattr(F, name)
        found: Tensor = function(
            parts, weight, bias, stride, padding, groups=groups, dilation=dilation, **options
        )
        return found.reshape(len(x), -1)

    return convolve


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(function=convolutions())
def test_convolutions_of_any_options(function: Callable[[Tensor], Tensor]) -> None:
    try:
        model = made([function])
    except RuntimeError:  # a kernel larger than its image
        assume(False)
    check_true_gradient(model, check_laws(model))
