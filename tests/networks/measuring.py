"""One network, taken apart, held for one random image, traced: its largest errors.

In float64 and in float32, |left - right| over what the terms have in size, of these laws: at every neuron,
flows and constants are its pre-activation (all neurons by operator, sampled ones edge by edge); pixels and
constants together are f; the logits are the module's own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn

import graphpath as gp
from graphpath.errors import GraphpathError
from graphpath.network import IncomingEdges, Site, hold, take_apart
from graphpath.network.constants import Constant, constants_by_step
from graphpath.tracing import batches
from graphpath.tracing.batch import Batch, CompiledNetwork
from graphpath.tracing.methods import effective_path
from graphpath.tracing.targets import make_one_hot
from tests.networks.making import OwnFault, Shape, as_given, floating, make
from tests.tracing import nets

SAMPLED = 3
"""Neurons of each site whose edges are materialised."""
EXACT, SINGLE = 1e-10, 1e-5
"""The bounds in float64, and of a record in float32."""
ROUNDINGS = 30
"""How many times as far as for one nudged image rounding may move what a network answers."""


@dataclass(frozen=True)
class Measured:
    """What was found of a network.

    ``outcome`` is "lawful", "unlawful" (an error beyond its bound), "refused" (by graphpath), "failed"
    (whatever else was raised) or "own fault" (it does not run by itself); ``said`` is the refusal's line.
    ``capture`` and ``trace`` are seconds of a core.
    """

    corpus: str
    name: str
    outcome: str
    said: str = ""
    side: int = 0
    sites: int = 0
    neurons: int = 0
    edges: int = 0
    error: float = 0.0
    single: float = 0.0
    capture: float = 0.0
    trace: float = 0.0
    note: str = ""


def measure(corpus: str, name: str, quick: bool = False) -> Measured:
    """One network; with ``quick`` in float64 alone."""
    try:
        return measured(corpus, name, *make(corpus, name), quick)
    except OwnFault as error:
        return Measured(corpus, name, "own fault", _line(error))
    except GraphpathError as error:
        return Measured(corpus, name, "refused", _line(error))
    except Exception as error:
        return Measured(corpus, name, "failed", f"{type(error).__name__} {_where(error)}: {_line(error)}")


def measured(corpus: str, name: str, model: nn.Module, shape: Shape, quick: bool = False) -> Measured:
    """A network that is made."""
    image = nets.images(shape, 1, seed=0)
    own, nudged = answers(model, image), answers(model, nudge(image))
    start = time.process_time()
    network = take_apart(as_given(model, shape), shape)
    capture = time.process_time() - start
    start = time.process_time()
    batch = held(CompiledNetwork.of(network), image)
    edges = sum(len(block) for block in effective_path.select(batch).blocks)
    trace = time.process_time() - start
    errors = {**laws(batch), "logits": agreement(batch.held.logits, own, nudged)}
    sites, neurons, value = len(network.sites), network.neurons, float(batch.held.value)
    del network, batch  # the weights in float64, before there are those in float32
    singles = {"nothing": 0.0} if quick else in_single(model, image, value)
    worst, worst32 = max(errors, key=errors.__getitem__), max(singles, key=singles.__getitem__)
    lawful = errors[worst] < EXACT and singles[worst32] < SINGLE
    return Measured(
        corpus,
        name,
        "lawful" if lawful else "unlawful",
        "" if lawful else f"{worst} in float64, {worst32} in float32",
        shape[-1],
        sites,
        neurons,
        edges,
        errors[worst],
        singles[worst32],
        capture,
        trace,
    )


def held(compiled: CompiledNetwork, image: Tensor) -> Batch:
    """The network held for one image and its prediction."""
    inside = hold(compiled.network, image, lambda logits: make_one_hot(logits.argmax(1), logits))
    return Batch(compiled, image, inside, (0,))


def laws(batch: Batch) -> dict[str, float]:
    """The largest error of each law."""
    inside, sites = batch.held, batch.compiled.sites
    shares = [(inside.output * inside.gradient)[0, sites[0].span]]
    shares += [_constants(batch, site) for site in sites[1:]]
    terms = torch.cat(shares).double()
    found = {"pixels and constants": off(terms.sum()[None], inside.value, terms.abs().sum())}
    alone = constants_by_step(batch.compiled.network, inside.settings)
    found["flows of all neurons"] = max(
        _all_flows(batch, incoming, alone) for incoming in batch.compiled.incoming
    )
    found["flows of sampled neurons"] = max(_flows(batch, incoming) for incoming in batch.compiled.incoming)
    return found


def off(left: Tensor, right: Tensor, size: Tensor) -> float:
    """The largest |left - right| / size; infinite where either is no number."""
    apart = (left - right).abs() / size.clamp_min(torch.finfo(left.dtype).tiny)
    return float(torch.where(left == right, 0, apart.nan_to_num(torch.inf)).max())


def _all_flows(batch: Batch, incoming: IncomingEdges, alone: Sequence[Constant]) -> float:
    number, inside = incoming.site.number, batch.held
    flows = incoming.forward(inside.values, inside.settings.matrices)
    b, z = inside.constants[number], inside.before[number]
    return off(flows + b, z, _sum_of_sizes(batch, incoming, alone) + b.abs())


def _sum_of_sizes(batch: Batch, incoming: IncomingEdges, alone: Sequence[Constant]) -> Tensor:
    """The sum of |flow| over all that flows into every neuron, constants included: (1, size of the site).

    What rounding leaves is a part of it, however small the sum of the flows themselves.
    """
    site, matrices = incoming.site, batch.held.settings.matrices
    neurons = batch.compiled.network.owners
    total = torch.zeros_like(batch.held.before[site.number])
    for branch_in, branch in zip(incoming.branches, site.branches, strict=True):
        matrix = branch_in.matrix(matrices)
        read = branch_in.read(batch.held.values).abs()
        total += branch_in.map.forward(read, matrix, torch.abs)
        constant = None if branch.reads in neurons else alone[branch.reads]
        if branch.operation is not None and constant is not None:
            shape = tuple(constant.shape[1:])
            own = branch.operation.linear_map(1, site.shape, shape, constant.device)
            total += own.forward(constant.abs().expand(len(total), *shape), matrix, torch.abs)
    return total


def _flows(batch: Batch, incoming: IncomingEdges) -> float:
    """Of some neurons that something flows into, their edges one by one."""
    site, inside = incoming.site, batch.held
    moved = (inside.before[site.number] - inside.constants[site.number])[0]
    live = moved.nonzero()[:, 0]
    if len(live) == 0:
        return 0.0
    some = live[torch.linspace(0, len(live) - 1, min(SAMPLED, len(live))).long()]
    targets = torch.zeros((1, site.size), dtype=torch.bool)
    targets[0, some] = True
    worst = 0.0
    for rows in batch.iterate_rows(incoming, targets, inside.values):
        z = inside.before[site.number][0, rows.target]
        b = inside.constants[site.number][0, rows.target]
        flow = rows.flow.double()
        worst = max(worst, off(flow.sum(1) + b, z.double(), flow.abs().sum(1) + b.abs()))
    return worst


def _constants(batch: Batch, site: Site) -> Tensor:
    """What the constants of a site's neurons give to f: (size,)."""
    inside = batch.held
    share = (inside.constants[site.number] * inside.gradient_before(site))[0]
    at_zero = site.activation.at_zero if site.activation is not None else 0.0
    return share + at_zero * inside.gradient[0, site.span]


