"""Which pathways do classes share?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphpath.report.captions import ratio
from graphpath.report.clustering import cluster, square
from graphpath.report.figures import bars, heatmaps, stacked, usage
from graphpath.report.page import Figure, Section
from graphpath.report.reader import ALL, Reader
from graphpath.report.rows import row, rows

if TYPE_CHECKING:
    import pandas as pd

PANELS = 5
BANDS = 4
CLUSTERED = (
    " Every panel has its classes in the order of a hierarchical clustering (average linkage on 1 − likeness "
    "over all layers, neighbours as alike as the tree allows); the further left two groups join in the tree, "
    "the less alike they are."
)


def section(reader: Reader) -> Section | None:
    """Likeness of class pathways, and the edges and feature maps that classes share."""
    similarity = reader.similarity
    if similarity.frame.empty:
        return None
    figures = [
        _likeness(reader),
        *_consistency(reader),
        *_sharing(reader),
        *_usage(reader),
    ]
    return Section("classes", "Which pathways do classes share?", answer(reader), figures)


def _likeness(reader: Reader) -> Figure:
    """Every class against every class, those that are alike beside each other."""
    frame = reader.similarity.frame
    tree = cluster(reader.classes, square(frame[frame.layer == ALL], reader.classes, "weighted_J"))
    order = tree[-1].members if tree else reader.classes
    text = (
        "Weighted Jaccard index of two class pathways: sum of minima over sum of maxima of each edge's share "
        "of the layer's |score|. A class compared with itself is 1 by construction and left blank. Point at "
        "a square for its numbers." + (CLUSTERED if tree else "") + _shown(reader) + _null(reader)
    ) + _some(len(panels(reader)) - 1, len(reader.captions[:-1] or reader.captions))
    drawn = heatmaps(frame, panels(reader), order, tree=tree)
    return Figure("Likeness of classes, layer by layer", text, svg=drawn, sources=[reader.similarity])


def _some(drawn: int, layers: int) -> str:
    """What is said where not all layers are drawn."""
    return f" {drawn} of {layers} layers are drawn, evenly spread." if drawn < layers else ""


def panels(reader: Reader) -> list[tuple[int, str]]:
    """All layers together, then up to four layers evenly spread; the logits share no edge by construction."""
    inner = reader.captions[:-1] or reader.captions
    step = max(1, -(-len(inner) // (PANELS - 1)))
    return [(ALL, "all layers"), *inner[::step]]


def answer(reader: Reader) -> str:
    """The question's answer in a sentence."""
    frame = reader.overall.frame
    overall = frame[(frame.layer == ALL) & frame.weighted_J.notna()].sort_values("weighted_J")
    if overall.empty:
        return "There is only one class pathway in this run, so there is nothing to compare."
    most, least = overall.iloc[-1], overall.iloc[0]
    alike = (
        f"The most alike are {most.category1} and {most.category2} (weighted Jaccard "
        f"{ratio(most.weighted_J)}, {int(most['shared']):,} shared edges), the least {least.category1} and "
        f"{least.category2} ({ratio(least.weighted_J)})."
    )
    falls = _falls(reader.similarity.frame)
    return f"{alike} Likeness falls from layer to layer toward the logits." if falls else alike


def _falls(frame: pd.DataFrame) -> bool:
    """Whether the mean likeness falls from each layer to the next."""
    means = frame[frame.layer > 0].groupby("layer").weighted_J.mean()
    return bool(len(means) > 1 and means.is_monotonic_decreasing)


def _shown(reader: Reader) -> str:
    """Which classes are drawn, where there are too many for all."""
    shown, every = len(reader.classes), len(reader.every_class)
    return (
        "" if shown == every else f" Of the {every:,} classes these are the {shown} in the most alike pairs."
    )


def _null(reader: Reader) -> str:
    """What to compare a likeness with."""
    if reader.consistency is None:
        return ""
    means = row(reader.consistency.frame, "layer", ALL)
    return (
        " For comparison: over all layers, single images of two classes reach "
        f"{ratio(means.weighted_J_between)} on average (the null), two images of one class "
        f"{ratio(means.weighted_J_within)}."
    )


def _consistency(reader: Reader) -> list[Figure]:
    if reader.consistency is None:
        return []
    frame = reader.consistency.frame
    names = dict([(ALL, "all layers"), *reader.captions])
    groups = {
        names[one.layer]: [one.weighted_J_within, one.weighted_J_between]
        for one in rows(frame)
        if one.layer in names
    }
    pairs = int(frame.pairs_within.max()), int(frame.pairs_between.max())
    text = (
        f"Mean weighted Jaccard index of the pathways of two images: {pairs[0]:,} pairs of one class, "
        f"{pairs[1]:,} of two classes. The second is the null of the first."
    )
    svg = bars(groups, ["one class", "two classes"])
    return [
        Figure("Are images of one class more alike?", text, svg=svg, sources=[reader.consistency], half=True)
    ]


def _sharing(reader: Reader) -> list[Figure]:
    shared = reader.ask("categories/sharing", run=reader.run)
    several = shared.frame[shared.frame.categories > 1]
    if several.empty:
        return []
    names = dict(reader.captions)
    found = several.pivot(index="categories", columns="layer", values="edges").fillna(0)
    groups = {f"{count} classes": [float(number) for number in found.loc[count]] for count in found.index}
    text = "How many edges lie on the class pathways of how many classes, by the layer that they run into."
    svg = stacked(groups, [names[int(str(layer))] for layer in found.columns])
    return [Figure("Edges that several classes share", text, svg=svg, sources=[shared], half=True)]


def _usage(reader: Reader) -> list[Figure]:
    counts = reader.ask("pathways/counts", run=reader.run, variants=reader.variants)
    sizes = reader.samples[reader.samples.variant.isin(reader.variants)].groupby("label_name").size()
    frame = counts.frame.assign(share=counts.frame.pathways / counts.frame.category.map(sizes))
    inner = reader.captions[:-1]
    step = max(1, -(-len(inner) // BANDS))
    text = (
        "The share of a class's pathways that visit each feature map or unit (a column each). Columns that "
        "are dark in one row only serve one class; columns dark throughout serve all."
        f"{_some(len(inner[::step]), len(inner))}"
    )
    svg = usage(frame.dropna(subset=["share"]), inner[::step], reader.classes)
    return [Figure("Which feature maps serve which class", text, svg=svg, sources=[counts])]
