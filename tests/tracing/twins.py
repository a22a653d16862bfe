"""Slow twins by plain loops, from the papers and graphpath/README.md. Nothing of graphpath is used here.

``take_apart`` runs a model on one image with an object that notes every torch function called on it
(``__torch_function__``), and takes the Jacobian of each call by autograd. A max-pool's derivative is its
switches; activations, gates and layer norms, which are held, have Jacobians written out here. Products of
these are the held network. Every tensor is then an affine function of the sites' neurons, with matrices as
dense as they come.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Edge = tuple[int, int]
Question = int | Mapping[int, float]
"""A class, or the weights in f of some neurons, all of one site."""

SUMS = {"add", "add_", "__add__", "__iadd__", "iadd", "sub", "__sub__"}
ACTIVATIONS = {
    *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "elu", "elu_", "celu", "celu_", "selu"),
    *("silu", "hardswish", "gelu", "mish", "sigmoid", "hardsigmoid", "tanh", "hardtanh", "hardtanh_"),
    *("softplus", "softsign"),
}
SQUASHING = {"sigmoid", "hardsigmoid", "tanh"}
PRODUCTS = {"mul", "mul_", "__mul__", "__imul__"}
ALIASES = {"dropout", "dropout2d", "contiguous", "clone", "detach", "alpha_dropout", "feature_alpha_dropout"}


# --- the tape ----------------------------------------------------------------------------


@dataclass(eq=False)
class Node:
    """One call: ``call(*values of parents)`` gives ``value`` (1, ...)."""

    name: str
    call: Callable[..., Tensor]
    parents: list[Node]
    value: Tensor
    arguments: Any = ()
    made: int = field(default_factory=count().__next__)

    @property
    def kind(self) -> str:
        if self.name in ("conv2d", "linear"):
            return "mix"
        if self.name == "batch_norm":
            return "norm"
        if self.name in ACTIVATIONS or self.spells_silu:
            return "activation"
        if self.name in PRODUCTS and len(self.parents) == 2:
            return "gate"
        if self.name in SUMS and len(self.parents) == 2:
            return "sum"
        return "input" if self.name == "input" else "move"

    @property
    def spells_silu(self) -> bool:
        """Whether it is x * sigmoid(x)."""
        if self.name not in PRODUCTS or len(self.parents) != 2:
            return False
        one, two = self.parents
        return any(s.name == "sigmoid" and s.parents[0] is x for s, x in ((one, two), (two, one)))

    @property
    def carried(self) -> Node:
        """The factor of a product that is not the gate; the first parent of anything else."""
        if len(self.parents) == 1 or self.name not in PRODUCTS:
            return self.parents[0]
        one, two = self.parents
        if one.value.shape != two.value.shape:
            return one if one.value.numel() > two.value.numel() else two
        return one if two.name in SQUASHING else two

    def phi(self, z: np.ndarray) -> np.ndarray:
        """An activation of pre-activations given flat, in its own layout."""
        x = torch.from_numpy(z).reshape(self.value.shape)
        with torch.no_grad():
            value = x / (1 + torch.exp(-x)) if self.spells_silu else self.call(x)
        return value.flatten().numpy()


class Tracked:
    """Stands for a tensor while the model runs; an operation in place makes it stand for the result."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _noted(func, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "device", "ndim"):
            return getattr(self._node.value, name)
        method = getattr(torch.Tensor, name)
        return lambda *args, **kwargs: _noted(method, (self, *args), kwargs)

    def size(self, *dim: int) -> Any:
        return self._node.value.size(*dim)

    def dim(self) -> int:
        return self._node.value.dim()

    def __add__(self, other: Any) -> Any:
        return _noted(torch.add, (self, other), {})

    __radd__ = __add__

    def __iadd__(self, other: Any) -> Any:
        return _noted(torch.Tensor.add_, (self, other), {})

    def __sub__(self, other: Any) -> Any:
        return _noted(torch.sub, (self, other), {})

    def __mul__(self, other: Any) -> Any:
        return _noted(torch.mul, (self, other), {})

    __rmul__ = __mul__

    def __imul__(self, other: Any) -> Any:
        return _noted(torch.Tensor.mul_, (self, other), {})

    def __truediv__(self, other: Any) -> Any:
        return _noted(torch.div, (self, other), {})

    def __neg__(self) -> Any:
        return _noted(torch.neg, (self,), {})

    def __getitem__(self, item: Any) -> Any:
        return _noted(torch.Tensor.__getitem__, (self, item), {})