def in_single(model: nn.Module, image: Tensor, exact: float) -> dict[str, float]:
    """The errors of the network in float32, and of a record that is written with it.

    ``exact`` is f in float64.
    """
    single, image = model.float(), image.float()
    shape = tuple(image.shape[1:])
    network = take_apart(as_given(single, shape), shape)
    batch = held(CompiledNetwork.of(network), image)
    found = laws(batch)
    once = patch.object(batches, "take_apart", lambda module, shape: network)  # most of a trace's time
    with tempfile.TemporaryDirectory() as folder, once:
        trace = gp.trace(
            single, image, method="effective_path", routes=5, max_edges=2000, out=Path(folder) / "trace"
        )
        found.update(_recorded(trace, batch, exact))
    return found


def _recorded(trace: gp.Trace, batch: Batch, exact: float) -> dict[str, float]:
    """A record's f against that in float64, and against its constants and all pixels.

    What rounding alone moves in the network is taken off, as in ``agreement``.
    """
    row = trace.dataset("pathways").to_table().to_pylist()[0]
    assert trace.dataset("edges").count_rows() == row["edges"] > 0
    pixels = (batch.held.output * batch.held.gradient)[0, batch.compiled.sites[0].span].double()
    shares = [pixels, *(_constants(batch, site).double() for site in batch.compiled.sites[1:])]
    size = sum(float(share.abs().sum()) for share in shares)
    program = batch.compiled.network.program
    with torch.no_grad():
        moved = float((program.run(nudge(batch.images)) - program.run(batch.images)).abs().max())
    return {
        "recorded logit": max(0.0, abs(row["logit"] - exact) - ROUNDINGS * moved) / size,
        "recorded constants": abs(row["bias"] + float(pixels.sum()) - row["logit"]) / size,
    }


def answers(model: nn.Module, image: Tensor) -> list[Tensor]:
    """Every floating tensor that a module returns for an image (1, ...): (1, ...) each. It sees two of it.

    In float64 throughout, also where the module would go down to float32 by itself.
    """
    down = Tensor.float
    Tensor.float = lambda x: x if x.dtype is torch.float64 else down(x)  # type: ignore[method-assign]
    try:
        with torch.no_grad():
            given = list(floating(model(torch.cat([image, image]))))
    finally:
        Tensor.float = down  # type: ignore[method-assign]
    return [tensor[:1].detach().double().flatten().unsqueeze(0) for tensor in given if tensor.dim()]


def nudge(image: Tensor) -> Tensor:
    """An image with other rounding."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(2), dtype=image.dtype)
    return image * (1 + torch.finfo(image.dtype).eps * noise)


def agreement(logits: Tensor, own: list[Tensor], nudged: list[Tensor]) -> float:
    """How far logits are from any tensor that the module gives, itself or through its last softmax.

    What the module's own rounding moves is taken off: ROUNDINGS times its answers' change for a nudged image.
    """
    logits = logits.double()
    readings = (logits, logits.softmax(1), logits.log_softmax(1), logits.sigmoid())
    found = [
        float(((reading - tensor).abs().max() - ROUNDINGS * (tensor - moved).abs().max()).clamp_min(0) / size)
        for tensor, moved in zip(own, nudged, strict=True)
        for size in [float(tensor.abs().max()) or 1.0]
        for reading in readings
        if reading.shape == tensor.shape
    ]
    return min(found, default=float("inf"))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:400]


def _where(error: BaseException) -> str:
    """The place in graphpath that raised."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/graphpath/" in code.co_filename:
            place = f"{code.co_filename.rsplit('/graphpath/', 1)[1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
