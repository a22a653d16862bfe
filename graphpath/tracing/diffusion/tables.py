"""Diffusion of images' pixels as data frames: sizes on every feature map, largest chains.

A trace records the largest maps and the edges; these are for what a trace does not keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from graphpath.models import BY_POSITION, LoadedModel
from graphpath.models.inputs import bring_together
from graphpath.network import Held, Network
from graphpath.tracing.batch import as_array
from graphpath.tracing.batches import Batches
from graphpath.tracing.diffusion import pixels as choice
from graphpath.tracing.diffusion.chains import Chains, chains_of_image
from graphpath.tracing.diffusion.gather import MEMORY
from graphpath.tracing.diffusion.plan import DiffusionPlan, find_last_maps
from graphpath.tracing.diffusion.sections import iterate_sections
from graphpath.tracing.diffusion.sizes import Sizes, measure_sizes
from graphpath.tracing.evaluation import in_eval_mode

if TYPE_CHECKING:
    import pandas as pd

SIZES = ("image", "pixel", "layer", "name", "channel", "size", "signed", "largest", "rank")
CHAINS = ("image", "pixel", "position", "layer", "name", "channel", "log10")


def map_sizes(
    model: nn.Module | LoadedModel,
    images: Any,
    *,
    pixels: choice.Pixels = "foreground",
    threshold: float = 0.1,
    kernel: str = "signed",
    init: str = "intensity",
    device: str | torch.device | None = None,
) -> pd.DataFrame:
    """How large each chosen pixel's pathway is on every feature map that it reaches.

    Args:
        model, images: as :func:`graphpath.trace` takes them.
        pixels, threshold, kernel, init: as the method ``diffusion`` takes them.
        device: where to run; by default where the model is.

    Returns a row for each pixel and map: image, pixel (``y * width + x``), layer, name, channel, size (the
    sum of the cross-section there, of its magnitude for ``signed``), signed (the signed sum), largest (the
    largest magnitude) and rank (1 for the pixel's largest map of the layer); float64, in no units.

    Raises MethodError, NetworkError or DataError.
    """
    import pandas as pd

    tables = [pd.DataFrame(columns=list(SIZES))]
    with _iterate_images(model, images, device) as batches:
        plan = DiffusionPlan.make(batches.compiled.network, kernel, find_last_maps(batches.compiled.network))
        for sent in _send(batches, choice.parse_pixels(pixels), threshold):
            for part in torch.arange(len(sent.place)).split(plan.fit_rows(MEMORY)):
                for section in iterate_sections(plan, sent.held, sent.image[part], sent.place[part], init):
                    tables.append(_size_rows(measure_sizes(section, kernel), sent.number, sent.place[part]))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def largest_chains(
    model: nn.Module | LoadedModel,
    images: Any,
    *,
    pixels: choice.Pixels = "foreground",
    threshold: float = 0.1,
    kernel: str = "signed",
    init: str = "intensity",
    together: bool = False,
    device: str | torch.device | None = None,
) -> pd.DataFrame:
    """The largest chain of feature maps of each chosen pixel, or of all those of an image together.

    Args:
        model, images, pixels, threshold, kernel, init, device: as for :func:`map_sizes`.
        together: one chain for each image, of the flows of all chosen pixels summed.

    Returns a row for each map on a chain: image, pixel (``y * width + x``, or -1 for all together), position
    (0 in the image), layer, name, channel, and log10 of the product of the flows up to there. A pixel none of
    whose signal arrives has no rows.

    Raises MethodError, NetworkError, DataError, or UnsupportedOperation where channels on the way are no
    feature maps.
    """
    import pandas as pd

    tables = [pd.DataFrame(columns=list(CHAINS))]
    with _iterate_images(model, images, device) as batches:
        network = batches.compiled.network
        plan = DiffusionPlan.make(network, kernel, find_last_maps(network))
        for sent in _send(batches, choice.parse_pixels(pixels), threshold):
            for found, pixel in chains_of_image(plan, sent.held, sent.image, sent.place, init, together):
                if len(found.owner):
                    tables.append(_chain_rows(found, network, sent.number, pixel))
    return pd.concat(tables[1:] or tables, ignore_index=True)


@dataclass(frozen=True, eq=False)
class _HeldPixels:
    """The chosen pixels of one image, held: their places ``y * width + x``."""

    number: int
    held: Held
    image: Tensor  # (R,) zeros
    place: Tensor


@contextmanager
def _iterate_images(
    model: nn.Module | LoadedModel, images: Any, device: str | torch.device | None
) -> Iterator[Batches]:
    loaded, source = bring_together(model, images, matching=BY_POSITION)  # no label is asked for
    with in_eval_mode(loaded.module, device):
        yield Batches(loaded, source, "own", 0)


def _send(batches: Batches, pixels: choice.Pixels, threshold: float) -> Iterator[_HeldPixels]:
    for number in range(len(batches)):
        held = batches.hold_images(number, number + 1)[0].held
        yield _HeldPixels(number, held, *choice.choose_pixels(pixels, threshold, held))


def _size_rows(found: Sizes, number: int, place: Tensor) -> pd.DataFrame:
    import pandas as pd

    channel, counts = found.select_largest(found.size.shape[1])
    row, rank = counts.nonzero(as_tuple=True)
    maps, exponent = channel[row, rank], as_array(found.exponent[row])
    values = [
        np.ldexp(as_array(column[row, maps]).astype(np.float64), exponent)
        for column in (found.size, found.signed, found.largest)
    ]
    columns = (
        np.full(len(row), number),
        as_array(place[row]),
        np.full(len(row), found.site.number),
        np.full(len(row), found.site.name, object),
        as_array(maps),
        *values,
        as_array(rank) + 1,
    )
    return pd.DataFrame(dict(zip(SIZES, columns, strict=True)))


def _chain_rows(found: Chains, network: Network, number: int, pixel: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    names = np.array([site.name for site in network.sites], object)[found.layer]
    log10 = found.log2 * np.log10(2)
    columns = (number, pixel[found.owner], found.position, found.layer, names, found.channel, log10)
    return pd.DataFrame(dict(zip(CHAINS, columns, strict=True)))
