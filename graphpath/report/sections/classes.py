"""Which pathways do classes share?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphpath.report.captions import format_ratio
from graphpath.report.clustering import cluster, square_matrix
from graphpath.report.figures import draw_bars, draw_heatmaps, draw_similarity, draw_stacked, draw_usage
from graphpath.report.page import Figure, ReportSection
from graphpath.report.pathway.blocks import MOST
from graphpath.report.reader import ALL, RunReader
from graphpath.report.rows import find_row, iterate_rows
from graphpath.report.source import Source

if TYPE_CHECKING:
    import pandas as pd

PANELS = 5
BANDS = 4
CLUSTERED = (
    " Every panel has its classes in the order of a hierarchical clustering (average linkage on 1 − likeness "
    "over all layers, neighbours as alike as the tree allows); the further left two groups join in the tree, "
    "the less alike they are."
)


def make_section(reader: RunReader) -> ReportSection | None:
    """Likeness of class pathways, and the edges and feature maps that classes share."""
    similarity = reader.similarity_by_layer
    if similarity.frame.empty:
        return None
    figures = [
        *_make_heatmaps(reader),
        *_make_consistency(reader),
        *_make_sharing(reader),
        *_make_usage(reader),
    ]
    return ReportSection("classes", "Which pathways do classes share?", describe_answer(reader), figures)


def _make_heatmaps(reader: RunReader) -> list[Figure]:
    """Every class against every class, those that are alike beside each other; none if nothing is known."""
    frame = reader.similarity_by_layer.frame
    if frame.weighted_J.isna().all():
        return []
    tree = cluster(reader.classes, square_matrix(frame[frame.layer == ALL], reader.classes, "weighted_J"))
    order = tree[-1].members if tree else reader.classes
    text = (
        "Weighted Jaccard index of two class pathways: sum of minima over sum of maxima of each edge's share "
        "of the layer's |score|. A class compared with itself is 1 by construction and left blank. Point at "
        "a square for its numbers."
        + (CLUSTERED if tree else "")
        + _describe_shown(reader)
        + _describe_null(reader)
    ) + _describe_omitted(len(choose_panels(reader)) - 1, len(reader.captions[:-1] or reader.captions))
    panels = choose_panels(reader)
    drawn = draw_heatmaps(frame, panels, order, tree=tree)
    source = _select_layers(reader.similarity_by_layer, [layer for layer, _ in panels], len(reader.captions))
    return [Figure("Likeness of classes, layer by layer", text, svg=drawn, sources=[source])]


def _select_layers(source: Source, layers: Sequence[int], count: int) -> Source:
    """Of a network of many layers the rows of those that are drawn."""
    if count <= PANELS:
        return source
    return replace(source, frame=source.frame[source.frame.layer.isin(layers)], note="the layers drawn")


def _describe_omitted(drawn: int, layers: int) -> str:
    """What is said where not all layers are drawn."""
    return f" {drawn} of {layers} layers are drawn, evenly spread." if drawn < layers else ""


def choose_panels(reader: RunReader) -> list[tuple[int, str]]:
    """All layers together, then up to four layers evenly spread; the logits share no edge by construction."""
    inner = reader.block_ends or reader.captions
    step = max(1, -(-len(inner) // (PANELS - 1)))
    return [(ALL, "all layers"), *inner[::step]]


def describe_answer(reader: RunReader) -> str:
    """The question's answer in a sentence."""
    frame = reader.similarity_overall.frame
    overall = frame[(frame.layer == ALL) & frame.weighted_J.notna()].sort_values("weighted_J")
    if overall.empty:
        return (
            "A class pathway has the edges that several images of the class share. No two classes of this "
            "run have such edges, so that they cannot be compared edge by edge."
        )
    apart = f"{reader.apart} So pathways are compared by their feature maps. " if reader.apart else ""
    most, least = overall.iloc[-1], overall.iloc[0]
    alike = (
        f"The most alike are {most.category1} and {most.category2} (weighted Jaccard "
        f"{format_ratio(most.weighted_J)}, {int(most['shared']):,} shared edges), "
        f"the least {least.category1} and "
        f"{least.category2} ({format_ratio(least.weighted_J)})."
    )
    falls = _is_falling(reader.similarity_by_layer.frame)
    return apart + alike + (" Likeness falls from layer to layer toward the logits." if falls else "")