def _noted(func: Any, args: Any, kwargs: Any) -> Any:
    handles: list[Tracked] = []
    _each_tracked((args, kwargs), handles.append)
    nodes = [handle._node for handle in handles]
    name = func.__name__

    def call(*values: Tensor) -> Any:
        left = iter([value.clone(memory_format=torch.contiguous_format) for value in values])
        filled_args, filled_kwargs = _filled((args, kwargs), left)
        return func(*filled_args, **filled_kwargs)

    with torch.no_grad():
        result = call(*(node.value for node in nodes))
    if isinstance(result, Tensor):
        if name in ALIASES and torch.equal(result, nodes[0].value):
            nodes[0].value = nodes[0].value.contiguous()
            return Tracked(nodes[0]) if name == "clone" else handles[0]
        node = Node(name, call, nodes, result, (args, kwargs))
        if (name.endswith("_") and not name.endswith("__")) or kwargs.get("inplace"):
            handles[0]._node = node
            return handles[0]
        return Tracked(node)
    return tuple(
        Tracked(Node("part", lambda *values, i=i: call(*values)[i], nodes, part))
        for i, part in enumerate(result)
    )


def _each_tracked(value: Any, visit: Callable[[Tracked], None]) -> None:
    if isinstance(value, Tracked):
        visit(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _each_tracked(item, visit)
    elif isinstance(value, dict):
        for item in value.values():
            _each_tracked(item, visit)


def _filled(value: Any, left: Iterator[Tensor]) -> Any:
    if isinstance(value, Tracked):
        return next(left)
    if isinstance(value, (tuple, list)):
        items = [_filled(item, left) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: _filled(item, left) for key, item in value.items()}
    return value


def run(model: nn.Module, image: Tensor) -> list[Node]:
    """The calls that the logits of ``image`` (C, H, W) need, in order; the last gives the logits."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    start = Node("input", lambda: None, [], image[None].detach().clone())  # type: ignore[arg-type, return-value]
    with torch.no_grad():
        end = model(Tracked(start))._node
    for module, mode in modes.items():
        module.training = mode
    needed, waiting = {start, end}, [end]
    while waiting:
        node = waiting.pop()
        parents = [node.carried] if node.spells_silu else node.parents
        waiting += [parent for parent in parents if parent not in needed]
        needed.update(parents)
    return sorted(needed, key=lambda node: node.made)


def replayed(calls: list[Node], given: Mapping[Node, Tensor]) -> Tensor:
    """The logits when the results of some calls are replaced."""
    values: dict[Node, Tensor] = {}
    with torch.no_grad():
        for node in calls:
            if node in given:
                values[node] = given[node]
            elif node.name == "input":
                values[node] = node.value
            else:
                values[node] = node.call(*(values[parent] for parent in node.parents))
    return values[calls[-1]].flatten()


def multiplied(twin: Twin, factors: Tensor) -> Tensor:
    """The logits of the model when every neuron's output is multiplied by its factor (neurons,)."""
    with torch.no_grad():
        return gated(twin, {s.number: factors[s.offset : s.offset + s.size] for s in twin.sites})[-1]


def gated(twin: Twin, factors: Mapping[int, Tensor]) -> list[Tensor]:
    """The outputs of all sites (size,), those of some, by number, being multiplied by factors (size,)."""
    mine = {s.node: factors[s.number][np.argsort(s.order)] for s in twin.sites if s.number in factors}
    values: dict[Node, Tensor] = {}
    for node in twin.calls:
        if node.name == "input":
            value = node.value
        elif node.spells_silu:
            value = torch.nn.functional.silu(values[node.carried])
        else:
            value = node.call(*(values[p] for p in node.parents))
        values[node] = value * mine[node].reshape(value.shape) if node in mine else value
    logits = twin.sites[-1].node
    if logits not in values:  # a site of their own
        values[logits] = values[twin.calls[-1]] * mine.get(logits, torch.ones(())).reshape(1, -1)
    return [values[site.node].flatten()[site.order] for site in twin.sites]


# --- the held network --------------------------------------------------------------------

Affine = tuple[dict[int, np.ndarray], np.ndarray]
"""A tensor as an affine function of neurons: a matrix for each site by number, and a constant."""


@dataclass(eq=False)
class TwinSite:
    """A site: pre-activations z, outputs a = gate z + phi(0), constants b, J (size, neurons before it)."""

    number: int
    offset: int
    shape: tuple[int, ...]
    active: bool
    node: Node
    z: np.ndarray
    a: np.ndarray
    gate: np.ndarray
    at_zero: np.ndarray
    b: np.ndarray
    jacobian: np.ndarray
    order: np.ndarray  # where each neuron is in the flat result

    @property
    def size(self) -> int:
        return len(self.a)


@dataclass(eq=False)
class Twin:
    """The held network of one image."""

    sites: list[TwinSite]
    calls: list[Node]
    logits: np.ndarray

    @property
    def neurons(self) -> int:
        return self.sites[-1].offset + self.sites[-1].size

    @property
    def a(self) -> np.ndarray:
        return np.concatenate([site.a for site in self.sites])

    def site_of(self, neuron: int) -> TwinSite:
        return next(site for site in reversed(self.sites) if site.offset <= neuron)

    def logit(self, target: int) -> int:
        return self.sites[-1].offset + target

    def weights(self) -> dict[Edge, float]:
        """J of every edge with J and flow other than 0."""
        a, found = self.a, {}
        for site in self.sites[1:]:
            for row, column in zip(*np.nonzero(site.jacobian), strict=True):
                if a[column] != 0:
                    found[int(column), site.offset + int(row)] = float(site.jacobian[row, column])
        return found

    def flows(self) -> dict[Edge, float]:
        """J * a of every edge."""
        a = self.a
        return {edge: weight * a[edge[0]] for edge, weight in self.weights().items()}

    def inputs(self, neuron: int) -> int:
        """How many different neurons are wired to this one."""
        site = self.site_of(neuron)
        return int(np.count_nonzero(site.jacobian[neuron - site.offset]))

    def weights_in_f(self, target: Question) -> dict[int, float]:
        return {self.logit(target): 1.0} if isinstance(target, int) else dict(target)

    def goal(self, target: Question) -> TwinSite:
        (site,) = {self.site_of(neuron) for neuron in self.weights_in_f(target)}
        return site

    def wanted(self, target: Question) -> set[int]:
        """The live neurons that f weighs."""
        gate = np.concatenate([site.gate for site in self.sites])
        return {n for n, weight in self.weights_in_f(target).items() if weight * gate[n] != 0}

    def leading(self, target: Question) -> list[TwinSite]:
        """The sites that the goal is computed from."""
        waiting, found = [self.goal(target).node], set()
        while waiting:
            parents = waiting.pop().parents
            waiting += [parent for parent in parents if parent not in found]
            found.update(parents)
        return [site for site in self.sites if site.node in found]

    def gradient(self, target: Question) -> np.ndarray:
        """df/da of every neuron, backward through the edges."""
        gradient = np.zeros(self.neurons)
        for neuron, weight in self.weights_in_f(target).items():
            gradient[neuron] = weight
        for site in reversed(self.sites[1:]):
            mine = slice(site.offset, site.offset + site.size)
            gradient[: site.offset] += (gradient[mine] * site.gate) @ site.jacobian
        return gradient

    def gradient_before(self, target: Question) -> np.ndarray:
        """df/dz of every neuron."""
        return self.gradient(target) * np.concatenate([site.gate for site in self.sites])


def take_apart(model: nn.Module, image: Tensor) -> Twin:
    """The held network of ``model`` for ``image`` (C, H, W)."""
    calls = run(model, image)
    heads = _heads(calls)
    number = {node: place for place, node in enumerate(heads)}
    offsets = np.cumsum([0, *(node.value.numel() for node in heads)]).tolist()
    affine: dict[Node, Affine] = {}
    sites: dict[int, TwinSite] = {}
    for node in calls:
        affine[node] = _combined(node, affine)
        if node in heads:
            place = number[node]
            sites[place] = _site(place, offsets, node, heads[node], affine[heads[node]])
            order = _order(node, heads[node])
            spread = np.zeros((len(order), len(order)))
            spread[order, np.arange(len(order))] = 1
            affine[node] = ({place: spread}, np.zeros(len(order)))
    end = calls[-1]
    if end.kind in ("move", "gate", "activation"):  # the logits are a site of their own
        logits = Node("logits", end.call, [end], end.value)
        sites[len(heads)] = _site(len(heads), offsets, logits, logits, affine[end])
    return Twin([sites[place] for place in range(len(sites))], calls, end.value.flatten().numpy())


def _site(place: int, offsets: list[int], node: Node, before: Node, affine: Affine) -> TwinSite:
    matrices, b = affine
    order = _order(node, before)
    a, z = node.value.flatten().numpy()[order], before.value.flatten().numpy()[order]
    jacobian = np.zeros((len(a), offsets[place]))
    for source, matrix in matrices.items():
        jacobian[:, offsets[source] : offsets[source] + matrix.shape[1]] += matrix[order]
    active = node.kind == "activation"
    at_zero = node.phi(np.zeros(len(a)))[order] if active else np.zeros(len(a))
    gate = np.divide(a - at_zero, z, out=np.zeros_like(z), where=z != 0) if active else np.ones_like(z)
    shape = tuple(node.value.shape[1:])
    shape = (shape[2], *shape[:2]) if _channels_last(before) else shape
    return TwinSite(
        place, offsets[place], shape, active, node, z, a, gate, at_zero, b[order], jacobian, order
    )


def _channels_last(before: Node) -> bool:
    """Whether a pre-activation is (1, H, W, C): a dense layer over channels."""
    return before.name == "linear" and before.value.dim() == 4


def _order(node: Node, before: Node) -> np.ndarray:
    """Where each neuron, by channel, y and x, is in the flat result."""
    places = np.arange(node.value.numel())
    if not _channels_last(before):
        return places
    return places.reshape(node.value.shape[1:]).transpose(2, 0, 1).ravel()


def _combined(node: Node, affine: Mapping[Node, Affine]) -> Affine:
    """A call's result as an affine function of neurons."""
    if not node.parents or node.value.numel() == 0:
        return {}, np.zeros(node.value.numel())
    if node.name == "layer_norm":
        return _standardised(node, *affine[node.parents[0]])
    values = tuple(parent.value for parent in node.parents)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jacobians = torch.autograd.functional.jacobian(node.call, values, vectorize=True)
    constant = node.value.flatten().numpy().copy()
    matrices: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(()))
    for parent, jacobian in zip(node.parents, jacobians, strict=True):
        if (node.kind == "gate" or node.spells_silu) and parent is not node.carried:
            continue  # a gate is held at its value
        matrix = jacobian.reshape(node.value.numel(), parent.value.numel()).numpy()
        behind, shift = affine[parent]
        constant += matrix @ (shift - parent.value.flatten().numpy())
        for site, inner in behind.items():
            matrices[site] = matrices[site] + matrix @ inner
    return dict(matrices), constant


