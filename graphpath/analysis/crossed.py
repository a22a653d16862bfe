"""What pixels cross, from the Parquet of a diffusion trace: numbers of pathways, portion-hot vectors.

The terms are those of Lyu, Pang and Wang 2024; their definitions are graphpath's choices where the paper's
abstract leaves them open (see ``graphpath.tracing.methods.diffusion``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graphpath.analysis.tables import check_choice, open_views
from graphpath.errors import QueryParameterError, RecordError
from graphpath.record import Trace

if TYPE_CHECKING:
    import pandas as pd

Places = Any
"""Pixels of an image: a mask (height, width), [y, x] pairs, or numbers ``y * width + x``."""

COUNTS = """
WITH crossed AS (
    SELECT CASE WHEN $by = 'sample' THEN p.sample ELSE coalesce(k.category, -1) END AS owner,
        k.name AS category, c.layer, c.channel, c.rank <= $top AS is_large, c.size::DOUBLE AS size
    FROM crosses c JOIN pathways p USING (pathway) JOIN samples s USING (sample)
    LEFT JOIN categories k ON k.label = s.label
    WHERE (len($variants) = 0 OR list_contains($variants, s.variant))
        AND (len($layers) = 0 OR list_contains($layers, c.layer))
)
SELECT owner, max(category) AS category, layer, l."offset" + channel * (l.height::BIGINT * l.width) AS map,
    channel, l.name || ' [' || channel || ']' AS name,
    count(*) FILTER (is_large) AS pixels, coalesce(sum(size) FILTER (is_large), 0.0) AS size,
    CASE WHEN $every THEN count(*) END AS reached, CASE WHEN $every THEN sum(size) END AS total
