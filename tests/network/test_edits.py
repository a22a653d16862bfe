"""Neurons set and edges cut in the running network, against nets run layer by layer with dense Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from graphpath.network import Network, masked, take_apart
from graphpath.network.edits import Circuit, Cut, Edits
from tests.tracing import harness, nets, twins

EVERY = sorted(nets.NETS)
TIED = {"activation_hardtanh", "gates_of_gates"}
"""Whose pools see ties that rounding decides: there the held and the running network may switch otherwise."""
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


@dataclass(frozen=True)
class Layer:
    """A site of a slow twin: which earlier ones it reads, its z from their outputs, and its activation."""

    reads: tuple[int, ...]
    linear: Callable[..., Tensor]
    active: bool = True


@dataclass(frozen=True)
class Slow:
    """A net as a list of layers, layer 0 the image; everything one image at a time, in float64."""

    module: nn.Module
    shape: tuple[int, int, int]
    layers: list[Layer] = field(default_factory=list)

    def run(
        self,
        image: Tensor,
        gone: Callable[[int, int], bool] = lambda site, neuron: False,
        cut: Callable[[int, int, int, int], bool] = lambda site, target, reads, source: False,
        base: list[Tensor] | None = None,
    ) -> list[Tensor]:
        """The outputs of all layers; ``gone`` neurons are set to ``base`` (0), and ``cut`` edges carry it.

        J is the whole Jacobian of a layer's linear part at the values of this run, so at its own switches.
        """
        outputs: list[Tensor] = []
        for site in range(len(self.layers) + 1):
            if site == 0:
                a = image[None].clone()
            else:
                layer = self.layers[site - 1]
                operands = tuple(outputs[read] for read in layer.reads)
                z = layer.linear(*operands).flatten()
                jacobians = torch.autograd.functional.jacobian(layer.linear, operands)
                for read, values, jacobian in zip(layer.reads, operands, jacobians, strict=True):
                    dense = jacobian.reshape(len(z), values.numel())
                    zero = torch.zeros(values.numel()) if base is None else base[read].flatten()
                    for target in range(len(z)):
                        for source in range(values.numel()):
                            if cut(site, target, read, source):
                                z[target] -= dense[target, source] * (values.flatten()[source] - zero[source])
                z = z.reshape(layer.linear(*operands).shape)
                a = z.relu() if layer.active else z
            flat = a.flatten().clone()
            for neuron in range(len(flat)):
                if gone(site, neuron):
                    flat[neuron] = 0 if base is None else base[site].flatten()[neuron]
            outputs.append(flat.reshape(a.shape))
        return outputs


def chain() -> Slow:
    """Convolutions and dense layers without pools."""
    one, two, three = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 2, stride=2), nn.Linear(8, 3)
    module = nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), nn.Flatten(), three)
    nets.randomised(module, seed=0)
    linear = [one, two, lambda a: three(a.flatten(1))]
    layers = [Layer((i,), f, active=i < 2) for i, f in enumerate(linear)]
    return Slow(module, (1, 4, 4), layers)


def pooled() -> Slow:
    """Overlapping max-pools, one before a convolution and one before the dense layer."""
    one, two, three = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 3, 2, padding=1), nn.Linear(27, 3)
    pool = nn.MaxPool2d(3, stride=1, padding=1)
    last = nn.MaxPool2d(2, stride=2)
    module = nn.Sequential(one, nn.ReLU(), pool, two, nn.ReLU(), last, nn.Flatten(), three)
    nets.randomised(module, seed=1)
    linear = [one, lambda a: two(pool(a)), lambda a: three(last(a).flatten(1))]
    layers = [Layer((i,), f, active=i < 2) for i, f in enumerate(linear)]
    return Slow(module, (1, 5, 5), layers)


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, padding=1)
        self.a, self.b = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1)
        self.norm, self.relu, self.fc = nn.BatchNorm2d(2), nn.ReLU(), nn.Linear(8, 3)
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.relu(self.norm(self.b(self.relu(self.a(x)))) + x)
        return self.fc(self.pool(x).flatten(1))


def residual() -> Slow:
    """A block whose last convolution is part of the sum, an identity shortcut, and an average pool."""
    net = nets.randomised(_Residual(), seed=2)
    net.eval()
    layers = [
        Layer((0,), net.stem),
        Layer((1,), net.a),
        Layer((2, 1), lambda a, x: net.norm(net.b(a)) + x),
        Layer((3,), lambda a: net.fc(net.pool(a).flatten(1)), active=False),
    ]
    return Slow(net, (1, 3, 3), layers)


class _Cat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 2, 1)
        self.both, self.fc = nn.Conv2d(4, 2, 2), nn.Linear(2, 3)
        self.pool = nn.MaxPool2d(2, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.a(x).relu(), self.b(x).relu()
        x = self.both(torch.cat([one, two, one], 1)).relu()
        return self.fc(self.pool(x).flatten(1))


def concatenated() -> Slow:
    """A tensor that is concatenated twice reaches each neuron by parallel taps, which are one edge."""
    net = nets.randomised(_Cat(), seed=3)
    layers = [
        Layer((0,), net.a),
        Layer((0,), net.b),
        Layer((1, 2), lambda one, two: net.both(torch.cat([one, two, one], 1))),
        Layer((3,), lambda a: net.fc(net.pool(a).flatten(1)), active=False),
    ]
    return Slow(net, (1, 3, 3), layers)


SLOW = {"chain": chain, "pooled": pooled, "residual": residual, "concatenated": concatenated}


@dataclass(frozen=True)
class Case:
    """A slow twin, its network, and two images."""

    slow: Slow
    network: Network
    circuit: Circuit
    images: Tensor

    def offsets(self) -> list[int]:
        return [site.offset for site in self.network.sites]

    def edges(self, seed: int, share: float) -> dict[int, Cut]:
        """Random pairs of neurons of joined layers, edges or not, for each image its own."""
        generator, cuts = torch.Generator().manual_seed(seed), {}
        for number, layer in enumerate(self.slow.layers, 1):
            site = self.network.sites[number]
            parts = []
            for read in sorted(set(layer.reads)):
                source = self.network.sites[read]
                drawn = torch.rand((2, site.size, source.size), generator=generator) < share
                image, target, begin = drawn.nonzero(as_tuple=True)
                parts.append((image, begin + source.offset, target))
            cuts[number] = Cut(*(torch.cat(column) for column in zip(*parts, strict=True)), others=False)
        return cuts

    def asked(self, cuts: dict[int, Cut], image: int) -> Callable[[int, int, int, int], bool]:
        """Whether an edge of one image is cut, for the slow twin."""
        offsets = self.offsets()
        listed = {
            number: {
                (int(t), int(s))
                for i, s, t in zip(cut.image, cut.source, cut.target, strict=True)
                if int(i) == image
            }
            for number, cut in cuts.items()
        }

        def cut_here(site: int, target: int, read: int, source: int) -> bool:
            if site not in listed:
                return False
            return ((target, source + offsets[read]) in listed[site]) != cuts[site].others

        return cut_here


@cache
def made(name: str) -> Case:
    slow = SLOW[name]()
    network = take_apart(slow.module, slow.shape)
    assert len(network.sites) == len(slow.layers) + 1
    images = nets.images(slow.shape, 2, seed=5)
    with torch.no_grad():
        for site, output in zip(network.sites, slow.run(images[0]), strict=True):
            assert site.size == output.numel()
    return Case(slow, network, Circuit(network), images)


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("others", (False, True))
def test_cut_edges_are_taken_from_the_jacobian(name: str, others: bool) -> None:
    """Half of all edges at every layer at once; later layers meet other switches and other values."""
    case = made(name)
    cuts = {
        number: Cut(cut.image, cut.source, cut.target, others)
        for number, cut in case.edges(seed=1, share=0.5).items()
    }
    got = case.circuit.run(case.images, Edits(cuts=cuts)).logits
    for image in range(2):
        wanted = case.slow.run(case.images[image], cut=case.asked(cuts, image))[-1].flatten()
        torch.testing.assert_close(got[image], wanted, rtol=1e-10, atol=1e-10)
    assert not torch.allclose(got, case.circuit.run(case.images).logits, rtol=1e-3)


@pytest.mark.parametrize("name", SLOW)
def test_one_edge_after_the_other(name: str) -> None:
    """Each of ten live edges alone changes what the slow twin says it does."""
    case = made(name)
    every = case.edges(seed=2, share=1.0)
    clean = case.circuit.run(case.images, recorded=True)
    changed = 0
    for number, cut in every.items():
        flow = case.circuit.flows(case.circuit.incoming[number], clean, cut)
        for place in flow.abs().argsort(descending=True)[:10].tolist():
            one = Cut(cut.image[[place]], cut.source[[place]], cut.target[[place]])
            got = case.circuit.run(case.images, Edits(cuts={number: one})).logits
            image = int(one.image[0])
            wanted = case.slow.run(case.images[image], cut=case.asked({number: one}, image))[-1].flatten()
            torch.testing.assert_close(got[image], wanted, rtol=1e-10, atol=1e-10)
            assert torch.equal(got[1 - image], clean.logits[1 - image])
            changed += int(not torch.equal(got[image], clean.logits[image]))
    assert changed > 10


@pytest.mark.parametrize("name", SLOW)
def test_neurons_set_to_zero_or_to_a_baseline(name: str) -> None:
    """Pools choose again among what is left."""
    case, generator = made(name), torch.Generator().manual_seed(3)
    masks = {s.number: torch.rand((2, s.size), generator=generator) < 0.4 for s in case.network.sites}
    base = torch.rand((2, case.network.neurons), generator=generator, dtype=torch.float64)
    for baseline in (None, base, base[:1]):
        got = case.circuit.run(case.images, Edits(neurons=masks, baseline=baseline)).logits
        for image in range(2):
            row = None if baseline is None else baseline[image if len(baseline) == 2 else 0]
            by_site = None if row is None else [row[site.span] for site in case.network.sites]
            wanted = case.slow.run(
                case.images[image],
                gone=lambda site, neuron, image=image: bool(masks[site][image, neuron]),
                base=by_site,
            )
            torch.testing.assert_close(got[image], wanted[-1].flatten(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SLOW)
def test_cut_edges_carry_the_baseline(name: str) -> None:
    case, generator = made(name), torch.Generator().manual_seed(4)
    base = torch.rand((2, case.network.neurons), generator=generator, dtype=torch.float64)
    cuts = case.edges(seed=5, share=0.5)
    for others in (False, True):
        asked = {n: Cut(cut.image, cut.source, cut.target, others) for n, cut in cuts.items()}
        got = case.circuit.run(case.images, Edits(cuts=asked, baseline=base)).logits
        for image in range(2):
            by_site = [base[image, site.span] for site in case.network.sites]
            wanted = case.slow.run(case.images[image], cut=case.asked(asked, image), base=by_site)
            torch.testing.assert_close(got[image], wanted[-1].flatten(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SLOW)
def test_all_edges_into_a_neuron_leave_its_bias(name: str) -> None:
    case = made(name)
    target = case.network.sites[2]
    cut = case.edges(seed=0, share=1.0)[2]
    ran = case.circuit.run(case.images, Edits(cuts={2: cut}), recorded=True)
    for image in range(2):
        flow = twins.take_apart(case.slow.module, case.images[image]).sites[2].b
        kept = ran.values[image, target.span]
        torch.testing.assert_close(kept, torch.as_tensor(flow).relu(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["chain", "residual"])
def test_all_edges_out_of_a_neuron_are_the_neuron(name: str) -> None:
    """Where no pool stands between: behind one, the neuron's place would go to the next largest."""
    case = made(name)
    every = case.edges(seed=0, share=1.0)
    for neuron in (case.network.sites[1].offset + 3, case.network.sites[2].offset + 1):
        out_of = {
            number: Cut(cut.image[mine], cut.source[mine], cut.target[mine])
            for number, cut in every.items()
            for mine in (cut.source == neuron,)
        }
        site = 1 if neuron < case.network.sites[2].offset else 2
        mask = torch.zeros((1, case.network.sites[site].size), dtype=torch.bool)
        mask[0, neuron - case.network.sites[site].offset] = True
        got = case.circuit.run(case.images, Edits(cuts=out_of)).logits
        wanted = case.circuit.run(case.images, Edits(neurons={site: mask})).logits
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