def _standardised(node: Node, behind: dict[int, np.ndarray], shift: np.ndarray) -> Affine:
    """A layer norm with mean and variance held."""
    args, kwargs = node.arguments
    given = dict(zip(("input", "normalized_shape", "weight", "bias", "eps"), args, strict=False)) | kwargs
    size = int(np.prod(given["normalized_shape"]))
    x = node.parents[0].value.numpy().reshape(-1, size)
    scale = np.ones_like(x)
    for row, values in enumerate(x):
        scale[row] = 1 / np.sqrt(np.mean((values - values.mean()) ** 2) + given["eps"])
    if given.get("weight") is not None:
        scale *= given["weight"].detach().numpy().ravel()
    scale = scale.ravel()
    constant = node.value.flatten().numpy() + scale * (shift - x.ravel())
    return {site: scale[:, None] * matrix for site, matrix in behind.items()}, constant


def _carrying(calls: list[Node]) -> set[Node]:
    """The calls that flow into the logits other than by making a gate."""
    found, waiting = {calls[-1]}, [calls[-1]]
    while waiting:
        node = waiting.pop()
        parents = [node.carried] if node.kind == "gate" or node.spells_silu else node.parents
        waiting += [parent for parent in parents if parent not in found]
        found.update(parents)
    return found


