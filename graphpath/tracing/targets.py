"""The target: the neurons of the network whose weighted sum f is traced.

f is a class's logit, the difference of two, or what lies inside the network: a neuron's output, or the sum
of a feature map's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from difflib import get_close_matches
from numbers import Integral
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network import Network, Site

Class = str | int
"""``"predicted"``, ``"own"``, ``"label"``, or a class by number or name."""

NAMES = ("predicted", "own", "label")
WORDS = f"{', '.join(NAMES)}, a class by number, two classes, a place in the network"
"""What a target may be, apart from a class by name."""
NO_CLASS = -1
"""What ``pathways.target`` holds where f is no class's logit: such pathways are no part of a class's."""


@dataclass(frozen=True)
class At:
    """A neuron inside the network, or without ``y`` and ``x`` a feature map: see :func:`at`."""

    layer: str | int
    channel: int
    y: int | None = None
    x: int | None = None

    def find_site(self, network: Network) -> Site:
        """The site it points into. Raises MethodError where the network has no such place."""
        site = find_site(self.layer, network)
        limits = dict(zip(("channel", "y", "x"), site.shape, strict=True))
        for name, limit in limits.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value < limit:
                raise MethodError(
                    f"target: {site.name} has no {name} {value}; expected one of 0 to {limit - 1}."
                )
        return site

    def make_weights(self, site: Site) -> Tensor:
        """The weight of each of the site's neurons in f: (size,) float64, 1 where it points."""
        weights = torch.zeros(site.shape, dtype=torch.float64)
        weights[self.channel, self._places(self.y), self._places(self.x)] = 1
        return weights.flatten()

    @staticmethod
    def _places(place: int | None) -> slice:
        return slice(None) if place is None else slice(place, place + 1)


def at(layer: str | int, channel: int, y: int | None = None, x: int | None = None) -> At:
    """A target inside the network: f is the output of one neuron, or the sum over a feature map.

    Args:
        layer: a layer by the name or number that ``trace.layers()`` gives it; an activation's name is its
            layer's.
        channel: the feature map, or the neuron of a dense layer.
        y, x: the neuron's place in the map; without them, f is the sum of the map's outputs.

    Returns what ``target=`` takes. Pathways end there, and layers behind it have no edges.

    Raises MethodError where only one of y and x is given.
    """
    if (y is None) != (x is None):
        raise MethodError("at(): a neuron has both y and x, a feature map neither.")
    place = {"channel": channel, "y": y, "x": x}
    given = {name: value for name, value in place.items() if value is not None or name == "channel"}
    if wrong := [name for name, value in given.items() if not _is_whole(value)]:
        raise MethodError(f"at(): {wrong[0]}={place[wrong[0]]!r} is no number of a neuron or feature map.")
    known = layer if isinstance(layer, str) else int(layer) if _is_whole(layer) else str(layer)
    return At(known, int(channel), *(None if value is None else int(value) for value in (y, x)))


def _is_whole(value: object) -> bool:
    """Whether ``value`` is an integer, of Python's or numpy's."""
    return isinstance(value, Integral) and not isinstance(value, bool)


Target = Class | Tensor | tuple[Class, Class] | At
"""A class, a class for each image (N,), two classes (f is the difference of their logits), or ``at(...)``."""


@dataclass(frozen=True)
class TargetRows:
    """What targets need to know of a batch: its ``labels`` (N,) (-1: none), the predictions ``originals``
    (N,) on the images that derived ones come from (-1: not derived), and its ``place`` in the data.
    """

    labels: Tensor
    originals: Tensor
    place: slice


def find_goal(target: Target, network: Network) -> Site:
    """The site whose neurons f weighs.

    Raises MethodError where ``target`` points at something that the network lacks, or at the input.
    """
    if not isinstance(target, At):
        return network.sites[-1]
    site = target.find_site(network)
    if site.number == 0:
        raise MethodError("target: nothing leads to the input; choose a later layer.")
    return site


def weigh_target(target: Target, goal: Site, logits: Tensor, rows: TargetRows) -> tuple[Tensor, Tensor]:
    """The weights of the goal's neurons in f (N, size), in the logits' dtype, and each image's class (N,).

    The class is ``NO_CLASS`` where f is not one class's logit. Raises MethodError as ``choose_classes`` does.
    """
    no_class = torch.full((len(logits),), NO_CLASS, device=logits.device)
    if isinstance(target, At):
        weights = target.make_weights(goal).to(logits)
        return weights.expand(len(logits), -1), no_class
    if isinstance(target, tuple):
        first, second = (make_one_hot(choose_classes(side, logits, rows), logits) for side in target)
        return first - second, no_class
    classes = choose_classes(target, logits, rows)
    return make_one_hot(classes, logits), classes