def test_behind_a_pool_a_cut_edge_leaves_its_place_empty() -> None:
    """The winner removed, another wins; its edges cut, nothing comes from there."""
    case = made("pooled")
    first, second = case.network.sites[1:3]
    clean = case.circuit.run(case.images, recorded=True)
    winner = int(clean.values[0, first.span].argmax())
    cut = case.edges(seed=0, share=1.0)[2]
    mine = cut.source == first.offset + winner
    out_of = Edits(cuts={2: Cut(cut.image[mine], cut.source[mine], cut.target[mine])})
    mask = torch.zeros((1, first.size), dtype=torch.bool)
    mask[0, winner] = True
    by_edges = case.circuit.run(case.images, out_of, recorded=True).values[0, second.span]
    by_neuron = case.circuit.run(case.images, Edits(neurons={1: mask}), recorded=True).values[0, second.span]
    assert not torch.allclose(by_edges, by_neuron)


def every_edge(network: Network, model: nn.Module, images: Tensor) -> dict[int, tuple[Cut, Tensor]]:
    """All edges of the held network with their flows, as the tracing side lists them."""
    batch, _ = harness.held(model, images)
    found: dict[int, list[tuple[Tensor, ...]]] = {site.number: [] for site in network.sites[1:]}
    for image, edges in enumerate(harness.every_edge(batch)):
        for number, parts in found.items():
            site = network.sites[number]
            here = (edges.target >= site.offset) & (edges.target < site.span.stop)
            columns = (edges.source[here], edges.target[here] - site.offset, edges.flow[here])
            source, target, flow = map(torch.from_numpy, columns)
            parts.append((torch.full_like(source, image), source, target, flow))
    cuts = {}
    for number, parts in found.items():
        image, source, target, flow = (torch.cat(column) for column in zip(*parts, strict=True))
        cuts[number] = Cut(image, source, target), flow
    return cuts