def _heads(calls: list[Node]) -> dict[Node, Node]:
    """The calls whose results are neurons, each with the call that gives the pre-activation, in order."""
    readers: dict[Node, list[Node | None]] = defaultdict(list)
    for node in calls:
        for parent in [node.carried] if node.spells_silu else node.parents:
            readers[parent].append(node)
    readers[calls[-1]].append(None)
    carrying = _carrying(calls)

    def sole(node: Node, kind: str) -> Node | None:
        only = readers[node][0] if len(readers[node]) == 1 else None
        return only if only is not None and only.kind == kind else None

    heads: dict[Node, Node] = {}  # in the order of the call that begins each
    part_of: set[Node] = set()
    for node in calls:
        if node in part_of or node.kind in ("move", "gate") or node not in carrying:
            continue
        before = node
        if node.kind == "mix":
            while (norm := sole(before, "norm")) is not None:
                part_of.add(norm)
                before = norm
            if sole(before, "sum") is not None:
                continue  # the sum absorbs it
        if node.kind in ("mix", "norm", "sum") and (activation := sole(before, "activation")) is not None:
            part_of.add(activation)
            heads[activation] = before
        elif node.kind == "activation":
            heads[node] = node.carried
        else:
            heads[before] = before
    return heads


# --- the papers' methods -----------------------------------------------------------------


