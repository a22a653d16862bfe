"""Key feature maps: those that a class cannot do without.

One map at a time is set to 0 in the network itself, and what follows is computed anew. Each class is looked
at by itself, because single units barely move the accuracy over all classes but damage particular ones (Zhou
et al. 2018, "Revisiting the Importance of Individual Units in CNNs"). What could be read of Lyu, Pang and
Wang 2024 does not say which maps they call key; the measure here is graphpath's choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from graphpath.data import Given, Labels
from graphpath.errors import DataError, MethodError
from graphpath.models import BY_NAME, LoadedModel
from graphpath.models.inputs import bring_together
from graphpath.network import Network, Site, take_apart
from graphpath.network.live import Pass
from graphpath.progress import AnyProgress, Progress, as_progress
from graphpath.tracing.evaluation import in_eval_mode
from graphpath.tracing.targets import find_site

if TYPE_CHECKING:
    import pandas as pd

"""Called with the maps done and the maps in all, counted anew for every batch of images."""


def key_maps(
    model: nn.Module | LoadedModel,
    images: Given,
    labels: Labels = None,
    *,
    layers: Sequence[str | int] | None = None,
    share: float = 0.1,
    least: int = 4,
    batch: int = 256,
    device: str | torch.device | None = None,
    matching: str = BY_NAME,
    progress: AnyProgress | None = None,
) -> pd.DataFrame:
    """What setting each feature map to 0 does to each class, and which are the class's key maps.

    Use images that the network was not trained on. A class's balanced accuracy is the mean of two shares: of
    its images, those classified as it; of the others, those that are not.

    Args:
        model, images, labels, matching: as :func:`graphpath.trace` takes them; every image needs a label.
        layers: layers of feature maps by name or number; by default all of them.
        share, least: a class's key maps are this share of a layer's maps, and not fewer than ``least``.
        batch: images at a time.
        device: where to run; by default where the model is.
        progress: called as maps are done; each costs a pass of all images through the layers behind it.

    Returns a row for each layer, channel and label that occurs: layer, name, channel, label, drop (of the
    class's balanced accuracy), logit_drop (of its logit, mean over its images), rank (1 is the largest drop;
    ties by logit_drop, then the lower channel) and key (bool).

    Raises MethodError for a layer that is not there, DataError for a missing label, NetworkError.
    """
    if not 0 < share <= 1 or least < 1 or batch < 1:
        raise MethodError(
            f"share={share}, least={least}, batch={batch}: expected 0 < share <= 1, others above 0."
        )
    loaded, source = bring_together(model, images, labels, matching=matching)
    known = source.rows()["label"].to_numpy().astype(np.int64)
    if (known < 0).any():
        raise DataError("key_maps needs a label for every image; pass labels=.")
    with in_eval_mode(loaded.module, device):
        network = take_apart(loaded.module, source.shape)
        sites = _choose_maps(network, layers)
        tally = _AccuracyTally(network, sites, as_progress(progress))
        for start in range(0, len(source), batch):
            stop = min(start + batch, len(source))
            pixels = source.batch(start, stop).to(device=network.device, dtype=network.dtype)
            tally.add(pixels, torch.from_numpy(known[start:stop]).to(network.device))
    return _rank(tally, share, least)


def _choose_maps(network: Network, layers: Sequence[str | int] | None) -> list[Site]:
    maps = [
        s for s in network.sites[1:] if len(network.program.steps[s.after].shape) == 3 and s.kind != "logits"
    ]
    if layers is None:
        return maps
    found = [find_site(layer, network) for layer in layers]
    for site in found:
        if site not in maps:
            raise MethodError(
                f"layers: {site.name} has no feature maps to take out; it is of kind {site.kind}."
            )
    return found


class _AccuracyTally:
    """Counts over images, with each map of ``sites`` at 0 in turn, and once (row 0) with none.

    ``hits`` and ``alarms`` (1 + maps, classes) are the images of a class, and those of others, that are
    classified as it; ``logits`` the sum of the class's logits over its images. ``images`` (classes,).
    """

    def __init__(self, network: Network, sites: list[Site], progress: Progress) -> None:
        classes, maps = network.sites[-1].size, sum(site.shape[0] for site in sites)
        self.network, self.sites, self._progress = network, sites, progress
        self.hits, self.alarms, self.logits = (np.zeros((1 + maps, classes)) for _ in range(3))
        self.images = np.zeros(classes)

    def add(self, pixels: Tensor, labels: Tensor) -> None:
        """Take in a batch (N, C, H, W) with its labels (N,)."""
        classes = len(self.images)
        if bool((labels >= classes).any()):
            raise DataError(f"There is a label above {classes - 1}; the network has {classes} classes.")
        self.images += labels.bincount(minlength=classes).cpu().numpy()
        run = Pass.of(self.network, pixels)
        self._count(0, run.logits, labels)
        row = 1
        for site in self.sites:
            output = run.output(site).view(len(pixels), site.shape[0], -1)
            live = output.abs().amax((0, 2)) > 0
            for channel in range(site.shape[0]):
                logits = self._run_without(run, site, output, channel) if live[channel] else run.logits
                self._count(row, logits, labels)
                row += 1
                self._progress("looking for key maps", row - 1, len(self.hits) - 1)

    def _run_without(self, run: Pass, site: Site, output: Tensor, channel: int) -> Tensor:
        changed = output.clone()
        changed[:, channel] = 0
        with torch.no_grad():
            return run.resumed(site, changed.flatten(1))

    def _count(self, row: int, logits: Tensor, labels: Tensor) -> None:
        classes, found = len(self.images), logits.argmax(1)
        right = found == labels
        self.hits[row] += labels[right].bincount(minlength=classes).cpu().numpy()
        self.alarms[row] += found[~right].bincount(minlength=classes).cpu().numpy()
        own = logits.gather(1, labels[:, None])[:, 0].double().cpu().numpy()
        self.logits[row] += np.bincount(labels.cpu().numpy(), own, classes)

    def compute_accuracy(self) -> np.ndarray:
        """The balanced accuracy of each class: (1 + maps, classes), NaN for classes without images."""
        others = self.images.sum() - self.images
        with np.errstate(invalid="ignore", divide="ignore"):
            missed = np.where(others > 0, self.alarms / others, 0.0)
            result: np.ndarray = (self.hits / self.images + 1 - missed) / 2
        return result


def _rank(tally: _AccuracyTally, share: float, least: int) -> pd.DataFrame:
    import pandas as pd

    there = np.flatnonzero(tally.images)
    accuracy, logits = tally.compute_accuracy()[:, there], tally.logits[:, there] / tally.images[there]
    drops, logit_drops = accuracy[0] - accuracy[1:], logits[0] - logits[1:]
    tables, row = [], 0
    for site in tally.sites:
        maps = site.shape[0]
        drop, logit_drop = drops[row : row + maps].T, logit_drops[row : row + maps].T
        channel = np.broadcast_to(np.arange(maps), drop.shape)
        order = np.lexsort((channel, -logit_drop, -drop))
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, channel + 1, 1)
        columns = {
            "layer": site.number,
            "name": site.name,
            "channel": channel.ravel(),
            "label": np.repeat(there, maps),
            "drop": drop.ravel(),
            "logit_drop": logit_drop.ravel(),
            "rank": rank.ravel(),
            "key": rank.ravel() <= max(least, math.ceil(share * maps)),
        }
        tables.append(pd.DataFrame(columns))
        row += maps
    return pd.concat(tables, ignore_index=True)
