"""Draws: as many as the answer has in each layer, of what they should be, uniformly, whatever the batch."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from graphpath.network import take_apart
from graphpath.network.edits import Circuit, Cut
from graphpath.verifying.controls import CONTROLS, Controls, mark_first_distinct, mark_highest
from graphpath.verifying.sets import BatchSets, sets_from_edges, sets_from_neurons
from tests.tracing import nets

SOME = ("plain", "residual", "concatenations", "channel_shuffle", "squeeze_and_excitation", "sums")


class Case:
    """A net, an untouched pass of three images, and random sets of each image's own."""

    def __init__(self, name: str) -> None:
        self.model, shape = nets.made(name, seed=1)
        self.network = take_apart(self.model, shape)
        self.images = nets.images(shape, 3, seed=2)
        self.circuit = Circuit(self.network)
        self.clean = self.circuit.run(self.images, recorded=True)
        self._possible: dict[int, set[tuple[int, int]]] = {}

    def neurons(self, share: float = 0.3, images: int = 3) -> BatchSets:
        generator = torch.Generator().manual_seed(0)
        sites = self.network.sites[1:-1]
        return sets_from_neurons(
            {s.number: torch.rand((images, s.size), generator=generator) < share for s in sites}
        )

    def edges(self, count: int = 6, shared: bool = False) -> BatchSets:
        """Some candidate edges; the first ``count + i`` of image i."""
        cuts = {}
        for number, incoming in self.circuit.incoming.items():
            possible = sorted(self.possible(number))
            rows = [(i, *possible[k]) for i in range(3) for k in range(count + (0 if shared else i))]
            image, source, target = torch.tensor(rows).T
            cuts[number] = Cut(image, source, target)
            assert incoming.site.number == number
        return sets_from_edges(cuts, 3)

    def possible(self, number: int) -> set[tuple[int, int]]:
        """All (source, target) that some setting of the switches joins, so far as noise shows it."""
        if number not in self._possible:
            self._possible[number] = possible(self.circuit, number, self.images)
        return self._possible[number]

    def live(self, number: int) -> list[set[tuple[int, int]]]:
        """Of each image, those that carry something."""
        every = sorted(self.possible(number))
        source, target = torch.tensor(every).T
        found = []
        for image in range(3):
            cut = Cut(torch.full_like(source, image), source, target)
            flow = self.circuit.flows(self.circuit.incoming[number], self.clean, cut)
            found.append({edge for edge, carried in zip(every, flow.tolist(), strict=True) if carried})
        return found

    def controls(self, answer: BatchSets, keys: list[object] | None = None, seed: int = 0) -> Controls:
        return Controls(self.circuit, self.clean, answer, seed, keys or ["a", "b", "c"])


def possible(circuit: Circuit, number: int, images: Tensor) -> set[tuple[int, int]]:
    """The pairs that a neuron's row joins, at the switches of the images and of many random ones."""
    incoming, network = circuit.incoming[number], circuit.network
    found: set[tuple[int, int]] = set()
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((40, *network.program.steps[0].shape), generator=generator, dtype=torch.float64)
    passes = torch.cat([images, noise])
    running = circuit.run(passes, recorded=True)
    elements = running.resolving.elements(running.settings)
    target = torch.arange(incoming.site.size)
    for image in range(len(passes)):
        source = incoming.wired(elements, torch.full_like(target, image), target)
        rows, columns = (source >= 0).nonzero(as_tuple=True)
        found |= set(zip(source[rows, columns].tolist(), rows.tolist(), strict=True))
    return found


def by_image(cut: Cut) -> list[list[tuple[int, int]]]:
    rows: list[list[tuple[int, int]]] = [[], [], []]
    for image, source, target in zip(*(c.tolist() for c in (cut.image, cut.source, cut.target)), strict=True):
        rows[image].append((source, target))
    return rows


@pytest.mark.parametrize("name", SOME)
def test_neurons_are_as_many_and_live_where_asked(name: str) -> None:
    case = Case(name)
    answer = case.neurons()
    for kind in CONTROLS:
        drawn = case.controls(answer).draw(kind, 0)
        assert drawn.neurons.keys() == answer.neurons.keys()
        for number, mask in drawn.neurons.items():
            alive = case.clean.values[:, case.network.sites[number].span] != 0
            there = {
                "random": torch.ones_like(alive),
                "live": alive,
                "other": alive & ~answer.neurons[number],
            }
            assert not (mask & ~there[kind]).any()
            wanted = torch.minimum(answer.size[number], there[kind].sum(1))
            assert mask.sum(1).tolist() == wanted.tolist() == drawn.size[number].tolist()


@pytest.mark.parametrize("name", SOME)
def test_edges_are_as_many_possible_and_live_where_asked(name: str) -> None:
    case = Case(name)
    answer = case.edges()
    for kind in CONTROLS:
        drawn = case.controls(answer).draw(kind, 1)
        for number, cut in drawn.edges.items():
            possible, live = case.possible(number), case.live(number)
            own = by_image(answer.edges[number])
            for image, edges in enumerate(by_image(cut)):
                there = {
                    "random": possible,
                    "live": live[image],
                    "other": live[image] - set(own[image]),
                }[kind]
                assert len(set(edges)) == len(edges)
                if kind == "random":  # noise may not have shown every possible edge of a large window
                    assert len(set(edges) - there) <= 0.2 * len(edges)
                else:
                    assert set(edges) <= there
                assert len(edges) == min(len(own[image]), len(there))


