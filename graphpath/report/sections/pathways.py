"""Through which neurons and connections? The most typical image of each class, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphpath.classes import CLASSES
from graphpath.report.captions import format_percent, format_ratio, name_class
from graphpath.report.page import Figure, ReportSection, Tab
from graphpath.report.pathway import Scene, compose, draw_picture, mark_signs, sum_by_map
from graphpath.report.pictures import encode_image
from graphpath.report.pixels import Pixels
from graphpath.report.reader import ALL, RunReader
from graphpath.report.rows import iterate_rows
from graphpath.report.sections.class_pathways import make_figure
from graphpath.report.sections.drawn import (
    EDGES,
    DrawnPathway,
    read_largest_routes,
    read_pathway,
    select_strongest,
)

if TYPE_CHECKING:
    import pandas as pd

OPENED = 2000
"""Feature maps that all drawings of a page can open, about."""
WHOLE = 0.995
"""A pathway that holds more of the selected |score| is not said to be cut."""
HOW = (
    "Choose an image. The picture runs from left to right, on a narrow page from top to bottom: the image as "
    "the network sees it, {what}, the logits. {lines} Click on a block to open its layers, on a map to open "
    "its neurons."
)
LAYERS = (
    "each layer's feature maps, one square each, with the neurons that the pathway visits at their place in "
    "the map"
)
BLOCKS = (
    "the network's blocks. Of each block the feature maps through which most |score| leaves it are drawn, "
    "the strongest first, numbered: the image in grey, over it the neurons that the pathway visits, at their "
    "place in the map, more strongly coloured for a larger |score|; a box stands for all other maps"
)
EDGE_LINES = (
    f"Up to {EDGES} edges are drawn, of each layer those with the largest |score|; width grows with it, "
    "relative to the layer's largest."
)
RIBBON_LINES = (
    "A ribbon is as wide as its share of the |score| that enters the block; within a block |score| is "
    "followed from map to map in the proportions of the edges."
)


def make_section(reader: RunReader, pixels: Sequence[Pixels], samples: int) -> ReportSection | None:
    """The drawings of up to ``samples`` images, one of each class."""
    every = find_typical(reader)
    chosen = spread(every, samples)
    if chosen.empty:
        return None
    maps = OPENED // len(chosen)
    made = [
        _make_tab(reader, pixels, row, f"i{place}", maps) for place, row in enumerate(iterate_rows(chosen))
    ]
    figure = Figure(
        title=_describe_choice(reader, len(chosen), len(every)),
        text=describe_drawing(made[0][1]),
        tabs=[tab for tab, _ in made],
        legend="signs",
    )
    edges = reader.samples.edges
    answer = (
        f"A pathway takes {int(edges.median()):,} edges (median; {int(edges.min()):,} to "
        f"{int(edges.max()):,}) among {int(reader.samples.neurons.median()):,} neurons. Blue speaks "
        "for the class that the network was asked about, red against it, and the gold lines are the "
        "three routes that carry most."
    )
    classes = make_figure(reader, pixels, chosen, maps)
    figures = [figure, *([classes] if classes else [])]
    return ReportSection("pathways", "Through which neurons and connections?", answer, figures)


def describe_drawing(scene: Scene) -> str:
    """How a drawing is read."""
    single = scene.edges is not None
    return HOW.format(what=LAYERS if single else BLOCKS, lines=EDGE_LINES if single else RIBBON_LINES)


def _describe_choice(reader: RunReader, shown: int, every: int) -> str:
    one, many = ("class", "classes") if reader.scheme == CLASSES else ("category", "categories")
    of = f"each {one}" if shown == every else f"{shown} of {every} {many} (--samples {every} draws all)"
    return f"One image of {of}, the one most like its {one}"


def choose_typical(reader: RunReader, samples: int) -> pd.DataFrame:
    """Up to ``samples`` of :func:`find_typical`, evenly over classes."""
    return spread(find_typical(reader), samples)


def spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Up to ``count`` of the rows, evenly, the first and the last among them."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows)))
    return rows.iloc[places.round().astype(int)]


def find_typical(reader: RunReader) -> pd.DataFrame:
    """Of each class the correct sample whose pathway is most like the class pathway.

    ``likeness`` is NaN where the class has no other image.
    """
    asked = reader.ask("adversarial/class_similarity", runs=[reader.run], references=[reader.run])
    overall = asked.frame[asked.frame.layer == ALL].set_index("pathway").weighted_first
    among = reader.samples.assign(likeness=reader.samples.pathway.map(overall).astype(float))
    among = among if reader.scheme == CLASSES else among[among.label >= 0]
    among = among[among.correct] if among.correct.any() else among
    best = among.sort_values(["likeness", "pathway"], ascending=[False, True]).drop_duplicates("label")
    return best.sort_values("label")


def _make_tab(
    reader: RunReader, pixels: Sequence[Pixels], row: Any, key: str, maps: int
) -> tuple[Tab, Scene]:
    pathway, sample = int(row.pathway), int(row.sample)
    found = read_pathway(reader, pixels, pathway, sample)
    routes, source = read_largest_routes(reader, sample, pathway)
    name = name_class(str(row.label_name))
    scene = compose_scene(reader, found, routes, int(row.target), EDGES)
    picture = draw_picture(
        scene, found.picture, found.photos, key, label=f"Pathway of an image of class {name}", maps=maps
    )
    facts = _describe_pathway(reader, row)
    if not found.known:
        facts.append("only the pixels that the pathway starts from are known")
    return Tab(name, encode_image(found.image), facts, picture, (*found.find_sources(scene), source)), scene


def _describe_pathway(reader: RunReader, row: Any) -> list[str]:
    """What is said of an image; a likeness only where it is more than images of two classes have."""
    facts = [
        f"labelled {name_class(str(row.label_name))}",
        f"predicted {name_class(str(row.predicted))} ({format_percent(row.confidence)})",
        f"traced for {name_class(str(row.target_name))}",
        f"{int(row.edges):,} edges, {int(row.neurons):,} neurons",
    ]
    if row.coverage < WHOLE:
        facts.append(
            f"these strongest edges hold {format_percent(row.coverage)} of the |score| of all edges that the "
            "method selected"
        )
    if row.likeness > max(reader.similarity_between, 0.005):
        facts.append(
            f"likeness to the other images of its class {format_ratio(row.likeness)} (two classes have "
            f"{format_ratio(reader.similarity_between)}; 1 is alike)"
        )
    return facts


def compose_scene(
    reader: RunReader, found: DrawnPathway, routes: Sequence[pd.DataFrame], target: int, most: int
) -> Scene:
    """What a drawing of one pathway shows, with at most about ``most`` edges between neurons."""
    edges = mark_signs(found.edges)
    return compose(
        reader.layers,
        mark_signs(found.neurons),
        sum_by_map(reader.layers, edges),
        select_strongest(edges, most),
        routes=routes,
        classes=reader.class_names,
        target=target,
    )
