"""Ribbons between the feature maps of blocks, as wide as their share of what enters a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from graphpath.report import svg
from graphpath.report.captions import fmt, format_percent
from graphpath.report.pathway.layout import REST, PathwayLayout
from graphpath.report.rows import iterate_rows

if TYPE_CHECKING:
    from graphpath.report.pathway.layout import Tile

WIDTH = REST
"""Of a ribbon that is all that enters a block."""
LEAST = 0.01
"""Smaller shares are not drawn."""
MOST = 24
"""Ribbons into a block, the widest."""


def draw_ribbons(ribbons: pd.DataFrame, layout: PathwayLayout) -> list[str]:
    """The widest first, so that narrow ones lie on them.

    At each side of a square ribbons lie beside each other, in the order of where they come from or lead to.
    """
    rank = ribbons.groupby("block").share.rank(method="first", ascending=False)
    shown = ribbons[(ribbons.share >= LEAST) & (rank <= MOST)].reset_index(drop=True)
    if shown.empty:
        return []
    start = _find_ends(shown, layout, "source_block", "source_tile", after=True)
    end = _find_ends(shown, layout, "block", "tile", after=False)
    width = shown.share.to_numpy() * WIDTH
    start[:, 1] += _stack(shown, ["source_block", "source_tile"], end[:, 1], width)
    end[:, 1] += _stack(shown, ["block", "tile"], start[:, 1], width)
    order = np.argsort(-width, kind="stable")
    rows, ends = iterate_rows(shown.iloc[order]), zip(start[order].tolist(), end[order].tolist(), strict=True)
    return [_draw_ribbon(row, *places, layout.tall) for row, places in zip(rows, ends, strict=True)]


def _find_ends(
    shown: pd.DataFrame, layout: PathwayLayout, block: str, tile: str, *, after: bool
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, 2): along and across, of the middle of the side of each ribbon's square."""
    return np.array(
        [
            _find_side(layout.columns[one].tiles[two], layout.tall, after)
            for one, two in zip(shown[block], shown[tile], strict=True)
        ]
    )


def _find_side(tile: Tile, tall: bool, after: bool) -> tuple[float, float]:
    x, y = tile.middle
    if tall:
        return tile.y + (tile.height if after else 0.0), x
    return tile.x + (tile.width if after else 0.0), y


def _stack(
    shown: pd.DataFrame, keys: list[str], order: np.ndarray[tuple[int], np.dtype[np.float64]],
    width: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:  # fmt: skip
    """How far from the middle of its square's side each ribbon lies."""
    frame = shown[keys].assign(order=order, width=width)
    ranked = frame.sort_values([*keys, "order"], kind="stable")
    grouped = ranked.groupby(keys).width
    moved = grouped.cumsum() - ranked.width / 2 - grouped.transform("sum") / 2
    return moved.reindex(frame.index).to_numpy()


def _draw_ribbon(row: Any, start: list[float], end: list[float], tall: bool) -> str:
    (a1, c1), (a2, c2) = start, end
    middle = (a1 + a2) / 2
    places = [(a1, c1), (middle, c1), (middle, c2), (a2, c2)]
    first, *curve = [f"{fmt(c)} {fmt(a)}" if tall else f"{fmt(a)} {fmt(c)}" for a, c in places]
    return svg.make_element(
        "path",
        svg.make_title(f"{format_percent(row.share)} {row.tone}"),
        d=f"M{first}C{' '.join(curve)}",
        stroke_width=max(row.share * WIDTH, 0.5),
        class_=f"ribbon {row.tone}",
    )