@dataclass
class Selected:
    """Edges with their flows, and how many selected neurons had nothing before them, by site."""

    flow: dict[Edge, float] = field(default_factory=dict)
    bias_fed: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def effective_path(
    twin: Twin,
    target: Question,
    theta: float,
    phi: Mapping[int, float] | None = None,
    psi: Mapping[int, float] | None = None,
    depth: int = 1 << 30,
) -> Selected:
    """Qiu et al. 2019, backward, neuron by neuron, with the deviations of graphpath/tracing/README.md.

    Ptolemy's knobs: ``phi`` by site chooses all contributions of at least that much, ``psi`` by site the
    important neurons by their own outputs alone, and ``depth`` counts convolutions and dense layers.
    """
    a, goal = twin.a, twin.goal(target)
    important = twin.wanted(target)
    selected = Selected()
    for site in reversed([s for s in (*twin.leading(target), goal) if s.number > 0]):
        mine = range(site.offset, site.offset + site.size)
        if psi is not None and site is not goal:
            important = {n for n in mine if abs(a[n]) > psi[site.number]}
            if not important:
                important = {site.offset + int(np.abs(site.a).argmax())} if site.a.any() else set()
        for neuron in sorted(n for n in important if n in mine):
            row = site.jacobian[neuron - site.offset]
            candidates = [(sign_of(twin, neuron) * float(row[n] * a[n]), int(n)) for n in np.flatnonzero(row)]
            if phi is None:
                chosen = _fewest(candidates, theta)
            else:
                chosen = [(v, n) for v, n in candidates if v >= phi[site.number] and v > 0]
            for _, source in chosen:
                selected.flow[source, neuron] = float(row[source] * a[source])
                important.add(source)
            if not chosen:
                selected.bias_fed[site.number] += 1
        depth -= has_weights(twin, site)
        if depth == 0:
            break
    return selected


def sign_of(twin: Twin, neuron: int) -> float:
    site = twin.site_of(neuron)
    return -1.0 if site.z[neuron - site.offset] < 0 else 1.0


def has_weights(twin: Twin, site: TwinSite) -> bool:
    """Whether a convolution or dense layer lies between a site and those that it reads."""
    others = {other.node for other in twin.sites if other is not site}
    waiting, seen = [site.node], set()
    while waiting:
        node = waiting.pop()
        if node.kind == "mix":
            return True
        new = [parent for parent in node.parents if parent not in others and parent not in seen]
        waiting += new
        seen.update(new)
    return False


def fitted(pair: list[tuple[Twin, Question]], theta: float) -> tuple[dict[int, float], dict[int, float]]:
    """Ptolemy's thresholds by site: least contributions chosen by theta, and least important outputs."""
    phi, psi = defaultdict(list), defaultdict(list)
    for twin, target in pair:
        path = effective_path(twin, target, theta)
        for site in twin.sites[1:]:
            mine = range(site.offset, site.offset + site.size)
            least: dict[int, float] = {}
            for (_, head), flow in path.flow.items():
                if head in mine:
                    least[head] = min(least.get(head, np.inf), sign_of(twin, head) * flow)
            important = len(least) + path.bias_fed[site.number]
            if least:
                phi[site.number].append(np.mean(list(least.values())))
            if important:
                psi[site.number].append(sorted(np.abs(site.a), reverse=True)[important - 1])
    return (
        {number: float(np.mean(values)) for number, values in phi.items()},
        {number: float(np.mean(values)) for number, values in psi.items()},
    )


