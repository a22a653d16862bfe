"""The conservation checks on torchvision's networks, in float64, batch norms randomised.

By operator: every site's pre-activation as a function of the outputs of the sites that it reads, which
autograd differentiates. By edge: sampled live neurons of every kind of site.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from graphpath.network import Site, hold
from graphpath.network.channels import MapIncoming
from graphpath.network.mapped import Planes
from graphpath.network.operations import Conv, Gate
from graphpath.tracing.batch import Batch
from tests.tracing import harness, nets
from tests.tracing.harness import EXACT, residual

pytestmark = pytest.mark.slow

NETWORKS: dict[str, int] = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 64,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "googlenet": 64,
    "inception_v3": 75,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 64,
    "regnet_x_400mf": 32,
    "regnet_y_400mf": 32,
    "resnet18": 64,
    "resnet50": 32,
    "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64,
    "vgg11_bn": 32,
    "vgg16": 32,
    "wide_resnet50_2": 32,
}
"""A network of every family of torchvision's, and the side of its images."""

UNDRAWN = {"init_weights": False}
OPTIONS = {
    "googlenet": {**UNDRAWN, "aux_logits": False},
    "inception_v3": {**UNDRAWN, "aux_logits": False},
    "vgg11_bn": UNDRAWN,
    "vgg16": UNDRAWN,
}
HIDDEN = 32
"""Neurons of a hidden linear layer: most of the time went into the 4096 of AlexNet and VGG."""


def made(name: str) -> nn.Module:
    """A network of ``NETWORKS`` for ten classes, with random weights."""
    model = torchvision.models.get_model(name, weights=None, num_classes=10, **OPTIONS.get(name, {}))
    if name in ("alexnet", "vgg11_bn", "vgg16"):
        narrow(model.classifier)
    return nets.randomised(model, seed=0)


def narrow(head: nn.Sequential) -> None:
    """Let the hidden linear layers of ``head`` have ``HIDDEN`` neurons."""
    *hidden, last = [place for place, layer in enumerate(head) if isinstance(layer, nn.Linear)]
    width = head[hidden[0]].in_features
    for place in hidden:
        head[place] = nn.Linear(width, HIDDEN)
        width = HIDDEN
    head[last] = nn.Linear(width, head[last].out_features)


@dataclass(frozen=True)
class Local:
    """A network cut at its sites: ``z[i]`` is a function of the leaves ``a``, the outputs of all sites."""

    a: list[Tensor]
    z: list[Tensor]


@dataclass(frozen=True)
class Case:
    model: nn.Module
    batch: Batch
    target: int
    local: Local
    reads: list[list[int]]
    """For each site the sites that it reads directly."""
    back: list[dict[int, Tensor]]
    """For each site s and site p that it reads, J_sp^T df/dz_s."""


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    size, model = NETWORKS[request.param], made(request.param)
    batch, classes = harness.held(model, nets.images((3, size, size), 1, seed=0))
    local = cut_at_sites(batch)
    reads, back = [], []
    for site, z in zip(batch.compiled.sites, local.z, strict=True):
        weights = batch.held.gradient_before(site).reshape(z.shape)
        found = (
            torch.autograd.grad(z, local.a, weights, allow_unused=True, retain_graph=True)
            if site.number
            else []
        )
        back.append({number: g for number, g in enumerate(found) if g is not None and number != site.number})
        reads.append(sorted(back[-1]))
    yield Case(model, batch, classes[0], local, reads, back)


