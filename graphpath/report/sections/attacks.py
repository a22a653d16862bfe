"""Where does an attack divert an image?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from graphpath.report.captions import format_percent, format_ratio
from graphpath.report.figures import Pair, draw_bars, draw_image_pairs, draw_similarity
from graphpath.report.page import Figure, ReportSection, Tab
from graphpath.report.pathway import compose, draw_picture, mark_edge_changes, mark_neuron_changes, sum_by_map
from graphpath.report.pathway.blocks import MOST
from graphpath.report.pictures import encode_difference, encode_image
from graphpath.report.pixels import Pixels, find_pixels
from graphpath.report.reader import ALL, RunReader
from graphpath.report.rows import find_row as row_of
from graphpath.report.rows import iterate_rows
from graphpath.report.sections.drawn import read_pathway, select_strongest
from graphpath.report.source import Source

OVERLAYS = 5
MAPS = 200
"""Feature maps that each of them can open."""


def make_section(reader: RunReader, pixels: Sequence[Pixels], pairs: int) -> ReportSection | None:
    """Attacked images beside their originals; None where the store holds no derived sample."""
    found = reader.ask("adversarial/pairs", runs=reader.comparable_runs)
    if found.frame.empty or pairs == 0:
        return None
    first = find_first_layers(reader)
    chosen = _choose_pairs(found.frame, pairs)
    asked = [_make_divergence(reader, row) for row in iterate_rows(chosen)]
    figures = [
        _draw_chart(reader, chosen, asked),
        _describe_place(reader, found, first),
        _show_pairs(reader, pixels, chosen, asked, first, found),
        _make_overlays(reader, pixels, chosen, asked),
    ]
    return ReportSection("attacks", "Where does an attack divert an image?", describe_answer(reader), figures)


def find_first_layers(reader: RunReader) -> Source:
    """Where each derived sample is less like its original than two clean images of one class are alike."""
    threshold = round(reader.similarity_within, 2)
    return reader.ask("adversarial/first_diverging_layer", threshold=threshold, runs=reader.comparable_runs)


def _choose_pairs(frame: pd.DataFrame, pairs: int) -> pd.DataFrame:
    """Pairs that fooled the network first, one label after another."""
    turn = frame.groupby(["fooled", "label"]).cumcount()
    ranked = frame.assign(turn=turn).sort_values(
        ["fooled", "turn", "label", "derived"], ascending=[False, True, True, True]
    )
    return ranked.head(pairs)


def _make_divergence(reader: RunReader, row: Any) -> Source:
    original, derived = int(row.original), int(row.derived)
    return reader.ask(
        "adversarial/divergence", original=original, derived=derived, runs=reader.comparable_runs
    )


def describe_answer(reader: RunReader) -> str:
    """The question's answer in two or three sentences."""
    frame = reader.ask("adversarial/pairs", runs=reader.comparable_runs).frame
    first, names = find_first_layers(reader).frame, dict(reader.captions)
    where = first.layer.dropna().astype(int)
    opening = f"{int(frame.fooled.sum()):,} of {len(frame):,} attacked images changed the network's answer. "
    if reader.apart:
        opening += "Pathways are compared by their feature maps, as those of classes are. "
    if where.empty:
        return opening + "None leaves its original's pathway further than two images of one class differ."
    layer = int(where.mode().iloc[0])
    share = format_percent(float((where == layer).mean()))
    return opening + (
        "Measured against the similarity of two clean images of one class "
        f"({format_ratio(reader.similarity_within)}), "
        f"{len(where):,} leave their original's pathway, {share} of these first at "
        f"{names.get(layer, layer)}. "
        f"{_describe_staying(frame, first)}Over all layers an attacked image keeps a likeness of "
        f"{format_ratio(float(first.weighted_J_all.median()))} to its original (median)."
    )


