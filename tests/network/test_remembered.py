"""A network that is what it was is captured once in a process; one that changed in any way is never served
from memory."""

import functools
import gc
import types
import weakref
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from graphpath.modules.fingerprint import LIMIT, fingerprint
from graphpath.network import lowering, take_apart

SHAPE = (2, 5, 5)
FACTOR = 1.0


@dataclass
class Settings:
    limit: float = 1e6
    deep: dict = field(default_factory=lambda: {"scales": [1.0, {"last": 1.0}]})


def scaled(x: Tensor, factor: float = 1.0) -> Tensor:
    return x * factor


def by(factor: float):
    return lambda x: x * factor


class Config(dict):
    """A dictionary with attributes, as configuration libraries make them."""

    offset = 0.0


class Owner:
    """Somebody's object: slots, no dictionary."""

    __slots__ = ("offset",)

    def __init__(self) -> None:
        self.offset = 0.0

    def move(self, x: Tensor) -> Tensor:
        return x + self.offset


class Net(nn.Module):
    """All the ways in which a forward can come to know something."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.act = nn.ReLU()
        self.head = nn.Linear(27, 4)
        for one in self.parameters():
            nn.init.normal_(one, generator=generator)
        self.register_buffer("shift", torch.zeros(3, 1, 1), persistent=False)
        self.plain = torch.zeros(3, 1, 1)
        self.settings, self.owner = Settings(), Owner()
        self.closed, self.partial = by(1.0), functools.partial(scaled, factor=1.0)
        self.method, self.names = self.owner.move, ["conv"]
        self.other = nn.Conv2d(2, 3, 3)
        self.config, self.marked = Config(), torch.ones(1)
        self.config.offset, self.marked.factor = 0.0, 1.0

    def forward(self, x: Tensor) -> Tensor:
        for name in self.names:
            x = getattr(self, name)(x)
        x = self.act(self.norm(x) + self.shift + self.plain).clamp(max=self.settings.limit)
        x = self.partial(self.closed(x)) * self.settings.deep["scales"][1]["last"] * FACTOR
        x = x * self.marked.factor + self.config.offset
        return self.head(self.step(self.method(x)).flatten(1))

    def step(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def captures(monkeypatch):
    """How often a module was captured."""
    counted = []
    own = lowering.capture

    def counting(*arguments):
        counted.append(arguments[0])
        return own(*arguments)

    monkeypatch.setattr(lowering, "capture", counting)
    return counted


def test_an_unchanged_network_is_captured_once(captures):
    net = Net()
    first = take_apart(net, SHAPE)
    net.train()  # as it is between two traces
    assert take_apart(net, SHAPE) is first
    assert len(captures) == 1
    assert net.training


def test_other_shapes_and_types_are_captured_for_themselves(captures):
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    first = take_apart(net, SHAPE)
    assert take_apart(net, (2, 7, 7)).neurons != first.neurons
    assert take_apart(net.double(), SHAPE).dtype == torch.float64
    assert len(captures) == 3


def set_weight(net):
    with torch.no_grad():
        net.head.weight[0, 0] += 1


def set_behind_autograd(net):
    net.head.weight.data[0, 0] += 1


def set_not_reached(net):
    net.settings.limit = 1e5  # no activation comes near it, so no number tells


def replace_class_method(net):
    Net.step = lambda self, x: x * 1.0


def grow_global(net):
    globals()["FACTOR"] = 2.0


CHANGES = {
    "a weight in place": set_weight,
    "a weight behind autograd": set_behind_autograd,
    "another parameter": lambda net: setattr(net.head, "bias", nn.Parameter(torch.zeros(4))),
    "a running mean": lambda net: net.norm.running_mean.add_(1),
    "a buffer out of the state dict": lambda net: net.shift.add_(1),
    "a tensor that is an attribute": lambda net: net.plain.add_(1),
    "a sub-module": lambda net: setattr(net, "act", nn.Tanh()),
    "a setting of a sub-module": lambda net: setattr(net.norm, "eps", 1e-2),
    "a forward of one object": lambda net: setattr(net.act, "forward", torch.tanh),
    "a method of the class": replace_class_method,
    "a global number": grow_global,
    "a dataclass's field": set_not_reached,
    "a list in a dictionary": lambda net: net.settings.deep["scales"][1].update(last=2.0),
    "an object with slots": lambda net: setattr(net.owner, "offset", 1.0),
    "an attribute of a dictionary": lambda net: setattr(net.config, "offset", 1.0),
    "an attribute of a tensor": lambda net: setattr(net.marked, "factor", 2.0),
    "a closure": lambda net: setattr(net, "closed", by(2.0)),
    "a closure's cell": lambda net: setattr(net.closed.__closure__[0], "cell_contents", 2.0),
    "a partial's argument": lambda net: net.partial.keywords.update(factor=2.0),
    "which module runs": lambda net: net.names.__setitem__(0, "other"),
    "a hook": lambda net: net.act.register_forward_hook(lambda part, x, y: y * 2),
    "a hook before": lambda net: net.act.register_forward_pre_hook(lambda part, x: (x[0] * 2,)),
    "a parametrization": lambda net: parametrizations.weight_norm(net.head),
    "a pruning": lambda net: prune.l1_unstructured(net.head, "weight", 0.5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_any_kind_is_seen(change, captures, monkeypatch):
    monkeypatch.setattr(Net, "step", Net.step)
    monkeypatch.setitem(globals(), "FACTOR", 1.0)
    net = Net()
    images = 3 * torch.randn((4, *SHAPE), generator=torch.Generator().manual_seed(1))
    first = take_apart(net, SHAPE)
    assert take_apart(net, SHAPE) is first
    CHANGES[change](net)
    found = take_apart(net, SHAPE)
    assert len(captures) == 2
    with torch.no_grad():
        torch.testing.assert_close(found.program.run(images), net.eval()(images))


def test_what_no_fingerprint_sees_is_seen_by_its_numbers(captures, monkeypatch):
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.GELU(), nn.Flatten(), nn.Linear(27, 2))
    take_apart(net, SHAPE)
    monkeypatch.setattr(F, "gelu", lambda x, approximate="none": torch.tanh(x))  # in an installed package
    known = fingerprint(net)
    take_apart(net, SHAPE)
    assert fingerprint(net) == known
    assert len(captures) == 2


def test_what_cannot_be_read_is_captured_each_time(captures):
    net = nn.Sequential(nn.Flatten(), nn.Linear(50, 2))
    net.data = iter([1, 2])
    assert fingerprint(net) is None
    take_apart(net, SHAPE)
    take_apart(net, SHAPE)
    assert len(captures) == 2
    net.data = list(map(str, range(LIMIT + 1)))
    assert fingerprint(net) is not None
    net.data = [[] for _ in range(LIMIT + 1)]
    assert fingerprint(net) is None


def test_two_fingerprints_of_equal_contents_agree():
    values = [torch.arange(3.0), {"a": [1, {2, 3}]}, types.SimpleNamespace(x=1), Settings(), slice(1, 2)]
    again = [torch.arange(3.0), {"a": [1, {3, 2}]}, types.SimpleNamespace(x=1), Settings(), slice(1, 2)]
    assert fingerprint(*values) == fingerprint(*again) is not None
    same = [1]
    assert fingerprint(same, same) != fingerprint([1], [1])  # one list, or two that can part
    same.append(same)
    assert fingerprint(same) is not None


def test_a_network_lives_no_longer_than_its_module():
    net = nn.Sequential(nn.Flatten(), nn.Linear(50, 2))
    taken = weakref.ref(take_apart(net, SHAPE))
    gc.collect()
    assert taken() is not None
    del net
    gc.collect()
    assert taken() is None


def test_no_more_than_a_few_are_remembered():
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(50, 2)) for _ in range(6)]
    taken = [weakref.ref(take_apart(net, SHAPE)) for net in nets]
    gc.collect()
    assert [one() is not None for one in taken] == [False, False, True, True, True, True]
