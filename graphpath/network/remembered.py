"""Networks that were taken apart in this process: one that is what it was is not captured again.

What is remembered is served only where the module's fingerprint is the same, and where it and the program
still give, bit for bit, the logits that they gave when they were compared.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphpath.modules.fingerprint import fingerprint
from graphpath.modules.wrapping import take_off
from graphpath.network.lowering import Lowered
from graphpath.network.sites import Network

KEPT = 4
"""Networks that are remembered at most: each holds its folded weights once more."""

_LOCK = threading.Lock()
_NETWORKS: dict[weakref.ref[nn.Module], Remembered] = {}


@dataclass(frozen=True, eq=False)
class Remembered:
    """A network with the lowering that it was made of, and the ``state`` that its module was in."""

    state: str
    network: Network
    lowered: Lowered


def describe_state(module: nn.Module, image: Tensor) -> str | None:
    """A digest of all that a capture of ``module`` for ``image`` depends on, None where it cannot be seen."""
    return fingerprint(
        module,
        tuple(image.shape),
        image.dtype,
        image.device,
        torch.get_default_dtype(),
        torch.is_autocast_enabled(image.device.type),
    )


def recall(module: nn.Module, state: str | None) -> Network | None:
    """The network that ``module`` was taken apart into in this ``state``, None where there is none."""
    with _LOCK:
        found = _NETWORKS.get(weakref.ref(take_off(module)))
    if found is None or found.state != state or not found.lowered.still_gives(module):
        return None
    return found.network


def remember(module: nn.Module, state: str | None, network: Network, lowered: Lowered) -> None:
    """Keep a network for as long as its module lives, or until ``KEPT`` others came."""
    if state is None:
        return
    key = weakref.ref(take_off(module), _forget)
    with _LOCK:
        _NETWORKS.pop(key, None)
        _NETWORKS[key] = Remembered(state, network, lowered)
        while len(_NETWORKS) > KEPT:
            del _NETWORKS[next(iter(_NETWORKS))]


def _forget(key: weakref.ref[nn.Module]) -> None:
    _NETWORKS.pop(key, None)