def _describe_staying(pairs: pd.DataFrame, first: pd.DataFrame) -> str:
    """What it means if images that fooled the network leave their original's pathway in no layer."""
    nowhere = first[first.layer.isna()].derived
    fooled = int(pairs[pairs.derived.isin(nowhere)].fooled.sum())
    if not fooled:
        return ""
    return (
        f"{fooled:,} that fooled it leave it nowhere: what spoke for the old answer still does, by much the "
        "same pathway, and another class was given more. "
    )


def _draw_chart(reader: RunReader, chosen: pd.DataFrame, asked: Sequence[Source]) -> Figure:
    lines = {
        f"{row.label}, now {row.predicted} (sample {row.derived})": source.frame.set_index("layer").weighted_J
        for row, source in zip(iterate_rows(chosen), asked, strict=True)
    }
    expected, sources = {}, list(asked[:1])
    if reader.consistency is not None:
        means = reader.consistency.frame.set_index("layer")
        expected = {
            "two images, one class": means.weighted_J_within,
            "two images, two classes": means.weighted_J_between,
        }
        sources.append(reader.consistency)
    text = (
        f"Weighted Jaccard index of each attacked image's pathway and its original's ({len(lines)} pairs), "
        "both traced for the original's prediction. Dashed: what two clean images give."
    )
    svg = draw_similarity(reader.captions[:-1] or reader.captions, lines, expected, median="attacked, median")
    everything = pd.concat([_name_divergence(source) for source in asked])
    merged = Source("adversarial/divergence", asked[0].parameters, everything, str(reader.store.uri))
    return Figure(
        "How much of the pathway is kept, layer by layer",
        text,
        svg=svg,
        sources=[merged, *sources[1:]],
        half=True,
    )


def _name_divergence(source: Source) -> pd.DataFrame:
    """A divergence with the samples that it is of."""
    frame = source.frame.copy()
    for place, name in enumerate(("original", "derived")):
        frame.insert(place, name, int(str(source.parameters[name])))
    return frame


def _describe_place(reader: RunReader, found: Source, first: Source) -> Figure:
    fooled = found.frame.set_index("derived").fooled
    where = first.frame.assign(fooled=first.frame.derived.map(fooled).fillna(False).astype(bool))
    block = where.layer.map(reader.block_names)
    groups = {
        name: [float(((block == name) & where.fooled).sum()), float(((block == name) & ~where.fooled).sum())]
        for name in dict.fromkeys(reader.block_names.values())
    }
    missing = where.layer.isna()
    groups["nowhere"] = [float((missing & where.fooled).sum()), float((missing & ~where.fooled).sum())]
    text = (
        f"The first layer in which the likeness of an attacked image's pathway to its original's is below "
        f"{format_ratio(reader.similarity_within)}, what two clean images of one class have over all layers: "
        f"one bar for every layer or block{_read_clean_levels(reader)}. "
        "Both pathways are traced for the original's prediction, so they say what "
        "speaks for it, not what speaks for the class that won. An image that fooled the network and "
        "diverges nowhere has kept that pathway: the other class was given more."
    )
    svg = draw_bars(groups, ["fooled the network", "did not"], written="{:,.0f}".format)
    return Figure("The first layer that diverges", text, svg=svg, sources=[first, found], half=True)


def _read_clean_levels(reader: RunReader) -> str:
    """What clean images of one class have in each layer, where that is known."""
    names = dict(reader.captions)
    if reader.consistency is None or len(names) > MOST:
        return ""
    means = reader.consistency.frame.set_index("layer").weighted_J_within
    each = [f"{format_ratio(means[layer])} at {name}" for layer, name in names.items() if layer in means]
    return f" (layer by layer they have {', '.join(each)})" if each else ""


def _find_least_similar(divergence: pd.DataFrame, names: dict[int, str]) -> str:
    """The layer in which an image is least like its original."""
    inner = divergence[divergence.layer != ALL].set_index("layer").weighted_J.dropna()
    if inner.empty:
        return ""
    layer = int(str(inner.idxmin()))
    return f" (least like it at {names.get(layer, layer)}: {format_ratio(float(inner.min()))})"


