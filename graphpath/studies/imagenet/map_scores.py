"""Which feature maps belong to a concept, by published methods and by controls, from a few of its images.

All look at the same few layers (:func:`find_block_ends`), and each gives the maps of a layer a score, so that
they can be compared at equal numbers of maps.

*Cross-layer attribution* (Rajaram et al. 2024, "Automatic Discovery of Visual Circuits"): a map m of a layer
matters to a map n of the next by ``|a_m| |da_n/da_m|``. Layer by layer, from the logit backward, those maps
are taken that matter most to the ones taken before. The paper's abstract and its formula could be read, and
no code of the authors. Ours: the activation of a map n is the length of its plane, the product is summed over
m's plane, and all is averaged over images. Nothing is refined afterwards.

*Granular Concept Circuits* (Kwon et al. 2025, read in the authors' code): a map of an early layer is a root
where an image is among the 1 % that excite it most. A later map is linked to one taken before by what it
loses where that one is set to 0 (neuron sensitivity), if the image is of the tenth that excite it most, and
by how many of its own most exciting images the two share (semantic flow). Ours: the code gives sets of any
size, by thresholds; here the product of both scores, summed over the maps taken before, ranks the maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphpath.network import Network, Pass, Site, hold

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Channels = npt.NDArray[np.int64]
Scores = Mapping[int, Floats]
"""By the number of a layer, a score for each of its maps: (channels,)."""

PEAK, EXCITED, LINKED = 0.1, 0.01, 0.1
"""Of a map's plane, the part that tells how much an image excites it; of the images, those that excite it
most, and those that can be linked to it."""


def find_block_ends(network: Network) -> list[Site]:
    """The last sum of each shape; in a network without sums, the last layer of feature maps of each.

    Only layers that all later ones depend on through them alone, so that nothing passes them by.
    """
    ends = [site for site in _list_map_sites(network) if not _is_passed_by(network, site)]
    sums = [site for site in ends if site.kind == "add"]
    return sorted({site.shape: site for site in sums or ends}.values(), key=lambda site: site.number)


def _list_map_sites(network: Network) -> list[Site]:
    return [site for site in network.sites[1:-1] if site.shape[1] * site.shape[2] > 1]


def _is_passed_by(network: Network, site: Site) -> bool:
    later = network.sites[site.number + 1 :]
    return any(source < site.number for other in later for source in network.sources(other))


def score_activation(run: Pass, sites: Sequence[Site]) -> dict[int, Floats]:
    """The mean size of each map's neurons over images."""
    return {site.number: _to_floats(_split(run.output(site), site).abs().mean((0, 2))) for site in sites}


def score_gradient(
    network: Network, images: Tensor, classes: Tensor, sites: Sequence[Site]
) -> dict[int, Floats]:
    """The sum of ``|a df/da|`` over each map's neurons, f the logit of each image's class (N,); the mean
    over images."""
    held = hold(network, images, lambda logits: _mark_classes(logits, classes))
    product = (held.output * held.gradient).abs()
    return {site.number: _to_floats(_split(product[:, site.span], site).sum(2).mean(0)) for site in sites}


def follow_back(
    run: Pass, sites: Sequence[Site], classes: Tensor, counts: Sequence[int]
) -> dict[int, Floats]:
    """Cross-layer attribution: the scores of each layer's maps, of which the ``counts`` largest are taken.

    From the logits of the images' classes (N,) backward: to the last layer, and so on.
    """
    last = sites[-1]
    output = run.output(last).clone().requires_grad_(True)
    f = run.resumed(last, output).gather(1, classes[:, None]).sum()
    found = {last.number: _to_floats(_multiply(output, f, last))}
    for (one, two), count in zip(reversed([*pairwise(sites)]), reversed(counts[1:]), strict=True):
        taken = np.flatnonzero(mark_largest(found[two.number], count))
        found[one.number] = attribute_maps(run, one, two, taken).sum(1)
    return found


def attribute_maps(run: Pass, one: Site, two: Site, taken: Channels) -> Floats:
    """``|a_m| |da_n/da_m|`` for each map m of ``one`` and each n of ``two`` that is ``taken``: (channels, K).

    Summed over the plane of m, the activation of n being the length of its plane; the mean over images.
    """
    output = run.output(one).clone().requires_grad_(True)
    lengths = _split(run.resumed(one, output, goal=two), two).norm(dim=2).sum(0)
    found = [_multiply(output, lengths[n], one) for n in taken.tolist()]
    return _to_floats(torch.stack(found, 1))


