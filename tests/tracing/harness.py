"""What the tests of network and tracing share: a batch held, its edges as columns, conservation checks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from graphpath.network import hold, take_apart
from graphpath.tracing.batch import Batch, CompiledNetwork, Selection
from graphpath.tracing.targets import Target, TargetRows, find_goal, weigh_target
from tests.tracing import twins

QUICK: dict[str, dict[str, object]] = {"dgr": {"iterations": 20}}
"""Options with which methods are quick, for tests of something else."""

EXACT = 1e-10
"""|left - right| / sum of |terms| in float64."""


def held(
    model: nn.Module, pixels: Tensor, target: Target = "predicted", compiled: CompiledNetwork | None = None
) -> tuple[Batch, list[int]]:
    """A batch held for a target, by default each image's prediction; and the classes (-1 for none)."""
    compiled = compiled or CompiledNetwork.of(take_apart(model, tuple(pixels.shape[1:])))
    classes = torch.empty(0)

    def seed(logits: Tensor) -> Tensor:
        nonlocal classes
        nothing = torch.full((len(logits),), -1)
        weights, classes = weigh_target(
            target, goal, logits, TargetRows(nothing, nothing, slice(0, len(logits)))
        )
        return weights

    goal = find_goal(target, compiled.network)
    batch = Batch(compiled, pixels, hold(compiled.network, pixels, seed, goal), tuple(range(len(pixels))))
    return batch, classes.tolist()


@dataclass(frozen=True)
class Edges:
    """Edges of one image: both ends (numbers within the network) and the flow."""

    source: np.ndarray
    target: np.ndarray
    flow: np.ndarray

    def __len__(self) -> int:
        return len(self.flow)

    def by_ends(self) -> dict[twins.Edge, float]:
        ends = zip(self.source.tolist(), self.target.tolist(), strict=True)
        return dict(zip(ends, self.flow.tolist(), strict=True))


def every_edge(batch: Batch) -> list[Edges]:
    """All edges of the held network, by image, whatever the target."""
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for incoming in batch.compiled.incoming:
        site = incoming.site
        every = torch.ones((batch.held.images, site.size), dtype=torch.bool)
        for flow_rows in batch.iterate_rows(incoming, every, batch.held.values):
            row, column = flow_rows.flow.nonzero(as_tuple=True)
            parts = (
                flow_rows.sample[row],
                flow_rows.sources(row, column),
                flow_rows.target[row] + site.offset,
                flow_rows.flow[row, column],
            )
            for collected, part in zip(columns, parts, strict=True):
                collected.append(part.numpy())
    return list(_by_image(batch, *(np.concatenate(column) for column in columns)))


def selected(batch: Batch, selection: Selection) -> list[Edges]:
    """The edges of a selection, by image."""
    blocks = selection.blocks
    columns = (
        [getattr(block, name).numpy() for block in blocks] for name in ("sample", "source", "target", "flow")
    )
    return list(_by_image(batch, *(np.concatenate(column) for column in columns)))


def _by_image(
    batch: Batch, sample: np.ndarray, source: np.ndarray, target: np.ndarray, flow: np.ndarray
) -> Iterator[Edges]:
    for image in range(batch.held.images):
        mine = sample == image
        yield Edges(source[mine], target[mine], flow[mine])


@dataclass(frozen=True)
class Numbers:
    """One image's held network as arrays over all neurons: z, a, df/da, df/dz, gate, b, phi(0), and f."""

    z: np.ndarray
    a: np.ndarray
    gradient: np.ndarray
    before: np.ndarray
    gate: np.ndarray
    b: np.ndarray
    seed: np.ndarray  # the weight of each neuron in f
    at_zero: np.ndarray
    value: float
    first: int  # neurons of the input
    goal: int  # first neuron of the site that f is of
    starts: np.ndarray  # first neuron of each site


def numbers(batch: Batch, image: int) -> Numbers:
    """The arrays of one image."""
    inside, sites = batch.held, batch.compiled.sites
    gates = [inside.gate(site) for site in sites]
    pixels = torch.zeros(sites[0].size, dtype=inside.output.dtype)
    return Numbers(
        z=torch.cat([inside.before[site.number][image] for site in sites]).numpy(),
        a=inside.output[image].numpy(),
        gradient=inside.gradient[image].numpy(),
        before=torch.cat([inside.gradient_before(site)[image] for site in sites]).numpy(),
        gate=torch.cat(
            [torch.ones(s.size) if g is None else g[image] for s, g in zip(sites, gates, strict=True)]
        )
        .double()
        .numpy(),
        b=torch.cat([pixels, *(constants[image] for constants in batch.constants)]).numpy(),
        seed=_in_f(batch, image),
        at_zero=np.concatenate(
            [np.full(s.size, s.activation.at_zero if s.activation else 0.0) for s in sites]
        ),
        value=float(inside.value[image]),
        first=sites[0].size,
        goal=batch.goal.offset,
        starts=np.array([site.offset for site in sites]),
    )


