"""The strongest neurons of a feature map over all traced images, each with its patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphpath.errors import DataError
from graphpath.maps.patches import Patch, cut_patch
from graphpath.maps.which import find_map
from graphpath.stores import Store

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.data.given import Given


@dataclass(frozen=True)
class Examples:
    """Where a feature map is at its strongest.

    ``patches`` (n, C, height, width) float32 in [0, 1] are the receptive fields of the neurons of ``rows``,
    in that order. ``rows`` are those of ``maps/examples`` with ``rank``, 1 for the strongest. ``title`` names
    the map, ``missing`` is how many of the rows asked for have no image among those given: they are left out.
    """

    map: int
    title: str
    rows: pd.DataFrame
    patches: npt.NDArray[np.float32]
    missing: int


def examples(
    store: Store,
    map: int | str,
    images: Given,
    *,
    run: str | None = None,
    by: str = "activation",
    per: str = "sample",
    variant: str | None = None,
    limit: int | str = 9,
    fill: float = float("nan"),
) -> Examples:
    """The patches of images where a feature map is at its strongest.

    Args:
        map: its id, its name ("features.0 [12]") or its title ("conv 1 · map 12").
        images: those that were traced, as for ``gp.trace``; each is found by its sample's id.
        run: which run of the store; its only one by default.
        by: "activation", or "score": what the neuron adds to the target.
        per: "sample", the strongest neuron of each, or "visit", all neurons.
        variant: only samples of this variant; the originals by default.
        limit: at most so many; "all" for all.
        fill: what stands where a field goes beyond the image. All patches have the size of the largest field
            of the layer: what the border of the image cuts off is added there, or on both sides of what
            touches both borders.

    Raises:
        QueryParameterError: no such run or map.
        StoreError: the store does not say what neurons see.
        DataError: none of the images was traced, or they have another size than when they were.
    """
    chosen = _choose_run(store, run)
    of_map = find_map(store, chosen, map)
    asked: dict[str, Any] = {"run": chosen, "map": of_map.map, "by": by, "per": per, "limit": limit}
    if variant is not None:
        asked["variant"] = variant
    rows = store.query("maps/examples", **asked)
    rows.insert(0, "rank", np.arange(1, len(rows) + 1))
    found = _find_images(images, rows["sample"].tolist(), of_map.shape)
    kept = rows[rows["sample"].isin(found)].reset_index(drop=True)
    boxes = kept[["y0", "y1", "x0", "x1"]].astype("int64").itertuples(index=False, name=None)
    patches = [
        cut_patch(found[sample], box, of_map.size, fill)
        for sample, box in zip(kept["sample"], boxes, strict=True)
    ]
    none = np.empty((0, of_map.shape[0], *of_map.size), np.float32)
    stacked = np.stack(patches) if patches else none
    return Examples(of_map.map, of_map.title, kept, stacked, len(rows) - len(kept))


def _choose_run(store: Store, run: str | None) -> str:
    from graphpath.queries.runner import bind_parameters

    given = {} if run is None else {"run": run}
    return str(bind_parameters(store, "maps/examples", map=0, **given)["run"])


def _find_images(images: Given, samples: list[int], shape: tuple[int, int, int]) -> dict[int, Patch]:
    """The images (C, H, W) of ``samples`` that are among ``images``, by sample."""
    from graphpath.data.given import as_images

    given = as_images(images)
    place = {sample: number for number, sample in enumerate(given.rows()["sample"].to_pylist())}
    wanted = {sample: place[sample] for sample in samples if sample in place}
    if samples and not wanted:
        raise DataError(
            f"None of the {len(set(samples))} samples is among the {len(given)} images of {given.dataset}: "
            "give the images that were traced."
        )
    if wanted and tuple(given.shape) != shape:
        raise DataError(
            f"The images of {given.dataset} are {tuple(given.shape)}, and were traced as {shape}: read them "
            "at that size (size=, --size)."
        )
    return {sample: given.batch(number, number + 1)[0].cpu().numpy() for sample, number in wanted.items()}
