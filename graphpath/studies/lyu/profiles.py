"""Numbers of pathways on feature maps as arrays: what the experiments of Lyu et al. compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from graphpath.data import BaseImages
from graphpath.modules.state import evaluating
from graphpath.network import Pass, take_apart
from graphpath.record import Trace
from graphpath.report.captions import name_layer
from graphpath.studies.bench import Bench

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
BATCH = 256
EDGES = 200
"""Edges kept of a pathway: these studies look at feature maps, and only at the strongest edges."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """A value for each image and feature map: ``of[layer]`` is (images, channels), in the images' order."""

    by_layer: Mapping[int, Floats]
    names: Mapping[int, str]

    @cached_property
    def layers(self) -> list[int]:
        return sorted(self.by_layer)

    def select(self, rows: Sequence[int] | np.ndarray) -> Profiles:
        """Those of some images."""
        return Profiles({layer: values[rows] for layer, values in self.by_layer.items()}, self.names)

    def join(self) -> Floats:
        """All layers side by side, each image's values in a layer divided by their sum there."""
        return np.concatenate([normalise_rows(self.by_layer[layer]) for layer in self.layers], axis=1)


def trace_diffusion(bench: Bench, images: BaseImages, **options: Any) -> Trace:
    """The diffusion pathways of images, by the kernel that is the unit's part."""
    given = {"kernel": bench.part, "top": bench.options["top"], **options}
    return bench.trace(images, method="diffusion", routes=0, max_edges=EDGES, per_layer=EDGES, **given)


def count_maps(bench: Bench, traced: Trace, images: BaseImages) -> Profiles:
    """T(l, c): how many of an image's pixels have the map among their largest in its layer.

    By the query ``pathways/counts``.
    """
    frame = bench.ask("pathways/counts", run=traced.id, by="sample")
    return spread_counts(frame, "pixels", images, list_map_layers(traced))


def spread_counts(frame: pd.DataFrame, column: str, images: BaseImages, layers: pd.DataFrame) -> Profiles:
    """A column of counts by sample as profiles, 0 where there is no row."""
    samples = images.rows()["sample"].to_numpy()
    order = np.argsort(samples)
    place = order[np.searchsorted(samples[order], frame.owner.to_numpy())]
    found = {}
    for layer, channels in zip(layers.layer, layers.channels, strict=True):
        found[int(layer)] = np.zeros((len(samples), int(channels)))
        here = (frame.layer == layer).to_numpy()
        found[int(layer)][place[here], frame.channel.to_numpy()[here]] = frame[column].to_numpy()[here]
    return Profiles(found, list_names(layers))


def list_map_layers(traced: Trace) -> pd.DataFrame:
    """The layers of feature maps that pixels are diffused to, the input left out."""
    frame = traced.layers().to_table().to_pandas()
    maps = frame[(frame.layer > 0) & ((frame.height > 1) | (frame.width > 1))]
    chosen: pd.DataFrame = maps[["layer", "name", "kind", "channels"]].reset_index(drop=True)
    return chosen


def list_names(layers: pd.DataFrame) -> dict[int, str]:
    """Captions by layer."""
    rows = zip(layers.layer, layers["name"], layers.kind, strict=True)
    return {int(layer): name_layer(str(name), str(kind)) for layer, name, kind in rows}


@torch.no_grad()
def read_activations(
    bench: Bench, images: BaseImages, layers: pd.DataFrame, value: Callable[[torch.Tensor], torch.Tensor]
) -> Profiles:
    """A value of every feature map's plain activations: ``value`` takes (N, C, H * W) and gives (N, C)."""
    module = bench.model.module
    with evaluating(module):
        network = take_apart(module, images.shape)
        parts: dict[int, list[Floats]] = {int(layer): [] for layer in layers.layer}
        for start in range(0, len(images), BATCH):
            pixels = images.batch(start, start + BATCH).to(network.device, network.dtype)
            run = Pass.of(network, pixels)
            for layer, found in parts.items():
                site = network.sites[layer]
                maps = run.output(site).unflatten(1, (site.shape[0], -1))
                found.append(value(maps).double().cpu().numpy())
    return Profiles({layer: np.concatenate(found) for layer, found in parts.items()}, list_names(layers))


def read_active_area(bench: Bench, images: BaseImages, layers: pd.DataFrame) -> Profiles:
    """How much of every feature map is not zero: the baseline of all these studies."""
    return read_activations(bench, images, layers, lambda maps: (maps != 0).float().mean(2))


def normalise_rows(values: Floats) -> Floats:
    """Rows divided by their sums; a row of zeros stays."""
    sums = values.sum(1, keepdims=True)
    none = np.zeros_like(values, dtype=float)
    result: Floats = np.divide(values, sums, out=none, where=sums > 0)
    return result


def mean_known(values: Floats) -> float:
    """The mean of the values that are known; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def mark_largest(values: Floats, count: int) -> npt.NDArray[np.bool_]:
    """Which are the ``count`` largest of each row, ties to the lower channel; zeros never count."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, order, values=True, axis=1)
    return chosen & (values > 0)


def paired_spearman(one: Floats, two: Floats) -> Floats:
    """Spearman's correlation of each row of ``one`` with that of ``two``; NaN for a row of one value."""
    from scipy import stats

    ranks = [stats.rankdata(values, axis=1) for values in (one, two)]
    left, right = (values - values.mean(1, keepdims=True) for values in ranks)
    length = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    none = np.full(len(one), np.nan)
    result: Floats = np.divide((left * right).sum(1), length, out=none, where=length > 0)
    return result