def choose_classes(target: Class | Tensor, logits: Tensor, rows: TargetRows) -> Tensor:
    """The class that each image of a batch is traced for: (N,) int64, from its ``logits`` (N, classes).

    ``"predicted"`` is the network's prediction, for a derived image its prediction on the original, so that
    both are traced for one target; ``"own"`` is always the image's own prediction.

    Raises MethodError for an unknown target, a class out of range, or a missing label.
    """
    classes = logits.shape[1]
    if isinstance(target, str):
        wanted = _choose_named(target, logits, rows)
    elif isinstance(target, Tensor):
        wanted = target.to(logits.device)[rows.place].long()
    else:
        inside = int(target) if 0 <= target < classes else -1
        wanted = torch.full((len(logits),), inside, device=logits.device)
    if wanted.shape != (len(logits),) or bool(((wanted < 0) | (wanted >= classes)).any()):
        given = f"={target!r}" if isinstance(target, str | int) else ""
        raise MethodError(f"target{given} must give one class of 0 to {classes - 1} for each image.")
    return wanted


def make_one_hot(classes: Tensor, logits: Tensor) -> Tensor:
    """The weights of a class's logit a image: (N, classes) in the logits' dtype."""
    return torch.nn.functional.one_hot(classes, logits.shape[1]).to(logits.dtype)


def normalise_target(target: Any) -> Target:
    """``target`` as one of the kinds of ``Target``: integers of numpy's, arrays and lists of classes too.

    Raises MethodError where it is none.
    """
    if isinstance(target, str | At):
        return target
    if _is_whole(target):
        return int(target)
    if isinstance(target, tuple):
        if not all(isinstance(side, str) or _is_whole(side) for side in target):
            raise MethodError(f"target={target!r} is no contrast; expected two classes, such as (3, 5).")
        sides = tuple(side if isinstance(side, str) else int(side) for side in target)
        return cast("tuple[Class, Class]", sides)
    if isinstance(target, Tensor | np.ndarray | list):
        return _normalise_each(target)
    raise MethodError(
        f"target={target!r} is a {type(target).__name__}; expected one of {', '.join(NAMES)}, a class by "
        "number, two of them, a class for each image, or graphpath.at(...)."
    )


def _normalise_each(target: Any) -> Target:
    """A class for each image as a tensor of int64; a tensor of one number is a class."""
    try:
        found = target if isinstance(target, Tensor) else torch.from_numpy(np.array(target))
    except (TypeError, ValueError) as error:
        raise MethodError(f"target: {target!r} has no class by number for each image.") from error
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise MethodError(f"target holds {found.dtype}; expected classes by number, such as int64.")
    return int(found) if found.ndim == 0 else found.long()


def check_target(target: Target, images: int) -> None:
    """Refuse with MethodError what is no target at all, before anything runs."""
    if isinstance(target, Tensor) and target.shape != (images,):
        raise MethodError(
            f"target has the shape {tuple(target.shape)}; expected a class for each of {images} images."
        )
    if isinstance(target, tuple) and (
        len(target) != 2 or not all(isinstance(side, str | int) for side in target)
    ):
        raise MethodError(f"target={target!r} is no contrast; expected two classes, such as (3, 5).")
    if isinstance(target, tuple) and target[0] == target[1]:
        raise MethodError(f"target={target!r}: the difference of a class with itself is always 0.")


def describe_target(target: Target) -> Any:
    """The target as run.json says it.

    A name, a class, a list with the class of every image, ``{"contrast": [a, b]}``, or
    ``{"at": {"layer": ..., "channel": ..., "y": ..., "x": ...}}``.
    """
    if isinstance(target, At):
        return {"at": asdict(target)}
    if isinstance(target, tuple):
        return {"contrast": list(target)}
    return target.tolist() if isinstance(target, Tensor) else target


def find_site(layer: str | int, network: Network) -> Site:
    """The layer with that name (its own or its activation's) or number; MethodError where there is none."""
    sites = network.sites
    if isinstance(layer, int):
        if not 0 <= layer < len(sites):
            raise MethodError(
                f"target: there is no layer {layer}; the network has layers 0 to {len(sites) - 1}."
            )
        return sites[layer]
    # The logits may share their step with the layer before them; a layer's own name goes first.
    named = {network.program.steps[site.after].place: site for site in reversed(sites)}
    named |= {site.name: site for site in sites}
    if layer not in named:
        like = get_close_matches(layer, named, 3) or [site.name for site in sites[:3]]
        raise MethodError(f"target: there is no layer {layer!r}; there are {', '.join(like)} and others.")
    return named[layer]


def _choose_named(target: str, logits: Tensor, rows: TargetRows) -> Tensor:
    own = logits.argmax(1)
    if target == "own":
        return own
    if target == "predicted":
        return torch.where(rows.originals >= 0, rows.originals, own)
    if target != "label":
        raise MethodError(
            f"target={target!r} is unknown; expected one of {', '.join(NAMES)}, a class, two classes, or "
            "a place in the network."
        )
    if bool((rows.labels < 0).any()):
        raise MethodError('target="label" needs a label for every image; pass labels=.')
    return rows.labels