@pytest.mark.parametrize("name", sorted(set(EVERY) - TIED))
def test_flows_are_those_that_are_traced(name: str) -> None:
    """On a net for every operation; and to keep them all is to change nothing."""
    model, shape = nets.made(name, seed=EVERY.index(name))
    network, images = take_apart(model, shape), nets.images(shape, 2, seed=1)
    circuit = Circuit(network)
    clean = circuit.run(images, recorded=True)
    traced = every_edge(network, model, images)
    for number, (cut, flow) in traced.items():
        got = circuit.flows(circuit.incoming[number], clean, cut)
        torch.testing.assert_close(got, flow, rtol=1e-9, atol=1e-12)
    kept = Edits(cuts={n: Cut(c.image, c.source, c.target, others=True) for n, (c, _) in traced.items()})
    torch.testing.assert_close(circuit.run(images, kept).logits, clean.logits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_changed_is_the_network_and_zero_a_factor(name: str) -> None:
    model, shape = nets.made(name, seed=EVERY.index(name))
    network, images = take_apart(model, shape), nets.images(shape, 2, seed=1)
    circuit = Circuit(network)
    assert torch.equal(circuit.run(images).logits, masked(network, images, {}))
    generator = torch.Generator().manual_seed(0)
    masks = {s.number: torch.rand((2, s.size), generator=generator) < 0.3 for s in network.sites}
    factors = {number: (~mask).double() for number, mask in masks.items()}
    assert torch.equal(circuit.run(images, Edits(neurons=masks)).logits, masked(network, images, factors))
    nobody = {number: torch.zeros_like(mask) for number, mask in masks.items()}
    assert torch.equal(circuit.run(images, Edits(neurons=nobody)).logits, circuit.run(images).logits)
    none = torch.empty(0, dtype=torch.int64)
    empty = Edits(cuts={number: Cut(none, none, none) for number in circuit.incoming})
    assert torch.equal(circuit.run(images, empty).logits, circuit.run(images).logits)
