"""torchvision's ``Normalize`` inside a network, for torch.export.

It asks whether a standard deviation is 0, of a tensor that it makes in its forward. torch.export takes that
for a branch on the values of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch import Tensor
from torchvision.transforms import _functional_tensor, v2


def _normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std`` by channel."""
    shift, scale = (torch.as_tensor(part, dtype=tensor.dtype, device=tensor.device) for part in (mean, std))
    return (tensor - shift.view(-1, 1, 1)) / scale.view(-1, 1, 1)


@contextmanager
def plain_normalize() -> Iterator[None]:
    """torchvision's normalisation without the question, for as long as a network is captured."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(_functional_tensor, "normalize", _normalize))
        stack.enter_context(patch.object(v2.Normalize, "transform", _transform))
        yield


def _transform(self: v2.Normalize, given: Tensor, params: object) -> Tensor:
    return _normalize(given, self.mean, self.std)
