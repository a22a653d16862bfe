"""For which category a network of finer classes decides, as Geirhos et al. count it.

Of an image it is the category whose classes have the largest mean probability: a sum would favour a category
of many classes. Classes that are in no category have no say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphpath.data import BaseImages
from graphpath.errors import StudyError
from graphpath.models import LoadedModel, training
from graphpath.modules.state import evaluating
from graphpath.stores.categories import Scheme

BATCH = 64


def weigh_classes(classes: Mapping[int, str]) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """The categories in alphabetical order, and (categories, classes up to the last known): 1 / its size."""
    names = tuple(sorted({*classes.values()}))
    weights = np.zeros((len(names), max(classes) + 1))
    for label, name in classes.items():
        weights[names.index(name), label] = 1
    return names, weights / weights.sum(1, keepdims=True)


def decide(logits: Tensor, classes: Mapping[int, str]) -> npt.NDArray[np.str_]:
    """The category that each row of logits (N, classes) decides for: (N,)."""
    names, weights = weigh_classes(classes)
    probable = logits.double().softmax(1).cpu().numpy()[:, : weights.shape[1]]
    chosen: npt.NDArray[np.str_] = np.array(names, dtype=np.str_)[(probable @ weights.T).argmax(1)]
    return chosen


def decide_images(model: LoadedModel, images: BaseImages, scheme: Scheme) -> npt.NDArray[np.str_]:
    """The category that the network decides for of each image: (N,). Raises as ``Scheme.match``."""
    classes = match_outputs(model, scheme)
    found = [decide(logits, classes) for logits in compute_logits(model, images)]
    return np.concatenate(found) if found else np.empty(0, dtype=np.str_)


def match_outputs(model: LoadedModel, scheme: Scheme) -> dict[int, str]:
    """The category of each of the network's classes that has one. Raises StudyError where it names none."""
    if not model.classes:
        raise StudyError(
            f"{model.name} names no classes, which categories are found by: give --classes FILE."
        )
    return scheme.match(dict(enumerate(model.classes)))


def compute_logits(model: LoadedModel, images: BaseImages) -> Iterator[Tensor]:
    """The logits (n, classes) of some images after the other."""
    with evaluating(model.module):
        yield from training.compute_logits(model.module, images, BATCH)


def measure_share_decided(model: LoadedModel, images: BaseImages, scheme: Scheme) -> float:
    """The share of images, labelled with categories, whose label the network decides for."""
    labels = np.array(images.classes, dtype=np.str_)[images.labels]
    return float((decide_images(model, images, scheme) == labels).mean())