def evidence(twin: Twin, target: Question) -> dict[tuple[int, int], float]:
    """Yu et al. 2018 as read in the notes: a * df/da summed over each feature map, by (site, channel)."""
    found = {}
    score = twin.a * twin.gradient(target)
    for site in active(twin, target):
        area = site.size // site.shape[0]
        for channel in range(site.shape[0]):
            start = site.offset + channel * area
            found[site.number, channel] = float(score[start : start + area].sum())
    return found


def _fewest(candidates: list[tuple[float, int]], theta: float) -> list[tuple[float, int]]:
    positive = sorted((c for c in candidates if c[0] > 0), key=lambda c: (-c[0], c[1]))
    total = sum(v for v, _ in candidates)
    if total <= 0 or 1 / len(candidates) >= theta:
        return positive[:1]
    chosen, reached = [], 0.0
    for value, neuron in positive:
        if reached >= theta * total:
            break
        chosen.append((value, neuron))
        reached += value
    return chosen


def most(twin: Twin, score: np.ndarray, sparsity: float, target: Question = 0) -> set[int]:
    """Neurons of sites with an activation whose score is above the percentile of all of them, and above 0."""
    pool = [site.offset + i for site in twin.leading(target) if site.active for i in range(site.size)]
    cut = np.percentile([score[n] for n in pool], 100 * sparsity)
    return {n for n in pool if score[n] > cut and score[n] > 0}


def neuron_mct(twin: Twin, target: Question, sparsity: float) -> tuple[set[int], Selected]:
    """Khakzar et al. 2021: abs(a * df/da), one global percentile; joined by every edge."""
    chosen = most(twin, np.abs(twin.a * twin.gradient(target)), sparsity, target)
    return chosen, joined(twin, target, chosen)


def active(twin: Twin, target: Question) -> list[TwinSite]:
    """The sites that methods threshold."""
    return [site for site in twin.leading(target) if site.active]


def contributions(twin: Twin, target: Question, factors: Mapping[int, Tensor]) -> np.ndarray:
    """``factor * df/dfactor`` of the neurons of some sites, in the model with these factors: (neurons,)."""
    leaves = {number: factor.clone().requires_grad_(True) for number, factor in factors.items()}
    outputs = gated(twin, leaves)
    goal = twin.goal(target)
    f = sum(w * outputs[goal.number][n - goal.offset] for n, w in twin.weights_in_f(target).items())
    slopes = torch.autograd.grad(f, list(leaves.values()), allow_unused=True)
    found = np.zeros(twin.neurons)
    for (number, factor), slope in zip(factors.items(), slopes, strict=True):
        if slope is not None:
            start = twin.sites[number].offset
            found[start : start + len(factor)] = (factor * slope).numpy()
    return found


def neuron_intgrad(twin: Twin, target: Question, steps: int) -> np.ndarray:
    """Khakzar et al. 2021: a * mean df/da over alpha * a, one site at a time, by the midpoint rule."""
    score = np.zeros(twin.neurons)
    for site in active(twin, target):
        for k in range(steps):
            alpha = (k + 0.5) / steps
            scaled = {site.number: torch.full((site.size,), alpha, dtype=torch.float64)}
            score += contributions(twin, target, scaled) / alpha / steps  # a * df/da at alpha * a
    return score


def _of_kept(twin: Twin, target: Question, kept: Mapping[int, bool]) -> dict[int, float]:
    factors = {
        s.number: torch.tensor([float(kept[s.offset + i]) for i in range(s.size)], dtype=torch.float64)
        for s in active(twin, target)
    }
    score = np.abs(contributions(twin, target, factors)).tolist()
    return {neuron: score[neuron] for neuron in kept}


def greedy_published(twin: Twin, target: Question, steps: int = 99) -> set[int]:
    """PathwayGrad's prune_greedy(1, steps), as it is coded."""
    kept = {s.offset + i: True for s in active(twin, target) for i in range(s.size)}
    score = _of_kept(twin, target, kept)
    for percent in range(steps):
        largest = max(score.values())
        threshold = np.percentile([value if value > 0 else largest for value in score.values()], percent)
        for neuron, value in score.items():
            if value <= threshold:
                kept[neuron] = False
            if value <= 0:
                kept[neuron] = True
        score = _of_kept(twin, target, kept)
    return {neuron for neuron, stays in kept.items() if stays}