def _in_f(batch: Batch, image: int) -> np.ndarray:
    weights = np.zeros(batch.compiled.network.neurons)
    weights[batch.goal.span] = batch.held.seed[image].numpy()
    return weights


def residual(left: np.ndarray | float, right: np.ndarray | float, terms: np.ndarray | float) -> float:
    """The largest |left - right| / sum of |terms|."""
    left, right, terms = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (left, right, terms))
    off = np.abs(left - right)
    return float(
        np.max(np.divide(off, terms, out=np.where(off > 0, np.inf, 0.0), where=terms > 0), initial=0.0)
    )


def laws(edges: Edges, held: Numbers, seed: int = 0) -> dict[str, float]:
    """The residual of every conservation check (``W * dW`` apart) on all edges of one image."""
    count = len(held.a)
    score = edges.flow * held.before[edges.target]
    later = np.arange(count) >= held.first

    def into(values: np.ndarray) -> np.ndarray:
        return np.bincount(edges.target, values, count)

    def out_of(values: np.ndarray) -> np.ndarray:
        return np.bincount(edges.source, values, count)

    # Where nothing flows in z is b, but for rounding, which is a part of b and not of the scores' sum, 0.
    scores, of_b = into(np.abs(score)), np.abs(held.b * held.before)
    alone = scores == 0
    share = held.b * held.before + held.at_zero * held.gradient  # of the constants
    inner = held.goal
    found = {
        "flows and constants are z": residual(
            (into(edges.flow) + held.b)[later],
            held.z[later],
            (into(np.abs(edges.flow)) + np.abs(held.b))[later],
        ),
        "scores over targets": residual(
            out_of(score)[:inner], (held.a * held.gradient)[:inner], out_of(np.abs(score))[:inner]
        ),
        "scores over sources": residual(
            into(score)[later], ((held.z - held.b) * held.before)[later], np.where(alone, of_b, scores)[later]
        ),
    }
    cuts = [np.arange(count) < start for start in held.starts[1:] if start <= held.goal]
    cuts += list(_cuts(edges, held, seed))
    for name, behind in (("cuts", cuts),):
        found[name] = max(_cut(edges, score, share, held, before) for before in behind)
    found["routes"] = _routes(edges, held, share)
    return found


def _cut(edges: Edges, score: np.ndarray, share: np.ndarray, held: Numbers, before: np.ndarray) -> float:
    crossing = before[edges.source] & ~before[edges.target]
    assert not (~before[edges.source] & before[edges.target]).any()
    terms = np.concatenate([score[crossing], share[~before]])
    return residual(terms.sum(), held.value, np.abs(terms).sum())


def _cuts(edges: Edges, held: Numbers, seed: int, number: int = 5) -> Iterator[np.ndarray]:
    """Cuts that follow no layer: the input and all that some random neurons depend on, on one side."""
    random = np.random.default_rng(seed)
    order = np.argsort(-edges.target, kind="stable")
    for _ in range(number):
        before = np.arange(len(held.a)) < held.first
        before[random.integers(0, held.goal, 4)] = True
        for source, target in zip(edges.source[order], edges.target[order], strict=True):
            before[source] |= before[target]
        yield before


def _routes(edges: Edges, held: Numbers, share: np.ndarray) -> float:
    """All routes from pixels, summed by dynamic programming over edges, and all constants, against f."""
    weight = edges.flow / held.a[edges.source]
    arriving = np.where(np.arange(len(held.a)) < held.first, held.a, 0.0)
    size = np.abs(arriving)
    ends = [*held.starts[1:], len(held.a)]
    for start, stop in itertools.pairwise(ends):
        here = (edges.target >= start) & (edges.target < stop)
        source, target = edges.source[here], edges.target[here]
        way = weight[here] * held.gate[target]
        arriving += np.bincount(target, way * arriving[source], len(arriving))
        size += np.bincount(target, np.abs(way) * size[source], len(arriving))
    total = (arriving * held.seed).sum() + share.sum()
    return residual(total, held.value, (size * np.abs(held.seed)).sum() + np.abs(share).sum())
