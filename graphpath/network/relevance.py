"""Layer-wise relevance propagation over sites: each neuron's share of f, by the epsilon or z-plus rule.

Bach et al. 2015 (epsilon), Montavon et al. 2017 (z-plus, here for inputs of either sign, as alpha 1 beta 0).
The relevance of the goal's neurons is what they give to f. A neuron m hands its relevance down in proportion
to what flows into it, constants taking their share:

    epsilon   R(n -> m) = flow(n -> m) / (z_m +- epsilon) * R_m
    z-plus    R(n -> m) = flow+(n -> m) / (sum_n flow+(n -> m) + b_m+ + epsilon) * R_m

An activation hands on what it gets, and a max-pool hands it to the winner. Where several taps join the same
two neurons their flows are summed before the rule is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network.held import Held
from graphpath.network.incoming import IncomingBranch, IncomingEdges

RULES = ("epsilon", "z_plus")


@dataclass(frozen=True)
class Rule:
    """A rule by its name in ``RULES``; ``epsilon`` keeps what is divided by away from 0."""

    name: str
    epsilon: float

    def part(self, flow: Tensor) -> Tensor:
        """What of flows (any shape) counts."""
        return flow.clamp(min=0) if self.name == "z_plus" else flow

    def per_flow(self, relevance: Tensor, total: Tensor) -> Tensor:
        """``relevance / total`` with the total stabilised; 0 where that is 0."""
        total = torch.where(total < 0, total - self.epsilon, total + self.epsilon)
        return torch.where(total == 0, 0, relevance / torch.where(total == 0, 1, total))


@dataclass(frozen=True, eq=False)
class Relevance:
    """Of each neuron (N, neurons): its relevance R, and what each unit of flow into it hands down.

    ``R(n -> m) = rule.part(flow(n -> m)) * per_flow[m]``.
    """

    of: Tensor
    per_flow: Tensor


def relevance(held: Held, incoming: tuple[IncomingEdges, ...], rule: Rule) -> Relevance:
    """The relevance of every neuron that f depends on; ``incoming`` are these layers', in running order."""
    of, per_flow = torch.zeros_like(held.output), torch.zeros_like(held.output)
    of[:, held.goal.span] = held.output[:, held.goal.span] * held.seed
    for site in reversed(incoming):
        if rule.name == "z_plus" and site.repeated:
            _handed_down_by_edge(held, site, rule, of, per_flow)
        else:
            _handed_down(held, site, rule, of, per_flow)
    return Relevance(of, per_flow)


def _handed_down(held: Held, incoming: IncomingEdges, rule: Rule, of: Tensor, per_flow: Tensor) -> None:
    """Relevance of one site handed to the neurons before it, by its maps as wholes."""
    span = incoming.site.span
    with torch.enable_grad():
        parts = [(i, x, f(x)) for i in incoming.branches for x, f in _parts(i, held, rule)]
    total = _total(held, incoming, rule, [out for _, _, out in parts])
    per_flow[:, span] = rule.per_flow(of[:, span], total)
    for branch_in, x, out in parts:
        (slope,) = torch.autograd.grad(out, x, per_flow[:, span])
        _received(held, branch_in, (x.detach() * slope).flatten(1), of)


def _total(held: Held, incoming: IncomingEdges, rule: Rule, outs: list[Tensor]) -> Tensor:
    site = incoming.site
    if rule.name == "epsilon":
        return held.before[site.number]
    total: Tensor = sum((out.detach() for out in outs), rule.part(held.constants[site.number]))
    return total


def _parts(
    branch_in: IncomingBranch, held: Held, rule: Rule
) -> Iterator[tuple[Tensor, Callable[[Tensor], Tensor]]]:
    """What a branch reads and its map, for z-plus once where inputs are positive and once where negative."""
    x = branch_in.read(held.values)
    if rule.name == "epsilon":
        yield x.clone().requires_grad_(True), _mapped(branch_in, held)
        return
    yield x.clamp(min=0).requires_grad_(True), _clamped(branch_in, held, positive=True)
    if bool((x < 0).any()):
        yield x.clamp(max=0).requires_grad_(True), _clamped(branch_in, held, positive=False)


def _mapped(branch_in: IncomingBranch, held: Held) -> Callable[[Tensor], Tensor]:
    matrix = branch_in.matrix(held.settings.matrices)
    return lambda x: branch_in.map.forward(x, matrix)


def _clamped(branch_in: IncomingBranch, held: Held, positive: bool) -> Callable[[Tensor], Tensor]:
    """The map with its positive weights only, or its negative ones."""
    matrix = branch_in.matrix(held.settings.matrices)

    def kept(weight: Tensor) -> Tensor:
        return weight.clamp(min=0) if positive else weight.clamp(max=0)

    return lambda x: branch_in.map.forward(x, matrix, kept)


def _received(held: Held, branch_in: IncomingBranch, given: Tensor, of: Tensor) -> None:
    """Add what entries of the tensor that a branch reads are given (N, entries) to the neurons behind."""
    if branch_in.view.index is None and branch_in.view.base + given.shape[1] <= held.network.neurons:
        of[:, branch_in.view.base : branch_in.view.base + given.shape[1]] += given
        return
    sample = torch.arange(len(given), device=given.device)[:, None]
    element = branch_in.behind(torch.arange(given.shape[1], device=given.device))
    neuron = held.elements.behind(sample, element.expand_as(given))
    of.scatter_add_(1, neuron.clamp(min=0), torch.where(neuron >= 0, given, 0))


def _handed_down_by_edge(
    held: Held, incoming: IncomingEdges, rule: Rule, of: Tensor, per_flow: Tensor
) -> None:
    """The same edge by edge, where parallel taps are summed before flows are split by sign."""
    site = incoming.site
    sample, target = (of[:, site.span] != 0).nonzero(as_tuple=True)
    constants = rule.part(held.constants[site.number])
    for flow_rows in incoming.iterate_rows(held.elements, held.values, sample, target):
        place = (flow_rows.sample, flow_rows.target + site.offset)
        part = rule.part(flow_rows.flow)
        per_flow[place] = rule.per_flow(
            of[place], part.sum(1) + constants[flow_rows.sample, flow_rows.target]
        )
        row, source, flow = flow_rows.edges()
        given = rule.part(flow) * per_flow[place][row]
        of.view(-1).index_add_(0, flow_rows.sample[row] * of.shape[1] + source, given)
