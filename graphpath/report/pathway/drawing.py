"""The picture itself. Edges of one tone and strength are one SVG path, so hundreds stay small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.report import svg
from graphpath.report.captions import fmt
from graphpath.report.pathway.layout import Column, PathwayLayout
from graphpath.report.rows import iterate_rows

if TYPE_CHECKING:
    import pandas as pd

BINS = 5
"""Widths of edges; a bin's look is in the style sheet (.s0 ... .s4)."""
NAMED = 600
"""Up to so many neurons tell their name when pointed at."""


def mark_signs(rows: pd.DataFrame) -> pd.DataFrame:
    """Edges or neurons with ``tone``: "for" or "against" the target, by the sign of their score."""
    return rows.assign(tone=np.where(rows.score >= 0, "for", "against"))


def mark_edge_changes(original: pd.DataFrame, derived: pd.DataFrame) -> pd.DataFrame:
    """The edges of both sides once each, ``tone`` being "kept", "lost" or "gained"."""
    return _mark_changes(original, derived, ["source", "target", "layer"])


def mark_neuron_changes(original: pd.DataFrame, derived: pd.DataFrame) -> pd.DataFrame:
    """The neurons of both sides once each, ``tone`` likewise."""
    return _mark_changes(original, derived, ["neuron", "name", "layer", "channel", "y", "x"])


def _mark_changes(original: pd.DataFrame, derived: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    both = original[[*keys, "score"]].merge(
        derived[[*keys, "score"]], on=keys, how="outer", suffixes=("", "_derived"), indicator=True
    )
    tones = {"both": "kept", "left_only": "lost", "right_only": "gained"}
    score = both.score.fillna(both.score_derived)
    return both[keys].assign(score=score, tone=both._merge.astype(str).map(tones))


def draw_svg(
    layout: PathwayLayout,
    neurons: pd.DataFrame,
    edges: pd.DataFrame,
    picture: str,
    *,
    routes: Sequence[npt.NDArray[np.int64]] = (),
    classes: Mapping[int, str] | None = None,
    target: int | None = None,
    label: str = "pathway",
) -> str:
    """A pathway as SVG.

    Args:
        neurons: neuron, name, layer, channel, y, x, score, ``tone`` of each end of an edge or step.
        edges: source, target, layer, score, ``tone``; the weakest are drawn first.
        picture: the input, as a data URI.
        routes: the neurons of each route to be highlighted, from pixel to logit.
        classes: names of the logits; ``target`` is the one that the pathway ends in.
    """
    places = layout.locate(neurons)
    order = neurons.neuron.to_numpy()
    lookup = dict(zip(order.tolist(), places.tolist(), strict=True))
    parts = [
        *(_draw_column(column, picture) for column in layout.columns),
        svg.make_element("g", *_draw_edges(edges, lookup), class_="edges"),
        svg.make_element("g", *_draw_dots(layout, neurons, places), class_="dots"),
        *(_draw_route(route, lookup) for route in reversed(routes)),
        _draw_logits(layout.columns[-1], classes or {}, target),
    ]
    return svg.make_document(layout.width, layout.height, *parts, label=label, class_="pathway")


def _draw_column(column: Column, picture: str) -> str:
    head = svg.make_text(column.middle, 14, column.caption, "caption mid")
    note = svg.make_text(column.middle, 29, column.note, "note mid")
    width, height = column.tile
    if column.kind == "input":
        x, y = next(iter(column.corners.values()))
        frame = svg.make_element("rect", x=x, y=y, width=width, height=height, class_="frame")
        image = svg.make_element("image", href=picture, x=x, y=y, width=width, height=height, class_="pixels")
        return head + note + frame + image
    squares = "".join(f"M{fmt(x)} {fmt(y)}h{fmt(width)}v{fmt(height)}h-{fmt(width)}z"
                      for x, y in column.corners.values())  # fmt: skip
    return head + note + svg.make_element("path", d=squares, class_="maps")


def _draw_edges(edges: pd.DataFrame, lookup: Mapping[int, list[float]]) -> list[str]:
    """One path for each tone and strength, the weak ones first."""
    size = edges.score.abs()
    most = size.groupby(edges.layer).transform("max").clip(lower=1e-300)
    bins = np.minimum((np.sqrt(size / most) * BINS).astype(int), BINS - 1)
    drawn = []
    for strength in range(BINS):
        for tone in sorted(edges.tone.unique()):
            some = edges[(bins == strength) & (edges.tone == tone)]
            curves = "".join(
                _draw_curve(lookup.get(a), lookup.get(b))
                for a, b in zip(some.source, some.target, strict=True)
            )
            if curves:
                drawn.append(svg.make_element("path", d=curves, class_=f"edge {tone} s{strength}"))
    return drawn


def _draw_curve(start: list[float] | None, end: list[float] | None) -> str:
    if start is None or end is None or start[0] != start[0] or end[0] != end[0]:
        return ""
    (x1, y1), (x2, y2) = start, end
    middle = fmt((x1 + x2) / 2, 0)
    return f"M{fmt(x1)} {fmt(y1)}C{middle} {fmt(y1)} {middle} {fmt(y2)} {fmt(x2)} {fmt(y2)}"


def _draw_dots(layout: PathwayLayout, neurons: pd.DataFrame, places: npt.NDArray[np.float64]) -> list[str]:
    cells = {column.layer: column.cell for column in layout.columns}
    size = neurons.score.abs()
    strength = np.sqrt(size / size.groupby(neurons.layer).transform("max").clip(lower=1e-300))
    named = len(neurons) <= NAMED
    drawn = []
    for row, (x, y), strong in zip(iterate_rows(neurons), places, strength, strict=True):
        if x != x:
            continue
        radius = min(max(cells[row.layer] * 0.42, 1.0), 5.0) * (0.6 + 0.4 * strong)
        words = [svg.make_title(f"{row.name}: score {row.score:.3g}")] if named else []
        drawn.append(
            svg.make_element("circle", *words, cx=float(x), cy=float(y), r=radius,
                        class_=row.tone, opacity=f"{0.35 + 0.65 * strong:.2f}")
        )  # fmt: skip
    return drawn


def _draw_route(route: npt.NDArray[np.int64], lookup: Mapping[int, list[float]]) -> str:
    """A route as a smooth line with a lighter edge, so that it stands out from what it crosses."""
    places = [lookup.get(int(neuron)) for neuron in route]
    curves = "".join(_draw_curve(a, b) for a, b in pairwise(places))
    rings = "".join(
        svg.make_element("circle", cx=place[0], cy=place[1], r=3.2, class_="route-dot")
        for place in places
        if place
    )
    under = svg.make_element("path", d=curves, class_="route-under")
    return svg.make_element("g", under, svg.make_element("path", d=curves, class_="route"), rings)


def _draw_logits(column: Column, classes: Mapping[int, str], target: int | None) -> str:
    """The names of the classes beside their logits."""
    drawn = []
    for channel, (x, y) in column.corners.items():
        chosen = channel == target
        if not chosen and len(column.corners) > 24:
            continue
        middle = y + column.tile[1] / 2
        words = classes.get(channel, str(channel))
        drawn.append(
            svg.make_text(x + column.tile[0] + 7, middle + 4, words, "class chosen" if chosen else "class")
        )
    return "".join(drawn)
