"""Distilled critical paths (Yu et al. 2018, "Distilling Critical Paths in Convolutional Neural Networks").

Not of an image but of a class: the feature maps that matter for it, by activation and gradient, averaged over
the class's images. A map's evidence on an image is ``sum over the map of a * df/da``, its first-order
contribution to the class's logit f.

Only the paper's abstract was at hand. So four things are ours: the sum over the map; the mean over the
class's rightly predicted images (over all where none is); one percentile over the maps of all layers; and
that evidence against the class counts as none. Networks are not distilled. The selected maps, with all their
neurons, are joined on each image as every method's are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.ids import digest
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.fitting import Examples, Fitted, Means, mark_right
from graphpath.tracing.neurons import join, mark_above
from graphpath.tracing.units import Units


def sum_by_map(batch: Batch) -> Tensor:
    """``a * df/da`` with the network's own gradient, summed over each feature map: (N, maps) float64."""
    units, true = Units.from_batch(batch), batch.true
    score = (true.output.double() * true.gradient.double())[:, units.pool]
    maps = int(units.channels[-1]) + 1
    return score.new_zeros((len(score), maps)).index_add_(1, units.channels, score)


def fit(examples: Examples, *, sparsity: float = 0.9) -> Fitted:
    """The feature maps of each class.

    Returns ``{class: {"images": how many the mean is over, "maps": {layer: [feature map, ...]}}}``, where
    ``class`` is its number as text, or a text for anything else that may be asked (a contrast, a neuron).
    """
    means, units = Means(), None
    for batch, labels in examples:
        units = Units.from_batch(batch)
        right = mark_right(batch, labels)
        for question, score, is_right in zip(name_classes(batch), sum_by_map(batch), right, strict=True):
            means.add(question, score, is_right)
    if units is None:
        return {}
    return {
        question: {"images": images, "maps": _split_by_layer(units, mark_above(mean[None], sparsity)[0])}
        for question, (mean, images) in means.list_means().items()
    }


def select(batch: Batch, fitted: Fitted, *, sparsity: float = 0.9) -> Selection:
    """The feature maps of the class that each image is traced for, joined.

    ``fitted`` is what ``fit`` gave for all images.

    Args:
        sparsity: the share of feature maps left out, pooled over all layers with an activation.

    Raises:
        MethodError: an image is traced for a class that no image was fitted for.
    """
    units = Units.from_batch(batch)
    rows = []
    for question in name_classes(batch):
        if question not in fitted:
            raise MethodError(f"distilled: no maps were fitted for the class {question!r}.")
        rows.append(_flatten(units, fitted[question]["maps"]))
    return join(batch, units.spread_to_neurons(torch.stack(rows)[:, units.channels]))


def name_classes(batch: Batch) -> list[str]:
    """What is asked of each image, as text: the number of a class, else all weights of the goal's neurons."""
    found = []
    for weights in batch.held.seed.cpu():
        place = weights.nonzero()[:, 0].tolist()
        if len(place) == 1 and float(weights[place[0]]) == 1:
            found.append(str(place[0]))
            continue
        text = " ".join(f"{float(weights[i]):+g}*{i}" for i in place)
        found.append(text if len(place) <= 2 else digest(text)[:16])
    return found


def _split_by_layer(units: Units, chosen: Tensor) -> dict[str, list[int]]:
    """Feature maps counted over all sites (maps,) bool, as numbers by site."""
    parts = chosen.cpu().split([site.shape[0] for site in units.sites])
    return {site.name: part.nonzero()[:, 0].tolist() for site, part in zip(units.sites, parts, strict=True)}


def _flatten(units: Units, maps: dict[str, list[int]]) -> Tensor:
    parts = []
    for site in units.sites:
        part = torch.zeros(site.shape[0], dtype=torch.bool)
        part[maps.get(site.name, [])] = True
        parts.append(part)
    return torch.cat(parts).to(units.pool.device)
