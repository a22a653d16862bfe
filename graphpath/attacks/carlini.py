"""The attack of Carlini and Wagner in L2: the least change that a descent finds, by a search for c."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

EDGE = 1e-4
"""How far from 0 and 1 pixels begin, since tanh reaches neither. The authors' 1e-6 leaves black pixels where
its slope is too small to move in a few hundred steps."""

GROWTH = 10.0
"""By what c grows while no image is found."""


@dataclass(frozen=True)
class CarliniWagner:
    """Carlini and Wagner 2017, section VI-A: minimise ``|x' - x|^2 + c * max(margin, -confidence)``.

    ``margin`` is by how much the logit of the class to be left exceeds every other, or by how much the
    target's falls short of the largest other. ``x' = (tanh(w) + 1) / 2`` keeps pixels in [0, 1]; Adam takes
    ``steps`` steps of ``rate`` in w. c begins at ``constant`` and is searched for ``searches`` times, image
    by image: tenfold until the attack works, then by halving. The authors take 1,000 steps (10,000 in their
    paper) and 9 searches; these defaults are for small networks.
    """

    steps: int = 100
    searches: int = 5
    rate: float = 0.05
    constant: float = 0.1
    confidence: float = 0.0

    def perturb(self, module: nn.Module, images: Tensor, target: Tensor, targeted: bool = False) -> Tensor:
        """float (n, C, H, W) in [0, 1]: away from class ``target`` (int64 (n,)), or towards it.

        An image for which no c works stays as it is.
        """
        best, least = images.clone(), images.new_full((len(images),), torch.inf)
        constant = torch.full_like(least, self.constant)
        low, high = torch.zeros_like(least), torch.full_like(least, torch.inf)
        for _ in range(self.searches):
            found, distance = self._descend(module, images, target, constant, targeted)
            nearer = distance < least
            best[nearer], least = found[nearer], torch.minimum(least, distance)
            works = distance.isfinite()
            high, low = torch.where(works, constant, high), torch.where(works, low, constant)
            constant = torch.where(high.isinf(), GROWTH * constant, (low + high) / 2)
        return best

    def _descend(
        self, module: nn.Module, images: Tensor, target: Tensor, constant: Tensor, targeted: bool
    ) -> tuple[Tensor, Tensor]:
        """The nearest successful images of the descent, and their distances; inf where none succeeded."""
        w = torch.atanh((2 * images - 1) * (1 - 2 * EDGE)).requires_grad_(True)
        # Adam's step is element by element: an image's descent does not depend on its batch.
        adam = torch.optim.Adam([w], lr=self.rate)
        best, least = images.clone(), images.new_full((len(images),), torch.inf)
        for _ in range(self.steps):
            with torch.enable_grad():
                moved = (torch.tanh(w) + 1) / 2
                distance = (moved - images).square().flatten(1).sum(1)
                margin = _margin(module(moved), target, targeted)
                loss = (distance + constant * margin.clamp(min=-self.confidence)).sum()
                (w.grad,) = torch.autograd.grad(loss, w)
            nearer = (margin < 0) & (margin <= -self.confidence) & (distance < least)
            best[nearer] = moved.detach()[nearer]
            least = torch.where(nearer, distance.detach(), least)
            adam.step()
        return best, least


def _margin(logits: Tensor, target: Tensor, targeted: bool) -> Tensor:
    """(n,): negative where the attack succeeds."""
    of_target = logits.gather(1, target[:, None])[:, 0]
    other = logits.scatter(1, target[:, None], -torch.inf).amax(1)
    return other - of_target if targeted else of_target - other
