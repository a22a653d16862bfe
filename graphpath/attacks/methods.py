"""The attacks: names, defaults, and the settings with which captum does what their papers say.

Those that captum has not are in ``deepfool`` and ``carlini``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from captum.robust import PGD
from torch import nn

from graphpath.attacks.carlini import CarliniWagner
from graphpath.attacks.deepfool import DeepFool
from graphpath.errors import MethodError
from graphpath.ids import digest

EPSILON = 0.1
"""The default bound of a bounded attack."""


@dataclass(frozen=True)
class Attack:
    """One published attack, bounded in the largest change of any pixel (L-infinity)."""

    source: str
    steps: int
    travel: float
    """Default step size times steps, in epsilons: above 1, so that the bound can be reached."""
    random_start: bool = False
    one_step: bool = False


@dataclass(frozen=True)
class LeastChange:
    """One published attack that seeks the least change in L2; nothing bounds it."""

    source: str
    settings: type[DeepFool] | type[CarliniWagner]
    targets: bool
    """Whether it can be targeted at a class."""
    random_start: bool = False


ATTACKS: dict[str, Attack | LeastChange] = {
    # Kurakin et al. take steps of 1/255, and a quarter more of them than would reach the bound.
    "bim": Attack("Kurakin et al. 2016, basic iterative method", steps=10, travel=1.25),
    "cw": LeastChange("Carlini and Wagner 2017, L2", CarliniWagner, targets=True),
    "deepfool": LeastChange("Moosavi-Dezfooli et al. 2016, L2", DeepFool, targets=False),
    "fgsm": Attack("Goodfellow et al. 2015, fast gradient sign", steps=1, travel=1.0, one_step=True),
    "pgd": Attack("Madry et al. 2018, projected gradient", steps=20, travel=2.5, random_start=True),
}


@dataclass(frozen=True)
class Strength:
    """How hard a bounded attack pushes. Pixels are in [0, 1]."""

    epsilon: float
    steps: int
    step_size: float


Settings = Strength | DeepFool | CarliniWagner


def find_attack(name: str) -> Attack | LeastChange:
    """The attack called ``name``; ``MethodError`` where there is none."""
    if name not in ATTACKS:
        raise MethodError(f"attack {name!r} is unknown; there are {', '.join(ATTACKS)}")
    return ATTACKS[name]


def resolve_settings(
    name: str,
    epsilon: float | None = None,
    steps: int | None = None,
    step_size: float | None = None,
    **options: float,
) -> Settings:
    """The settings of the attack ``name``, defaults filled in. ``MethodError`` names what makes no sense."""
    chosen = find_attack(name)
    if isinstance(chosen, Attack):
        if options:
            raise MethodError(
                f"{name} has no option {', '.join(options)}; it takes epsilon, steps, step_size"
            )
        return resolve_strength(name, EPSILON if epsilon is None else epsilon, steps, step_size)
    if epsilon is not None or step_size is not None:
        given = "epsilon" if epsilon is not None else "step_size"
        raise MethodError(
            f"{name} seeks the least change and takes no {given}; its options are {_list_options(chosen)}"
        )
    return _check_least_change(name, chosen, options if steps is None else {**options, "steps": steps})


def _check_least_change(
    name: str, chosen: LeastChange, options: Mapping[str, float]
) -> DeepFool | CarliniWagner:
    """The settings of an attack that seeks the least change."""
    kinds: dict[str, type[int] | type[float]] = {
        field.name: int if isinstance(field.default, int) else float for field in fields(chosen.settings)
    }
    for option, value in options.items():
        if option not in kinds:
            raise MethodError(f"{name} has no option {option}; it takes {_list_options(chosen)}")
        least = 2 if option == "classes" else 1 if kinds[option] is int else 0
        wrong_kind = isinstance(value, bool) or not isinstance(
            value, int if kinds[option] is int else (int, float)
        )
        if wrong_kind or not least <= value < float("inf"):
            whole = "a whole number of " if kinds[option] is int else ""
            raise MethodError(f"{option} {value}: expected {whole}at least {least}")
    given: dict[str, Any] = dict(options)
    return chosen.settings(**given)


def _list_options(chosen: LeastChange) -> str:
    return ", ".join(f"{field.name} ({field.default})" for field in fields(chosen.settings))


def resolve_strength(name: str, epsilon: float, steps: int | None, step_size: float | None) -> Strength:
    """The strength of a bounded attack. ``MethodError`` names what makes no sense."""
    chosen = find_attack(name)
    assert isinstance(chosen, Attack)
    if not 0 < epsilon <= 1:
        raise MethodError(
            f"epsilon {epsilon}: expected more than 0 and at most 1, since pixels are in [0, 1]"
        )
    if chosen.one_step and (steps not in (None, 1) or step_size not in (None, epsilon)):
        raise MethodError(f"{name} takes one step of size epsilon; for more steps use bim or pgd")
    count = chosen.steps if steps is None else steps
    if count < 1:
        raise MethodError(f"steps {count}: expected at least 1")
    size = chosen.travel * epsilon / count if step_size is None else step_size
    if not 0 < size < float("inf"):
        raise MethodError(f"step_size {size}: expected a positive number")
    return Strength(epsilon, count, size)


class _Pgd(PGD):  # type: ignore[misc]
    """captum's PGD; each image's random start comes from its own seed, whatever batch it is in."""

    def __init__(self, module: nn.Module, seeds: Sequence[int]) -> None:
        # captum's own loss is -log(output), which is NaN for logits; a mean over the batch would make the
        # gradient, and so captum's threshold, depend on the batch.
        super().__init__(module, _summed_cross_entropy, lower_bound=0.0, upper_bound=1.0)
        # By default captum takes gradients below 1e-6 for zero: confident images would not be attacked.
        self.fgsm.zero_thresh = 0.0
        self._seeds = seeds

    def _random_point(
        self, center: torch.Tensor, radius: float, norm: str, mask: torch.Tensor | int
    ) -> torch.Tensor:
        return center + (2 * self._draw_noise(center) - 1) * radius

    def _draw_noise(self, center: torch.Tensor) -> torch.Tensor:
        drawn = [
            torch.rand(center.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=center.dtype)
            for seed in self._seeds
        ]
        return torch.stack(drawn).to(center.device)


def _summed_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, target, reduction="sum").reshape(1)


def perturb(
    module: nn.Module,
    images: torch.Tensor,
    target: torch.Tensor,
    strength: Settings,
    *,
    targeted: bool,
    random_start: bool,
    seeds: Sequence[int],
) -> torch.Tensor:
    """float (n, C, H, W) in [0, 1]; of a bounded attack within ``push.epsilon`` of ``images`` in every pixel.

    Moves away from class ``target`` (int64 (n,)), or towards it where ``targeted``. ``module`` should be in
    eval mode; it is left without gradients.
    """
    start = images.detach().clone()
    if isinstance(strength, DeepFool):
        return strength.perturb(module, start, target)
    if isinstance(strength, CarliniWagner):
        return strength.perturb(module, start, target, targeted)
    with _silence_captum(), torch.enable_grad():
        adversarial: torch.Tensor = _Pgd(module, seeds).perturb(
            start,
            radius=strength.epsilon,
            step_size=strength.step_size,
            step_num=strength.steps,
            target=target,
            targeted=targeted,
            random_start=random_start,
        )
    return adversarial.detach()


@contextmanager
def _silence_captum() -> Iterator[None]:
    """captum remarks at every step that it made its input require a gradient, which is its task."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Input Tensor .* did not already require gradients")
        yield


def derive_start_seed(seed: int, sample: int) -> int:
    """The seed of one sample's random start."""
    return int(digest("attack", seed, sample)[:15], 16)
