"""What is asked of the network: the weights of its logits in f."""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.errors import MethodError

Target = str | int | Tensor
"""``"predicted"``, ``"own"``, ``"label"``, a class, or a class for each image (N,)."""

NAMES = ("predicted", "own", "label")


def chosen(target: Target, logits: Tensor, labels: Tensor, originals: Tensor, where: slice) -> Tensor:
    """The class that each image of a batch is traced for: (N,) int64.

    ``logits`` (N, classes) are the batch's, ``labels`` (N,) its labels (-1: none), ``originals`` (N,) the
    predictions on the images that derived images come from (-1: not derived), ``where`` the batch's place
    in the data, for a target given for every image.

    ``"predicted"`` is the network's prediction, for a derived image its prediction on the original, so that
    both are traced for one question; ``"own"`` is always the image's own prediction.

    Raises MethodError for an unknown target, a class out of range, or a missing label.
    """
    classes = logits.shape[1]
    if isinstance(target, str):
        wanted = _named(target, logits, labels, originals)
    elif isinstance(target, Tensor):
        wanted = target.to(logits.device)[where].long()
    else:
        wanted = torch.full((len(logits),), int(target), device=logits.device)
    if wanted.shape != (len(logits),) or bool(((wanted < 0) | (wanted >= classes)).any()):
        raise MethodError(f"target must give one class of 0 to {classes - 1} for each image.")
    return wanted


def one_hot(classes: Tensor, logits: Tensor) -> Tensor:
    """The seed of a class a image: (N, classes) in the logits' dtype."""
    return torch.nn.functional.one_hot(classes, logits.shape[1]).to(logits.dtype)


def _named(target: str, logits: Tensor, labels: Tensor, originals: Tensor) -> Tensor:
    own = logits.argmax(1)
    if target == "own":
        return own
    if target == "predicted":
        return torch.where(originals >= 0, originals, own)
    if target != "label":
        raise MethodError(f"target={target!r} is unknown; expected one of {', '.join(NAMES)}, or a class.")
    if bool((labels < 0).any()):
        raise MethodError('target="label" needs a label for every image; pass labels=.')
    return labels
