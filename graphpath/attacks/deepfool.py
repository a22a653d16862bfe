"""DeepFool: the nearest decision boundary, were the network linear around the image, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class DeepFool:
    """Moosavi-Dezfooli et al. 2016, algorithm 2, in L2.

    At most ``steps`` steps; each goes to the nearest of the boundaries with the ``classes`` likeliest
    classes. The sum of the steps is lengthened by ``overshoot`` at once, as in the authors' code, so that the
    image comes to lie beyond the boundary. Pixels stay in [0, 1]: one that lies on its bound and would leave
    it takes no part in a step, since steps that are merely cut off do not arrive where much of an image is
    black.
    """

    steps: int = 50
    overshoot: float = 0.02
    classes: int = 10

    def perturb(self, module: nn.Module, images: Tensor, own: Tensor) -> Tensor:
        """float (n, C, H, W) in [0, 1]: ``images`` where ``module`` no longer says ``own`` (int64 (n,)).

        An image that is no longer taken for its class moves no further.
        """
        rivals = _find_rivals(module, images, own, self.classes)
        moved, total = images.clone(), torch.zeros_like(images)
        left = torch.arange(len(images), device=images.device)
        for _ in range(self.steps):
            holds, margins, slopes = _linearise(module, moved[left], own[left], rivals[left])
            left, margins, slopes = left[holds], margins[holds], slopes[holds]
            if not len(left):
                break
            total[left] += _step_to_nearest(margins, slopes).view_as(total[left])
            moved[left] = (images[left] + (1 + self.overshoot) * total[left]).clamp(0, 1)
        return moved


def _find_rivals(module: nn.Module, images: Tensor, own: Tensor, count: int) -> Tensor:
    """int64 (n, k): the likeliest classes beside each image's own."""
    with torch.no_grad():
        logits: Tensor = module(images)
    others = logits.scatter(1, own[:, None], -torch.inf)
    return others.topk(min(count, logits.shape[1]) - 1, 1).indices


def _linearise(
    module: nn.Module, images: Tensor, own: Tensor, rivals: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The network linearised around each image.

    Whether the image is still of its own class (n,); its margins, by how much the logit of that class exceeds
    each rival's (n, k); and the gradients of the margins (n, k, pixels).
    """
    with torch.enable_grad():
        x = images.detach().requires_grad_(True)
        logits = module(x)
        margins = logits.gather(1, own[:, None]) - logits.gather(1, rivals)
        slopes = [
            torch.autograd.grad(margins[:, rival].sum(), x, retain_graph=True)[0].flatten(1)
            for rival in range(rivals.shape[1])
        ]
    return logits.argmax(1) == own, margins.detach(), _mask_leaving_pixels(images, torch.stack(slopes, 1))


def _mask_leaving_pixels(images: Tensor, slopes: Tensor) -> Tensor:
    """``slopes`` with 0 at the pixels that a step along them would take out of [0, 1]."""
    pixels = images.flatten(1)[:, None]
    leaving = ((pixels <= 0) & (slopes > 0)) | ((pixels >= 1) & (slopes < 0))
    return slopes.masked_fill(leaving, 0)


def _step_to_nearest(margins: Tensor, slopes: Tensor) -> Tensor:
    """(n, pixels): the step onto the nearest of the linearised boundaries."""
    size = slopes.norm(dim=2)
    # Where a margin has no slope, its boundary is nowhere.
    distance = torch.where(size > 0, margins.abs() / size, torch.inf)
    nearest = distance.argmin(1)
    row = torch.arange(len(margins), device=margins.device)
    step = margins[row, nearest] / size[row, nearest].square()
    taken: Tensor = -torch.where(size[row, nearest] > 0, step, 0.0)[:, None] * slopes[row, nearest]
    return taken
