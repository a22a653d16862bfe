"""Small networks as ordinary users write them, by family; and some that must be refused."""

from __future__ import annotations

from tests.network.idioms import (
    activations,
    architectures,
    attention,
    control,
    dimensions,
    heads,
    moving,
    norms,
    parametrised,
    pools,
    products,
    programs,
    recurrent,
    refusals,
    resizing,
    sequences,
    style,
    vision,
    wrappers,
)
from tests.network.idioms.registry import IDIOMS, Idiom

FAMILIES = (
    activations,
    architectures,
    attention,
    control,
    dimensions,
    heads,
    moving,
    norms,
    parametrised,
    pools,
    products,
    programs,
    recurrent,
    refusals,
    resizing,
    sequences,
    style,
    vision,
    wrappers,
)

__all__ = ["FAMILIES", "IDIOMS", "Idiom"]