def cut_at_sites(batch: Batch) -> Local:
    """Runs the network with every site's output replaced by a leaf."""
    network = batch.compiled.network
    after, before = {s.after: s for s in network.sites}, {s.before: s for s in network.sites}
    values: list[Tensor] = []
    leaves: dict[int, Tensor] = {}
    z: dict[int, Tensor] = {}
    last = {read: number for number, step in enumerate(network.program.steps) for read in step.inputs}
    for number, step in enumerate(network.program.steps):
        value = step.operation.run(*([values[i] for i in step.inputs] or [batch.images]))
        if number in before:
            z[before[number].number] = value
        if number in after and after[number].kind != "logits":
            value = value.detach().requires_grad_(True)
            leaves[after[number].number] = value
        values.append(value)
        for read in step.inputs:
            if last[read] == number:
                values[read] = torch.empty(0)
    sites = network.sites
    final = torch.zeros(1, requires_grad=True)
    return Local([leaves.get(s.number, final) for s in sites], [z[s.number] for s in sites])


def flows_by_operator(case: Case, site: Site) -> Tensor:
    """J a, the sum of all flows into a site's neurons: backward twice (size,)."""
    z, reads = case.local.z[site.number], [case.local.a[i] for i in case.reads[site.number]]
    probe = torch.zeros_like(z, requires_grad=True)
    rows = torch.autograd.grad(z, reads, probe, create_graph=True, retain_graph=True)
    total = sum((row * a.detach()).sum() for row, a in zip(rows, reads, strict=True))
    return torch.autograd.grad(total, probe, retain_graph=True)[0].flatten()


def test_flows_and_constants_by_operator(case: Case) -> None:
    """``IncomingEdges.forward`` is J a, at every neuron of every site."""
    for site, incoming in zip(case.batch.compiled.sites[1:], case.batch.compiled.incoming, strict=True):
        ours = incoming.forward(case.batch.held.values, case.batch.held.settings.matrices)[0]
        theirs = flows_by_operator(case, site)
        scale = torch.maximum(theirs.abs(), case.batch.held.before[site.number][0].abs().mean())
        assert residual(ours.numpy(), theirs.numpy(), scale.numpy()) < EXACT, site.name


def test_gradients_by_operator(case: Case) -> None:
    """df/da is what the sites that read ``a`` send back; unheld, it is the model's own at the image."""
    held, sites = case.batch.held, case.batch.compiled.sites
    sent: list[Tensor | float] = [0.0] * len(sites)
    size: list[Tensor | float] = [0.0] * len(sites)
    for back in case.back:
        for number, gradient in back.items():
            sent[number] = sent[number] + gradient.flatten()
            size[number] = size[number] + gradient.abs().flatten()
    for site in sites[:-1]:
        ours = held.gradient[0, site.span]
        terms = torch.maximum(torch.as_tensor(size[site.number]), ours.abs().mean())
        assert residual(sent[site.number].numpy(), ours.numpy(), terms.numpy()) < EXACT, site.name
    pixels = case.batch.images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(case.model.eval()(pixels)[0, case.target], pixels)
    network = case.batch.compiled.network
    true = hold(network, case.batch.images, lambda _: held.seed, gates="true")
    ours = (held if network.piecewise_linear else true).gradient[0, sites[0].span]
    scale = gradient.abs().mean().expand_as(ours)
    # Not a law: batch norm folded rounds otherwise, and these networks, unheld, multiply that.
    near = EXACT if network.piecewise_linear else 1e-7
    assert residual(ours.numpy(), gradient.flatten().numpy(), scale.numpy()) < near


def test_cuts_by_operator(case: Case) -> None:
    """Everything that crosses a cut, and the constants on the logit's side, is f: at every cut."""
    held, sites = case.batch.held, case.batch.compiled.sites
    crossing = np.zeros((len(sites), len(sites), 2))  # from, to; signed, |.|
    for target, back in enumerate(case.back):
        for source, gradient in back.items():
            score = gradient.flatten() * held.output[0, sites[source].span]
            crossing[source, target] = float(score.sum()), float(score.abs().sum())
    share = [
        (constants[0] * held.gradient_before(site)[0])
        for site, constants in zip(sites[1:], case.batch.constants, strict=True)
    ]
    for cut in range(1, len(sites)):
        flows = crossing[:cut, cut:].sum((0, 1))
        constants = torch.cat(share[cut - 1 :])
        total = flows[0] + float(constants.sum())
        assert residual(total, float(held.value[0]), flows[1] + float(constants.abs().sum())) < EXACT, cut


