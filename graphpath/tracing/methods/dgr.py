"""Distillation-guided routing (Wang et al. 2018, "Interpret Neural Networks by Identifying Critical Data
Routing Paths").

Each feature map, or each neuron, gets a gate that multiplies its output. The gates of an image are learned
so that the gated network answers as the network itself does, with as little gate as possible: the least of

    cross-entropy(softmax(f(x)), softmax(f(x; gates))) + gamma * sum |gates|

by stochastic gradient descent with momentum, gates clamped to [0, ceiling] after each step. Of all iterates
that preserve the prediction, the one of least loss is kept. Its gates above one percentile of all are the
critical pathway. The gates know nothing of the target, only of the prediction.

It was published with quite different settings; each goes by the name of where it is from. The authors' own
gates of a ResNet stand behind whole blocks. Here, as for all methods, every site with an activation has them.
All images of a batch are learned at once: every image has gates and a loss of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.neurons import join, mark_above
from graphpath.tracing.units import Units

MOMENTUM = 0.9
ROUNDS = 100
"""How often gamma is divided by 10 at most, where gates begin at random."""


@dataclass(frozen=True)
class GateRecipe:
    """The settings of one publication."""

    per: Literal["unit", "channel"]
    init: Literal["one", "random"]
    gamma: float
    rate: float
    iterations: int
    ceiling: float
    nesterov: bool = False
    slower_from: int | None = None  # the iteration from which the rate is a tenth

    def check(self) -> GateRecipe:
        """Itself. Raises MethodError for a setting out of range."""
        for name, least in (("gamma", 0), ("rate", 0), ("ceiling", 0), ("iterations", 1)):
            if not getattr(self, name) >= least:
                raise MethodError(f"{name}={getattr(self, name)} is out of range; expected at least {least}.")
        return self


RECIPES = {
    "wang": GateRecipe("channel", "one", 0.05, 0.1, 30, 100),
    "ptolemy": GateRecipe("channel", "one", 0.05, 0.1, 30, 10, nesterov=True),
    "khakzar": GateRecipe("unit", "one", 0.01, 0.01, 1000, 100),
    "khakzar_random": GateRecipe("unit", "random", 0.01, 0.01, 1000, 100),
    "critical_path_pruning": GateRecipe("channel", "one", 0.03, 0.1, 100, 100, nesterov=True, slower_from=50),
}
"""In this order: Wang et al.'s detector; the re-implementation in Ptolemy (Gan et al. 2020); Khakzar et al.
2021, with gates that begin at 1 and at random; CriticalPathPruning's VGG for CIFAR-100 (whose gates, unlike
ours, come before batch norm)."""


def select(
    batch: Batch,
    *,
    sparsity: float = 0.9,
    recipe: Literal["wang", "ptolemy", "khakzar", "khakzar_random", "critical_path_pruning"] = "khakzar",
    per: Literal["unit", "channel"] | None = None,
    init: Literal["one", "random"] | None = None,
    gamma: float | None = None,
    rate: float | None = None,
    iterations: int | None = None,
) -> Selection:
    """The neurons behind each image's largest gates, joined.

    Args:
        sparsity: the share of gates left out, pooled over all layers with an activation.
        recipe: whose settings: ``"khakzar"``, or with gates at random ``"khakzar_random"``; those of DGR's
            authors, ``"wang"``; ``"ptolemy"``; ``"critical_path_pruning"``. The rest replaces single ones.
        per: a gate for each ``"unit"`` (neuron) or each ``"channel"`` (feature map).
        init: gates begin at ``"one"`` or at ``"random"`` in [0, 1), by the image's seed. At random, gamma is
            divided by 10 until some iterate preserves the prediction.
        gamma: the weight of the gates' sum in the loss.
        rate: the learning rate.
        iterations: steps of descent.

    Raises:
        MethodError: a setting is out of range, or no iterate preserves an image's prediction.
    """
    given = {"per": per, "init": init, "gamma": gamma, "rate": rate, "iterations": iterations}
    settings = {name: value for name, value in given.items() if value is not None}
    chosen = replace(RECIPES[recipe], **settings).check()  # type: ignore[arg-type]
    units = Units.from_batch(batch)
    kept = mark_above(learn_gates(units, chosen), sparsity)
    return join(batch, units.spread_to_neurons(kept[:, units.channels] if chosen.per == "channel" else kept))


def learn_gates(units: Units, recipe: GateRecipe) -> Tensor:
    """The learned gates of each image: (N, units) or (N, channels).

    Raises:
        MethodError: no iterate preserves an image's prediction.
    """
    descent = _Descent.begin(units, recipe)
    for part in range(ROUNDS if recipe.init == "random" else 1):
        descent.run(recipe, recipe.gamma / 10**part)
        if not bool(descent.open.any()):
            return descent.best
    lost = descent.open.nonzero()[:, 0].tolist()
    raise MethodError(
        f"No gates were found that preserve the prediction of image(s) {lost} of this batch; expected some "
        "within the given iterations. Try a smaller gamma or rate, or more iterations."
    )


@dataclass(eq=False)
class _Descent:
    """Gates on their way down; ``loss`` (N,) is that of ``best``, infinite where none keep the prediction."""

    units: Units
    answer: Tensor  # (N, classes): the network's own softmax
    predicted: Tensor  # (N,)
    gates: Tensor
    velocity: Tensor
    best: Tensor
    loss: Tensor

    @classmethod
    def begin(cls, units: Units, recipe: GateRecipe) -> _Descent:
        held = units.batch.held
        count = int(units.channels[-1]) + 1 if recipe.per == "channel" else units.count
        gates = held.output.new_ones((held.images, count))
        if recipe.init == "random":
            gates = 1 - units.batch.draw_uniform(count).to(gates.dtype)
        with torch.no_grad():  # as the gated network computes it: nothing held, so that ties fall alike
            logits = units.run(gates.new_ones((1, units.count)))
        nothing = torch.full((held.images,), torch.inf, dtype=gates.dtype, device=gates.device)
        answer = logits.softmax(1), logits.argmax(1)
        return cls(units, *answer, gates, torch.zeros_like(gates), gates.clone(), nothing)

    @property
    def open(self) -> Tensor:
        """The images without gates that preserve their prediction: (N,) bool."""
        return self.loss.isinf()

    def run(self, recipe: GateRecipe, gamma: float) -> None:
        """One round of descent for the images that are open."""
        searching = self.open[:, None]
        for iteration in range(recipe.iterations):
            loss, slope, same = self._measure(recipe, gamma)
            better = searching[:, 0] & same & (loss < self.loss)
            self.best = torch.where(better[:, None], self.gates, self.best)
            self.loss = torch.where(better, loss, self.loss)
            slow = recipe.slower_from is not None and iteration >= recipe.slower_from
            self._step(slope, recipe, recipe.rate / 10 if slow else recipe.rate)

    def _measure(self, recipe: GateRecipe, gamma: float) -> tuple[Tensor, Tensor, Tensor]:
        """Each image's loss (N,), its gradient in the gates, and whether the prediction is preserved (N,)."""
        with torch.enable_grad():
            leaf = self.gates.detach().requires_grad_(True)
            logits = self.units.run(leaf[:, self.units.channels] if recipe.per == "channel" else leaf)
            loss = -(self.answer * logits.log_softmax(1)).sum(1) + gamma * leaf.abs().sum(1)
        (slope,) = torch.autograd.grad(loss.sum(), leaf)
        same = logits.detach().argmax(1) == self.predicted
        return loss.detach(), slope, same

    def _step(self, slope: Tensor, recipe: GateRecipe, rate: float) -> None:
        self.velocity = MOMENTUM * self.velocity + slope
        step = slope + MOMENTUM * self.velocity if recipe.nesterov else self.velocity
        self.gates = (self.gates - rate * step).clamp(0, recipe.ceiling)