FROM crossed JOIN layers l USING (layer)
GROUP BY owner, layer, channel, l."offset", l.height, l.width, l.name
HAVING $every OR pixels > 0
ORDER BY owner, map
"""

PORTIONS = """
WITH sent AS (
    SELECT DISTINCT p.sample, c.pixel FROM crosses c JOIN pathways p USING (pathway)
    WHERE c.layer = 0 AND ($unit OR c.signed > $threshold)
), foreground AS (
    SELECT * FROM sent SEMI JOIN asked USING (sample, pixel)
), sizes AS (
    SELECT sample, count(*) AS pixels FROM foreground GROUP BY sample
)
SELECT p.sample, c.layer, c.channel, count(DISTINCT c.pixel) / max(z.pixels) AS portion
FROM crosses c JOIN pathways p USING (pathway) JOIN foreground f ON f.sample = p.sample AND f.pixel = c.pixel
JOIN sizes z ON z.sample = p.sample
WHERE c.rank <= $top
GROUP BY p.sample, c.layer, c.channel
"""

LIT = """
SELECT s.sample, coalesce(bool_or(a.pixel IS NOT NULL AND ($unit OR c.signed > $threshold)), false)
FROM samples s LEFT JOIN pathways p USING (sample)
LEFT JOIN crosses c ON c.pathway = p.pathway AND c.layer = 0
LEFT JOIN asked a ON a.sample = s.sample AND a.pixel = c.pixel
GROUP BY s.sample ORDER BY s.sample
"""


def counts(
    trace: Trace | str | Path,
    *,
    by: Literal["category", "sample"] = "category",
    top: int | None = None,
    variants: Sequence[str] = (),
    layers: Sequence[int] = (),
    memory: str | None = None,
) -> pd.DataFrame:
    """The number of pathways on each feature map, per category or per sample, counted in three ways.

    Columns owner, category, layer, map, channel, name as the query ``pathways/counts`` has them, and

    - pixels: how many pixels have the map among their ``top`` largest in its layer, and size, the sum of
      their sizes there: the query's numbers. In a layer the pixels sum to the number of pixels times ``top``
      unless zeros cut it: compare how they spread over the maps, not their sum;
    - reached: how many pixels reach the map at all;
    - total: the sum of all pixels' sizes, for ``plus_one`` a count of routes in the layer's unit.

    The last two are null unless the trace recorded every map (``every_map=True``); then maps that no pixel
    has among its largest are listed too. Layer 0 is the input.

    Args:
        top: at most the trace's own, which is the default.
        variants, layers: only these; empty: all.
        memory: what exceeds it ("4GB") goes to disk.

    Raises:
        RecordError: the trace is damaged, unfinished, or of another method.
        QueryParameterError: ``by`` is unknown, or the trace recorded fewer maps of a pixel than ``top``.
    """
    check_choice("by", by, ("category", "sample"))
    with _open_diffused(trace, memory) as (diffused, connection):
        asked = {"by": by, "top": _check_top(diffused, top), "every": _read_parameters(diffused)["every_map"]}
        chosen = {"variants": [str(v) for v in variants], "layers": [int(layer) for layer in layers]}
        frame: pd.DataFrame = connection.execute(COUNTS, asked | chosen).df()
        return frame


def portion_hot(
    trace: Trace | str | Path,
    *,
    pixels: Places | Mapping[int, Places] | None = None,
    binary: float | None = None,
    threshold: float = 0.1,
    top: int | None = None,
    memory: str | None = None,
) -> pd.DataFrame:
    """The portion-hot vector of each sample: like one-hot, but a portion of the feature maps is hot.

    A row a sample (index ``sample``), a column a feature map (``layer``, ``channel``; the input has none):
    the share of the sample's foreground pixels that have the map among their ``top`` largest in its layer, or
    with ``binary`` (0.5, say) whether that share is at least so large, as 0.0 or 1.0. The foreground are the
    traced pixels whose intensity, as it was fed to the network, exceeds ``threshold`` in some channel; of a
    trace with ``init="unit"``, which records no intensities, all traced pixels. A sample without any is NaN.

    Args:
        pixels: only these pixels of every image, or of each sample by its id: an object's part, say. A mask
            (height, width), [y, x] pairs, or numbers ``y * width + x``.
        top: at most the trace's own, which is the default.
        memory: what exceeds it ("4GB") goes to disk.

    Raises:
        RecordError: the trace is damaged, unfinished, or of another method.
        QueryParameterError: ``pixels`` are none, or the trace recorded fewer maps of a pixel than ``top``.
    """
    with _open_diffused(trace, memory) as (diffused, connection):
        connection.register("asked", _select_pixels(connection, pixels))
        unit = _read_parameters(diffused)["init"] == "unit"
        asked = {"top": _check_top(diffused, top), "threshold": threshold, "unit": unit}
        found = connection.execute(PORTIONS, asked).df()
        traced = connection.execute(LIT, {"threshold": threshold, "unit": unit}).fetchall()
        frame = _pivot(found, traced, _list_maps(connection))
    return frame if binary is None else (frame >= binary).astype(float).where(frame.notna())


def _pivot(found: pd.DataFrame, traced: list[tuple[int, bool]], maps: list[tuple[int, int]]) -> pd.DataFrame:
    """Samples by maps, 0 where nothing was found."""
    import pandas as pd

    samples = np.array([sample for sample, _ in traced], np.int64)
    first = {layer: place for place, (layer, channel) in reversed(list(enumerate(maps))) if channel == 0}
    starts = np.array([first.get(layer, 0) for layer in range(max(first, default=0) + 1)])
    values = np.zeros((len(samples), len(maps)))
    layer, channel = found["layer"].to_numpy(), found["channel"].to_numpy()
    later = layer > 0
    row = np.searchsorted(samples, found["sample"].to_numpy()[later])
    values[row, starts[layer[later]] + channel[later]] = found["portion"].to_numpy()[later]
    values[[not any_pixel for _, any_pixel in traced]] = np.nan
    columns = pd.MultiIndex.from_tuples(maps, names=["layer", "channel"])
    return pd.DataFrame(values, index=pd.Index(samples, name="sample"), columns=columns)


def _list_maps(connection: Any) -> list[tuple[int, int]]:
    """The feature maps of the layers that were diffused to."""
    rows: list[tuple[int, int]] = connection.execute(
        """SELECT layer, unnest(range(channels))::INTEGER AS channel FROM layers
        WHERE layer > 0 AND layer <= (SELECT max(layer) FROM crosses) ORDER BY layer, channel"""
    ).fetchall()
    return rows


def _select_pixels(connection: Any, pixels: Places | Mapping[int, Places] | None) -> pd.DataFrame:
    """The pixels that are asked for: all that were traced, or those given, of each sample."""
    import pandas as pd

    if pixels is None:
        traced: pd.DataFrame = connection.execute(
            "SELECT DISTINCT sample, pixel FROM crosses JOIN pathways USING (pathway)"
        ).df()
        return traced
    [shape] = connection.execute('SELECT height, width, "offset" FROM layers WHERE layer = 0').fetchall()
    if not isinstance(pixels, Mapping):
        samples = [
            sample for (sample,) in connection.execute("SELECT DISTINCT sample FROM pathways").fetchall()
        ]
        pixels = dict.fromkeys(samples, pixels)
    known: dict[int, np.ndarray] = {}
    for given in pixels.values():
        if id(given) not in known:
            known[id(given)] = _find_neurons(given, *shape)
    places = [known[id(given)] for given in pixels.values()]
    sample = np.repeat(np.array(list(pixels), np.int64), [len(place) for place in places])
    return pd.DataFrame({"sample": sample, "pixel": np.concatenate([np.empty(0, np.int64), *places])})


def _find_neurons(pixels: Places, height: int, width: int, offset: int) -> np.ndarray:
    """The ids of pixels' neurons in the first channel."""
    values = np.asarray(pixels)
    if values.dtype == bool and values.shape == (height, width):
        values = np.flatnonzero(values)
    elif values.ndim == 2 and values.shape[1] == 2 and np.issubdtype(values.dtype, np.integer):
        values = values[:, 0] * width + values[:, 1]
    elif values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise QueryParameterError(
            f"pixels of the shape {values.shape} and type {values.dtype} are no places; expected a mask "
            f"({height}, {width}), [y, x] pairs, or numbers y * width + x."
        )
    result: np.ndarray = np.unique(values) + offset
    return result


@contextmanager
def _open_diffused(trace: Trace | str | Path, memory: str | None) -> Iterator[tuple[Trace, Any]]:
    trace = trace if isinstance(trace, Trace) else Trace(trace)
    if not trace.files("crosses"):
        raise RecordError(
            f"{trace.path} records no feature maps that pixels cross: trace with method='diffusion'."
        )
    with open_views(trace, memory) as connection:
        yield trace, connection


def _read_parameters(trace: Trace) -> dict[str, Any]:
    return {"top": 1, "every_map": False, "init": "intensity"} | dict(trace.run.get("parameters", {}))


def _check_top(trace: Trace, top: int | None) -> int:
    known = _read_parameters(trace)
    if top is None:
        return int(known["top"])
    if top < 1 or (top > known["top"] and not known["every_map"]):
        raise QueryParameterError(
            f"top={top}: the trace recorded the {known['top']} largest maps of each pixel; ask for 1 to "
            f"{known['top']}, or trace with top={max(top, 1)}."
        )
    return top