def greedy_corrected(twin: Twin, target: Question, sparsity: float) -> set[int]:
    """Take out the lowest positive scores, a hundredth of all at a time, until few enough have any score."""
    kept = {s.offset + i: True for s in active(twin, target) for i in range(s.size)}
    if sparsity == 0:
        allowed = len(kept)
    else:
        allowed = int((np.arange(len(kept)) > np.percentile(np.arange(len(kept)), 100 * sparsity)).sum())
    while True:
        score = _of_kept(twin, target, kept)
        positive = sorted((value, -neuron) for neuron, value in score.items() if value > 0)
        if len(positive) <= allowed:
            return {-neuron for _, neuron in positive}
        for _, neuron in positive[: min(max(1, round(0.01 * len(kept))), len(positive) - allowed)]:
            kept[-neuron] = False


@dataclass(frozen=True)
class Routing:
    """Settings of distillation-guided routing; ``begin`` are the first gates (K,)."""

    begin: np.ndarray
    channel: bool
    gamma: float
    rate: float
    iterations: int
    ceiling: float
    nesterov: bool = False
    slower_from: int = 1 << 30
    rounds: int = 1


def dgr(twin: Twin, target: Question, how: Routing) -> np.ndarray:
    """Wang et al. 2018, one image, by torch.optim: the gates of least loss that keep the prediction (K,)."""
    sites = active(twin, target)
    widths = [s.shape[0] if how.channel else s.size for s in sites]
    parts = np.split(how.begin, np.cumsum(widths)[:-1])
    gates = [torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in parts]
    optimizer = torch.optim.SGD(gates, lr=how.rate, momentum=0.9, weight_decay=0, nesterov=how.nesterov)
    answer = torch.softmax(torch.from_numpy(twin.logits), 0)
    gamma = how.gamma
    for _ in range(how.rounds):
        best, least = None, np.inf
        for iteration in range(how.iterations):
            if iteration == how.slower_from:
                optimizer.param_groups[0]["lr"] /= 10
            factors = {
                s.number: g.repeat_interleave(s.size // len(g)) for s, g in zip(sites, gates, strict=True)
            }
            logits = gated(twin, factors)[-1]
            loss = -(answer * torch.log(torch.softmax(logits, 0))).sum()
            loss = loss + gamma * sum(g.abs().sum() for g in gates)
            if int(logits.argmax()) == int(answer.argmax()) and loss.item() < least:
                best, least = np.concatenate([g.detach().numpy().copy() for g in gates]), loss.item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for gate in gates:
                    gate.clamp_(0, how.ceiling)
        if best is not None:
            return best
        gamma /= 10
    raise AssertionError("no gates keep the prediction")


def relevance(twin: Twin, target: Question, rule: str, epsilon: float) -> np.ndarray:
    """Layer-wise relevance propagation, neuron by neuron (Bach et al. 2015; Montavon et al. 2017)."""
    a, found = twin.a, np.zeros(twin.neurons)
    for neuron, weight in twin.weights_in_f(target).items():
        found[neuron] = weight * a[neuron]
    for site in reversed(twin.sites[1:]):
        for place in range(site.size):
            received = found[site.offset + place]
            flow = site.jacobian[place] * a[: site.offset]
            total = site.z[place]
            if rule == "z_plus":
                flow = np.maximum(flow, 0)
                total = flow.sum() + max(site.b[place], 0)
            total += epsilon if total >= 0 else -epsilon
            if received and total:
                found[: site.offset] += flow / total * received
    return found


def relevant_edges(
    twin: Twin, target: Question, rule: str, epsilon: float, share: float
) -> tuple[Selected, list[float]]:
    """From the target back: of each layer's edges into neurons on the path, the fewest that carry ``share``.

    Also how narrow each choice was: the gap at the cut, relative to what was to be reached.
    """
    relevant, path, selected, gaps = (
        relevance(twin, target, rule, epsilon),
        twin.wanted(target),
        Selected(),
        [],
    )
    for site in reversed(twin.sites[1:]):
        candidates = []
        mine = [n for n in path if site.offset <= n < site.offset + site.size]
        for neuron in mine:
            flow = site.jacobian[neuron - site.offset] * twin.a[: site.offset]
            part = np.maximum(flow, 0) if rule == "z_plus" else flow
            total = part.sum() + max(site.b[neuron - site.offset], 0)
            total = site.z[neuron - site.offset] if rule == "epsilon" else total
            total += epsilon if total >= 0 else -epsilon
            for source in np.flatnonzero(part):
                carried = abs(part[source] / total * relevant[neuron]) if total else 0.0
                candidates.append((carried, int(source), neuron, float(flow[source])))
        candidates = sorted((c for c in candidates if c[0] > 0), key=lambda c: (-c[0], c[1], c[2]))
        goal, reached = share * sum(c[0] for c in candidates), 0.0
        for carried, source, neuron, flow in candidates:
            if reached >= goal:
                break
            selected.flow[source, neuron] = flow
            reached += carried
            gaps.append(abs(reached - goal) / goal)
        path |= {source for source, _ in selected.flow}
        fed = {head for _, head in selected.flow}
        for neuron in mine:
            if neuron not in fed:
                selected.bias_fed[site.number] += 1
    return selected, gaps


def joined(twin: Twin, target: Question, chosen: set[int]) -> Selected:
    """All flows among chosen neurons, pixels, the neurons of linear sites and the target's neurons."""
    taking_part = twin.wanted(target)
    for site in twin.leading(target):
        mine = range(site.offset, site.offset + site.size)
        taking_part.update(set(mine) & chosen if site.active else mine)
    selected = Selected()
    fed = set()
    for (source, head), flow in twin.flows().items():
        if source in taking_part and head in taking_part:
            selected.flow[source, head] = flow
            fed.add(head)
    for neuron in taking_part - fed:
        site = twin.site_of(neuron)
        if site.number > 0:
            selected.bias_fed[site.number] += 1
    return selected


# --- routes, strength, budget ------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """A chain of neurons with its contribution; ``born`` when it starts at its first neuron's constant."""

    neurons: tuple[int, ...]
    contribution: float
    born: bool = False

    @property
    def edges(self) -> list[Edge]:
        return list(zip(self.neurons[:-1], self.neurons[1:], strict=True))


def routes(twin: Twin, target: Question, edges: Mapping[Edge, float], constants: bool) -> list[Route]:
    """Every route of the edges to the target's neurons, by depth-first search from these back.

    ``constants`` says whether routes may also start at a neuron's constant.
    """
    a, pixels = twin.a, twin.sites[0].size
    gate = np.concatenate([site.gate for site in twin.sites])
    b = np.concatenate([site.b for site in twin.sites])
    at_zero = np.concatenate([site.at_zero for site in twin.sites])
    before: dict[int, list[int]] = defaultdict(list)
    for source, head in sorted(edges):
        before[head].append(source)
    found: list[Route] = []

    def back(neuron: int, after: tuple[int, ...], product: float) -> None:
        chain = (neuron, *after)
        if neuron < pixels:
            found.append(Route(chain, product * float(a[neuron])))
            return
        if constants and at_zero[neuron] != 0:
            found.append(Route(chain, product * float(at_zero[neuron]), born=True))
        product *= float(gate[neuron])
        if constants and b[neuron] != 0:
            found.append(Route(chain, product * float(b[neuron]), born=True))
        for source in before[neuron]:
            back(source, chain, product * (edges[source, neuron] / float(a[source])))

    for neuron, weight in twin.weights_in_f(target).items():
        back(neuron, (), weight)
    return found


def total(twin: Twin, target: Question) -> float:
    """What all routes and all constants give to f, summed by dynamic programming."""
    arriving = np.zeros(twin.neurons)
    arriving[: twin.sites[0].size] = twin.sites[0].a
    for site in twin.sites[1:]:
        mine = slice(site.offset, site.offset + site.size)
        arriving[mine] = site.gate * (site.jacobian @ arriving[: site.offset] + site.b) + site.at_zero
    return float(sum(weight * arriving[n] for n, weight in twin.weights_in_f(target).items()))


def strengths(found: list[Route], edges: Mapping[Edge, float]) -> dict[Edge, float]:
    """The largest |contribution| of a route through each edge, 0 where none passes."""
    best = dict.fromkeys(edges, 0.0)
    for route in found:
        for edge in route.edges:
            best[edge] = max(best[edge], abs(route.contribution))
    return best