def test_edges_between_maps(case: Case) -> None:
    """What enters a map and what leaves it, at every map of every site: the laws, summed over maps."""
    held, sites, network = case.batch.held, case.batch.compiled.sites, case.batch.compiled.network
    planes = Planes(network)
    into, out_of, entering, leaving = (np.zeros(planes.count) for _ in range(4))
    for incoming in case.batch.incoming:
        edges = MapIncoming(network, incoming, planes).edges(held)
        score = edges.score.numpy()
        for total, ends, values in (
            (into, edges.target, score),
            (out_of, edges.source, score),
            (entering, edges.target, np.abs(score)),
            (leaving, edges.source, np.abs(score)),
        ):
            total += np.bincount(ends.numpy(), values, planes.count)
    assert abs(into).sum() > 0
    for site in sites:
        mine, plane = planes.of_site(site), site.shape[1] * site.shape[2]
        before, output = held.gradient_before(site)[0], held.output[0, site.span]
        if site.number:
            b = case.batch.constants[site.number - 1][0]
            moved = ((held.before[site.number][0] - b) * before).reshape(-1, plane)
            terms = entering[mine] + (moved.abs() + (b * before).abs().reshape(-1, plane)).sum(1).numpy()
            assert residual(into[mine], moved.sum(1).numpy(), terms) < EXACT, site.name
        if site.kind != "logits":
            passed = (output * held.gradient[0, site.span]).reshape(-1, plane)
            terms = leaving[mine] + passed.abs().sum(1).numpy()
            # A saturated gate leaves gradients below what float64 holds exactly.
            terms = np.maximum(terms, 1e-290)
            assert residual(out_of[mine], passed.sum(1).numpy(), terms) < EXACT, site.name


def kinds(case: Case) -> dict[str, list[Site]]:
    found: dict[str, list[Site]] = {}
    for site in case.batch.compiled.sites[1:]:
        found.setdefault(site.kind, []).append(site)
    return found


def test_sampled_neurons(case: Case) -> None:
    """1,000 live neurons of every kind of site: their edges sum to what the operators say."""
    held, incoming = case.batch.held, case.batch.compiled.incoming
    random = np.random.default_rng(0)
    for kind, sites in kinds(case).items():
        live = [
            (site, neuron)
            for site in sites
            for neuron in held.before[site.number][0]
            .gt(0 if site.activation else -np.inf)
            .nonzero()[:, 0]
            .tolist()
        ]
        picks = [live[i] for i in random.choice(len(live), min(1000, len(live)), replace=False)]
        for site in sites:
            targets = torch.tensor(sorted(n for s, n in picks if s is site), dtype=torch.int64)
            if len(targets) == 0:
                continue
            z, b = held.before[site.number][0, targets], case.batch.constants[site.number - 1][0, targets]
            before = held.gradient_before(site)[0, targets]
            done = 0
            for flow_rows in incoming[site.number - 1].iterate_rows(
                held.elements, held.values, torch.zeros_like(targets), targets, limit=1 << 20
            ):
                part = slice(done, done := done + len(flow_rows.target))
                terms = flow_rows.flow.abs().sum(1) + b[part].abs()
                assert (
                    residual((flow_rows.flow.sum(1) + b[part]).numpy(), z[part].numpy(), terms.numpy())
                    < EXACT
                ), kind
                score = flow_rows.flow * before[part, None]
                wanted = (z - b)[part] * before[part]
                sizes = terms * before[part].abs()
                assert residual(score.sum(1).numpy(), wanted.numpy(), sizes.numpy()) < EXACT, kind
                row, column = flow_rows.flow.nonzero(as_tuple=True)
                source = flow_rows.sources(row, column)
                assert bool(((source >= 0) & (source < site.offset)).all())
                assert bool((held.output[0, source] != 0).all())
                edge = row * case.batch.compiled.network.neurons + source
                assert len(edge.unique()) == len(edge), kind
            assert done == len(targets)