def _is_falling(frame: pd.DataFrame) -> bool:
    """Whether the mean likeness falls from each layer to the next."""
    means = frame[frame.layer > 0].groupby("layer").weighted_J.mean()
    return bool(len(means) > 1 and means.is_monotonic_decreasing)


def _describe_shown(reader: RunReader) -> str:
    """Which classes are drawn, where there are too many for all."""
    shown, every = len(reader.classes), len(reader.every_class)
    return (
        "" if shown == every else f" Of the {every:,} classes these are the {shown} in the most alike pairs."
    )


def _describe_null(reader: RunReader) -> str:
    """What to compare a likeness with."""
    if reader.consistency is None:
        return ""
    means = find_row(reader.consistency.frame, "layer", ALL)
    return (
        " For comparison: over all layers, single images of two classes reach "
        f"{format_ratio(means.weighted_J_between)} on average (the null), two images of one class "
        f"{format_ratio(means.weighted_J_within)}."
    )


def _make_consistency(reader: RunReader) -> list[Figure]:
    if reader.consistency is None:
        return []
    frame = reader.consistency.frame
    names = dict([(ALL, "all layers"), *reader.captions])
    groups = {
        names[one.layer]: [one.weighted_J_within, one.weighted_J_between]
        for one in iterate_rows(frame)
        if one.layer in names
    }
    if frame.weighted_J_within.isna().all():  # one image a class
        return []
    pairs = int(frame.pairs_within.max()), int(frame.pairs_between.max())
    text = (
        f"Mean weighted Jaccard index of the pathways of two images: {pairs[0]:,} pairs of one class, "
        f"{pairs[1]:,} of two classes. The second is the null of the first."
    )
    kinds = {"one class": frame.weighted_J_within, "two classes": frame.weighted_J_between}
    lines = {kind: values.set_axis(frame.layer) for kind, values in kinds.items()}
    inner = reader.captions[:-1]
    deep = len(inner) > MOST
    svg = draw_similarity(inner, {}, lines) if deep else draw_bars(groups, [*kinds])
    return [
        Figure("Are images of one class more alike?", text, svg=svg, sources=[reader.consistency], half=True)
    ]


def _make_sharing(reader: RunReader) -> list[Figure]:
    shared = reader.ask("categories/sharing", run=reader.run)
    several = shared.frame[shared.frame.categories > 1]
    if several.empty:
        return []
    blocks = reader.block_names
    summed = several.assign(place=several.layer.map({layer: i for i, layer in enumerate(blocks)}))
    named = summed.assign(block=several.layer.map(blocks))
    order = [*dict.fromkeys(named.sort_values("place").block)]
    found = named.pivot_table(index="categories", columns="block", values="edges", aggfunc="sum").fillna(0)
    groups = {f"{count} classes": [float(found[name][count]) for name in order] for count in found.index}
    text = (
        "How many edges lie on the class pathways of how many classes, by the layer or block they run into."
    )
    svg = draw_stacked(groups, order)
    return [Figure("Edges that several classes share", text, svg=svg, sources=[shared], half=True)]


def _make_usage(reader: RunReader) -> list[Figure]:
    counts = reader.ask("pathways/counts", run=reader.run, variants=reader.variants)
    if counts.frame.empty:  # a run of the method channels visits no neurons
        return []
    sizes = reader.samples[reader.samples.variant.isin(reader.variants)].groupby("label_name").size()
    frame = counts.frame.assign(share=counts.frame.pathways / counts.frame.category.map(sizes))
    inner = reader.block_ends
    step = max(1, -(-len(inner) // BANDS))
    text = (
        "The share of a class's pathways that visit each feature map or unit (a column each). Columns that "
        "are dark in one row only serve one class; columns dark throughout serve all."
        f"{_describe_omitted(len(inner[::step]), len(reader.captions) - 1)}"
    )
    bands = inner[::step]
    svg = draw_usage(frame.dropna(subset=["share"]), bands, reader.classes)
    source = _select_layers(counts, [layer for layer, _ in bands], len(reader.captions))
    return [Figure("Which feature maps serve which class", text, svg=svg, sources=[source])]
