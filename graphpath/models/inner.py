"""Normalisation that a network does by modules of its own: found, so that none is done twice unsaid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from graphpath.models.normalize import Normalize

_CALLED = re.compile(r"normali[sz]|preproc", re.IGNORECASE)
"""The names of modules that normalise pixels. Layers of their kind (InstanceNorm, ...) are called Norm."""
_PAIRS = (("mean", "std"), ("pixel_mean", "pixel_std"), ("means", "stds"), ("_mean", "_std"), ("mu", "sigma"))
MOST = 4
"""Channels of pixels; more are features."""


@dataclass(frozen=True)
class InnerNormalisation:
    """A module that subtracts a mean and divides by a standard deviation."""

    place: str
    """Its name in the network; empty for the network itself."""
    kind: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    names: tuple[str, str] = ("mean", "std")
    """What the module calls them."""

    def list_names(self) -> tuple[str, ...]:
        """The names that they would have in the network's state dict."""
        return tuple(f"{self.place}.{name}" if self.place else name for name in self.names)

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"{self.kind}{where} (mean {join_numbers(self.mean)}, std {join_numbers(self.std)})"

    def describe(self) -> dict[str, object]:
        """As run.json has it."""
        return {"module": self.place, "kind": self.kind, "mean": list(self.mean), "std": list(self.std)}


def find_inner(module: nn.Module, known: Normalize | None = None) -> tuple[InnerNormalisation, ...]:
    """The normalisations within ``module``, without ``known``, which is spoken of elsewhere.

    torchvision's ``Normalize``, any other module of such a name, and the network itself, if it has a mean and
    a std of a few numbers.
    """
    found = []
    for place, part in module.named_modules():
        if part is known or not (place == "" or _CALLED.search(type(part).__name__)):
            continue
        for mean, std in _PAIRS:
            values = _read_numbers(part, mean), _read_numbers(part, std)
            if values[0] and values[1]:
                found.append(InnerNormalisation(place, type(part).__name__, *values, (mean, std)))
                break
    return tuple(found)


def join_numbers(values: Sequence[float]) -> str:
    """Numbers in a sentence."""
    return ", ".join(f"{value:.4g}" for value in values)


def _read_numbers(part: nn.Module, name: str) -> tuple[float, ...]:
    """A few numbers that ``part`` has under ``name``; none where it is something else."""
    try:
        value: Any = getattr(part, name, None)
        if isinstance(value, bool) or value is None:
            return ()
        numbers = torch.as_tensor(value, dtype=torch.float64, device="cpu").flatten().tolist()
    # Attributes of other people's modules may be anything, and may raise anything.
    except Exception:
        return ()
    return tuple(round(number, 7) for number in numbers) if 0 < len(numbers) <= MOST else ()