def _multiply(output: Tensor, value: Tensor, site: Site) -> Tensor:
    """``|a| |dvalue/da|`` summed over each map of a site, the mean over images: (channels,)."""
    (gradient,) = torch.autograd.grad(value, output, retain_graph=True)
    return _split((output.detach() * gradient).abs(), site).sum(2).mean(0)


@torch.no_grad()
def measure_losses(run: Pass, one: Site, two: Site, taken: Channels) -> Floats:
    """What each map of ``two`` loses, on the mean of its plane, without each ``taken`` map of ``one``.

    (images, K, channels of ``two``); 0 where it gains.
    """
    output, whole, found = run.output(one), _split(run.output(two), two).mean(2), []
    for channel in taken.tolist():
        less = output.clone()
        _split(less, one)[:, channel] = 0
        found.append(whole - _split(run.resumed(one, less, goal=two), two).mean(2))
    return _to_floats(torch.stack(found, 1).clamp(min=0))


def measure_peaks(run: Pass, site: Site) -> Tensor:
    """How much each image excites each map: the mean of the largest tenth of its plane, (N, channels)."""
    planes = _split(run.output(site), site)
    count = max(1, int(planes.shape[2] * PEAK))
    return planes.topk(count, dim=2).values.mean(2)


def link_forward(
    run: Pass, sites: Sequence[Site], peaks: Sequence[Floats], own: Channels, counts: Sequence[int]
) -> dict[int, Floats]:
    """Granular circuits: the scores of each layer's maps, of which the ``counts`` largest are taken.

    ``peaks`` are, for each layer, those of more images (R, channels), of which the concept's are ``own``.
    """
    excited = [mark_highest(layer, EXCITED) for layer in peaks]
    found = {sites[0].number: count_roots(peaks[0], excited[0], own)}
    for place, (one, two) in enumerate(pairwise(sites)):
        taken = np.flatnonzero(mark_largest(found[one.number], counts[place]))
        losses = measure_losses(run, one, two, taken)
        linked = mark_highest(peaks[place + 1], LINKED)[own]
        shared = share_images(excited[place][:, taken], excited[place + 1])
        found[two.number] = score_links(losses, linked, shared)
    return found


def score_links(losses: Floats, linked: Bools, shared: Floats) -> Floats:
    """The sum over earlier maps of sensitivity times semantic flow, the mean over images: (channels,).

    ``losses`` (N, K, channels) are divided by their sums over channels; ``linked`` (N, channels) says which
    images are among those that excite a map, ``shared`` (K, channels) is the semantic flow.
    """
    sums = losses.sum(2, keepdims=True)
    parts = np.divide(losses, sums, out=np.zeros_like(losses), where=sums > 0) * linked[:, None]
    scores: Floats = (parts.mean(0) * shared).sum(0)
    return scores


def count_roots(peaks: Floats, excited: Bools, own: Channels) -> Floats:
    """How many of the concept's images excite a map most; ties by how many images excite it less."""
    below = (peaks[:, None] < peaks[None, own]).mean((0, 1))
    roots: Floats = excited[own].sum(0) + below
    return roots


def share_images(one: Bools, two: Bools) -> Floats:
    """Of the images that excite a map of the second layer most, the share that a map of the first has too."""
    shared: Floats = (one.T.astype(float) @ two) / two.sum(0)
    return shared


def mark_highest(values: Floats, share: float) -> Bools:
    """Of each column the ``share`` of rows with the largest values, at least one: like ``values``."""
    count = max(1, round(share * len(values)))
    order = np.argsort(-values, axis=0, kind="stable")[:count]
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, order, values=True, axis=0)
    return chosen


def mark_largest(scores: Floats, count: int) -> Bools:
    """The ``count`` largest, ties to the lower channel: (channels,)."""
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(-scores, kind="stable")[:count]] = True
    return chosen


def _mark_classes(logits: Tensor, classes: Tensor) -> Tensor:
    return torch.zeros_like(logits).scatter_(1, classes[:, None], 1)


def _split(values: Tensor, site: Site) -> Tensor:
    """(N, size) as (N, channels, neurons of a map)."""
    return values.view(len(values), site.shape[0], -1)


def _to_floats(values: Tensor) -> Floats:
    found: Floats = values.detach().double().cpu().numpy()
    return found