def _show_pairs(
    reader: RunReader,
    pixels: Sequence[Pixels],
    chosen: pd.DataFrame,
    asked: Sequence[Source],
    first: Source,
    found: Source,
) -> Figure:
    names = dict(reader.captions)
    made = []
    for row, divergence in zip(iterate_rows(chosen), asked, strict=True):
        before, after = find_pixels(pixels, int(row.original)), find_pixels(pixels, int(row.derived))
        if before is None or after is None:
            continue
        change, most = encode_difference(before, after)
        at = row_of(first.frame, "derived", row.derived)
        least = _find_least_similar(divergence.frame, names)
        nowhere = f"nowhere below {format_ratio(reader.similarity_within)}{least}"
        layer = nowhere if pd.isna(at.layer) else f"diverges at {names[int(at.layer)]}"
        facts = [layer, f"likeness {format_ratio(at.weighted_J_all)}", f"largest change {most:.2f}"]
        made.append(
            Pair(
                encode_image(before),
                change,
                encode_image(after),
                str(row.label),
                str(row.predicted),
                bool(row.fooled),
                facts,
            )
        )
    text = (
        "Original, what the attack added (pink brighter, slate darker, at full contrast), and the result, of "
        f"{len(made):,} of {len(found.frame):,} pairs: those that fooled the network first."
        if made
        else "The images' pixels are in no image set that this report was given (--data)."
    )
    return Figure("The images", text, svg=draw_image_pairs(made) if made else "", sources=[found, first])


def _make_overlays(
    reader: RunReader, pixels: Sequence[Pixels], chosen: pd.DataFrame, asked: Sequence[Source]
) -> Figure:
    owners = pd.concat([reader.ask("pathways/of_run", run=run).frame for run in reader.comparable])
    owner = owners.drop_duplicates("sample").set_index("sample")
    tabs: list[Tab] = []
    for row, source in list(zip(iterate_rows(chosen), asked, strict=True))[:OVERLAYS]:
        if row.original in owner.index and row.derived in owner.index:
            tabs.append(_make_overlay(reader, pixels, row, source, owner, len(tabs)))
    text = (
        "Both pathways in one picture, over the attacked image: edges that both have, that the attack "
        "cost, and that it brought. Both are traced for the original's prediction. Drawn of "
        f"{len(tabs)} of {len(chosen)} pairs."
    )
    return Figure("The two pathways, one over the other", text, tabs=tabs, legend="changes")


def _make_overlay(
    reader: RunReader, pixels: Sequence[Pixels], row: Any, source: Source, owner: pd.DataFrame, place: int
) -> Tab:
    original, derived = int(row.original), int(row.derived)
    before = read_pathway(reader, pixels, int(owner.pathway[original]), original)
    after = read_pathway(reader, pixels, int(owner.pathway[derived]), derived)
    edges = mark_edge_changes(before.edges, after.edges)
    scene = compose(
        reader.layers,
        mark_neuron_changes(before.neurons, after.neurons),
        sum_by_map(reader.layers, edges),
        select_strongest(edges),
        classes=reader.class_names,
        target=int(owner.target[original]),
    )
    total = row_of(source.frame, "layer", ALL)
    drawn = draw_picture(
        scene,
        after.picture,
        after.photos,
        f"o{place}",
        label="Pathways of an image and of its attacked copy",
        maps=MAPS,
    )
    facts = [
        f"labelled {row.label}, now {row.predicted}",
        f"{int(total['shared']):,} edges kept, {int(total.lost):,} lost, {int(total.gained):,} gained",
        f"likeness {format_ratio(total.weighted_J)}",
    ]
    name = f"{row.label} → {row.predicted}"
    return Tab(
        name,
        encode_image(after.image),
        facts,
        drawn,
        (source, before.find_sources(scene)[0], after.find_sources(scene)[0]),
    )