def test_rows_of_the_jacobian(case: Case) -> None:
    """A sampled neuron's edges, one by one, are its row of autograd's Jacobian times a."""
    held = case.batch.held
    random = np.random.default_rng(1)
    steps = case.batch.compiled.network.program.steps
    gated = any(isinstance(step.operation, Gate) for step in steps)
    for kind, sites in kinds(case).items():
        for site in random.choice(np.array(sites, dtype=object), min(6, len(sites)), replace=False):
            neurons = torch.from_numpy(random.choice(site.size, min(6, site.size), replace=False))
            z = case.local.z[site.number].flatten()
            incoming = case.batch.compiled.incoming[site.number - 1]
            flow_rows = next(
                incoming.iterate_rows(held.elements, held.values, torch.zeros_like(neurons), neurons)
            )
            for place, neuron in enumerate(neurons.tolist()):
                rows = torch.autograd.grad(z[neuron], case.local.a, allow_unused=True, retain_graph=True)
                wanted = torch.zeros_like(held.output[0])
                for number, row in enumerate(rows):
                    if row is not None and number != site.number:
                        wanted[case.batch.compiled.sites[number].span] = row.flatten()
                wired = int((wanted != 0).sum())
                wanted = wanted * held.output[0]
                column = flow_rows.flow[place].nonzero()[:, 0]
                source = flow_rows.sources(torch.full_like(column, place), column)
                ours = torch.zeros_like(wanted)
                ours[source] = flow_rows.flow[place, column]
                assert torch.equal(source.sort().values, wanted.nonzero()[:, 0]), (kind, site.name)
                torch.testing.assert_close(ours, wanted, rtol=EXACT, atol=1e-14)
                inputs = int(flow_rows.inputs[place])  # a gate can be exactly 0
                assert inputs >= wired if gated else inputs == wired, (kind, site.name)


def test_weights_times_their_gradients(case: Case) -> None:
    """For sampled convolutions and channels: ``W * dW`` over space is the channel's edges and constants."""
    held, random = case.batch.held, np.random.default_rng(2)
    sites = np.array([s for s in kinds(case)["conv"] if len(s.branches) == 1], dtype=object)
    for site in random.choice(sites, min(4, len(sites)), replace=False):
        operation = site.branches[0].operation
        assert isinstance(operation, Conv)
        weight = operation.weight.clone().requires_grad_(True)
        z = replace(operation, weight=weight).run(read_by(case.batch, site)).flatten(1)
        (gradient,) = torch.autograd.grad((z * held.gradient_before(site)).sum(), weight)
        plane = site.shape[1] * site.shape[2]
        for channel in random.choice(site.shape[0], 3, replace=False).tolist():
            mine = torch.arange(channel * plane, (channel + 1) * plane)
            before = held.gradient_before(site)[0, mine]
            blocks = case.batch.compiled.incoming[site.number - 1].iterate_rows(
                held.elements, held.values, torch.zeros_like(mine), mine
            )
            score = torch.cat([flow_rows.flow.sum(1) for flow_rows in blocks]) * before
            bias = 0.0 if operation.bias is None else operation.bias[channel]
            entering = (case.batch.constants[site.number - 1][0, mine] - bias) * before
            product = float((weight[channel] * gradient[channel]).detach().sum())
            terms = float((score.abs() + entering.abs()).sum())
            assert residual(float((score + entering).sum()), product, terms) < EXACT, site.name


def read_by(batch: Batch, site: Site) -> Tensor:
    """The tensor that a site's one branch reads, by running the program as it is."""
    steps, values = batch.compiled.network.program.steps, list[Tensor]()
    wanted = steps[site.before].inputs[0]
    for step in steps[: wanted + 1]:
        values.append(step.operation.run(*([values[i] for i in step.inputs] or [batch.images])))
    return values[wanted]