def test_all_live_edges_are_found_where_all_are_asked_for() -> None:
    case = Case("plain")
    cuts = {}
    for number in case.circuit.incoming:
        rows = [(i, *edge) for i, live in enumerate(case.live(number)) for edge in sorted(live)]
        image, source, target = torch.tensor(rows).T
        cuts[number] = Cut(image, source, target)
    answer = sets_from_edges(cuts, 3)
    drawn = case.controls(answer).draw("live", 0)
    for number, cut in cuts.items():
        assert [set(edges) for edges in by_image(drawn.edges[number])] == [set(e) for e in by_image(cut)]
    nothing = case.controls(answer).draw("other", 0)
    assert nothing.total.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", CONTROLS)
@pytest.mark.parametrize("edges", (False, True))
def test_an_images_draw_does_not_depend_on_its_batch(kind: str, edges: bool) -> None:
    case = Case("plain")
    answer = case.edges() if edges else case.neurons()
    whole = case.controls(answer).draw(kind, 3)
    for image in range(3):
        alone = Controls(
            case.circuit,
            case.circuit.run(case.images[[image]], recorded=True),
            _only(answer, image),
            0,
            ["abc"[image]],
        ).draw(kind, 3)
        for number, mask in alone.neurons.items():
            assert torch.equal(mask[0], whole.neurons[number][image])
        for number, cut in alone.edges.items():
            assert by_image(cut)[0] == by_image(whole.edges[number])[image]


def _only(answer: BatchSets, image: int) -> BatchSets:
    if answer.neurons:
        return sets_from_neurons({n: mask[[image]] for n, mask in answer.neurons.items()})
    cuts = {}
    for number, cut in answer.edges.items():
        mine = cut.image == image
        cuts[number] = Cut(cut.image[mine] * 0, cut.source[mine], cut.target[mine])
    return sets_from_edges(cuts, 1)


@pytest.mark.parametrize("edges", (False, True))
def test_an_answer_that_is_shared_has_draws_that_are(edges: bool) -> None:
    """Random ones the same for every image; live ones from one order, so far as they are live."""
    case = Case("plain")
    answer = (
        case.edges(shared=True)
        if edges
        else sets_from_neurons({n: mask[:1] for n, mask in case.neurons(images=1).neurons.items()})
    )
    draws = {kind: case.controls(answer, ["all"]).draw(kind, 0) for kind in ("random", "live")}
    for number in answer.size:
        if edges:
            random, live = (by_image(draws[kind].edges[number]) for kind in ("random", "live"))
            assert set(random[0]) == set(random[1]) == set(random[2])
            both = set(live[0]) & set(live[1])
            assert both or number == 1
        else:
            assert draws["random"].neurons[number].shape[0] == 1
    seeds = [case.controls(answer, ["all"], seed).draw("random", 0) for seed in (0, 0, 1)]
    same = [_listed(one) for one in seeds]
    assert same[0] == same[1] != same[2]
    assert _listed(case.controls(answer, ["all"]).draw("random", 1)) != same[0]


def _listed(chosen: BatchSets) -> list[Tensor | list[object]]:
    return [
        *(mask.tolist() for mask in chosen.neurons.values()),
        *(sorted(by_image(cut)[0]) for cut in chosen.edges.values()),
    ]


def test_every_possible_edge_is_as_likely() -> None:
    """Behind pools, losers of a window too; chi-squared within four deviations."""
    torch.manual_seed(0)
    conv, pool, last = nn.Conv2d(1, 1, 1), nn.MaxPool2d(2, stride=2), nn.Linear(4, 2)
    model = nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten(), last).double().eval()
    network = take_apart(model, (1, 4, 4))
    circuit = Circuit(network)
    clean = circuit.run(torch.rand((1, 1, 4, 4), dtype=torch.float64), recorded=True)
    one = torch.tensor([0])
    answer = sets_from_edges({2: Cut(one, one + 16, one)}, 1)
    counts: Counter[tuple[int, int]] = Counter()
    draws = 640
    for number in range(draws):
        counts.update(by_image(Controls(circuit, clean, answer, 0, ["k"]).draw("random", number).edges[2])[0])
    assert len(counts) == 32  # 16 neurons, two logits
    expected = draws / 32
    chi = sum((count - expected) ** 2 / expected for count in counts.values())
    assert abs(chi - 31) < 4 * (2 * 31) ** 0.5


def test_the_highest_and_the_first_distinct_of_each_row() -> None:
    order = torch.tensor([[0.1, 0.9, -1.0, 0.5], [0.3, -1.0, -1.0, 0.2]])
    assert mark_highest(order, torch.tensor([2, 3])).int().tolist() == [[0, 1, 0, 1], [1, 0, 0, 1]]
    assert mark_highest(order, torch.tensor([1])).int().tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    key = torch.tensor([[5, -1, 5, 2, 9], [1, 1, 1, 1, 1]])
    assert mark_first_distinct(key, torch.tensor([2, 2])).int().tolist() == [[1, 0, 0, 1, 0], [1, 0, 0, 0, 0]]
