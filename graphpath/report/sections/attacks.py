"""Where does an attack divert an image?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from graphpath.report.captions import percent, ratio
from graphpath.report.figures import Pair, bars, image_pairs, likeness
from graphpath.report.page import Figure, Section, Tab
from graphpath.report.pathway import changes, drawing, lay_out, owners
from graphpath.report.pictures import difference, photo
from graphpath.report.pixels import Pixels, find_pixels
from graphpath.report.reader import ALL, Reader
from graphpath.report.rows import row as row_of
from graphpath.report.rows import rows
from graphpath.report.sections.drawn import ends, gather, strongest
from graphpath.report.source import Source

OVERLAYS = 5


def section(reader: Reader, pixels: Sequence[Pixels], pairs: int) -> Section | None:
    """Attacked images beside their originals; None where the store holds no derived sample."""
    found = reader.ask("adversarial/pairs", runs=reader.among)
    if found.frame.empty or pairs == 0:
        return None
    first = first_layers(reader)
    chosen = _chosen(found.frame, pairs)
    asked = [_divergence(reader, row) for row in rows(chosen)]
    figures = [
        _chart(reader, chosen, asked),
        _where(reader, found, first),
        _shown(reader, pixels, chosen, asked, first, found),
        _overlays(reader, pixels, chosen, asked),
    ]
    return Section("attacks", "Where does an attack divert an image?", answer(reader), figures)


def first_layers(reader: Reader) -> Source:
    """Where each derived sample is less like its original than two clean images of one class are alike."""
    threshold = round(reader.within, 2)
    return reader.ask("adversarial/first_diverging_layer", threshold=threshold, runs=reader.among)


def _chosen(frame: pd.DataFrame, pairs: int) -> pd.DataFrame:
    """Pairs that fooled the network first, one label after another."""
    turn = frame.groupby(["fooled", "label"]).cumcount()
    ranked = frame.assign(turn=turn).sort_values(
        ["fooled", "turn", "label", "derived"], ascending=[False, True, True, True]
    )
    return ranked.head(pairs)


def _divergence(reader: Reader, row: Any) -> Source:
    original, derived = int(row.original), int(row.derived)
    return reader.ask("adversarial/divergence", original=original, derived=derived, runs=reader.among)


def answer(reader: Reader) -> str:
    """The question's answer in two or three sentences."""
    frame = reader.ask("adversarial/pairs", runs=reader.among).frame
    first, names = first_layers(reader).frame, dict(reader.captions)
    where = first.layer.dropna().astype(int)
    told = f"{int(frame.fooled.sum()):,} of {len(frame):,} attacked images changed the network's answer. "
    if where.empty:
        return told + "None leaves its original's way further than two images of one class differ."
    layer = int(where.mode().iloc[0])
    share = percent(float((where == layer).mean()))
    return told + (
        f"Measured against the likeness of two clean images of one class ({ratio(reader.within)}), "
        f"{len(where):,} leave their original's way, {share} of these first at {names.get(layer, layer)}. "
        f"{_staying(frame, first)}Over all layers an attacked image keeps a likeness of "
        f"{ratio(float(first.weighted_J_all.median()))} to its original (median)."
    )


def _staying(pairs: pd.DataFrame, first: pd.DataFrame) -> str:
    """What it means that images which fooled the network leave their original's way in no layer."""
    nowhere = first[first.layer.isna()].derived
    fooled = int(pairs[pairs.derived.isin(nowhere)].fooled.sum())
    if not fooled:
        return ""
    return (
        f"{fooled:,} that fooled it leave it nowhere: what spoke for the old answer still does, by much the "
        "same way, and another class was given more. "
    )


def _chart(reader: Reader, chosen: pd.DataFrame, asked: Sequence[Source]) -> Figure:
    lines = {
        f"{row.label}, now {row.predicted} (sample {row.derived})": source.frame.set_index("layer").weighted_J
        for row, source in zip(rows(chosen), asked, strict=True)
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
    svg = likeness(reader.captions[:-1] or reader.captions, lines, expected, median="attacked, median")
    everything = pd.concat([_named(source) for source in asked])
    merged = Source("adversarial/divergence", asked[0].parameters, everything, str(reader.store.uri))
    return Figure(
        "How far the way is kept, layer by layer", text, svg=svg, sources=[merged, *sources[1:]], half=True
    )


def _named(source: Source) -> pd.DataFrame:
    """A divergence with the samples that it is of."""
    frame = source.frame.copy()
    for place, name in enumerate(("original", "derived")):
        frame.insert(place, name, int(str(source.parameters[name])))
    return frame


def _where(reader: Reader, found: Source, first: Source) -> Figure:
    fooled = found.frame.set_index("derived").fooled
    where = first.frame.assign(fooled=first.frame.derived.map(fooled).fillna(False).astype(bool))
    groups = {
        name: [
            float(((where.layer == layer) & where.fooled).sum()),
            float(((where.layer == layer) & ~where.fooled).sum()),
        ]
        for layer, name in reader.captions
    }
    missing = where.layer.isna()
    groups["nowhere"] = [float((missing & where.fooled).sum()), float((missing & ~where.fooled).sum())]
    text = (
        f"The first layer in which the likeness of an attacked image's pathway to its original's is below "
        f"{ratio(reader.within)}, what two clean images of one class have over all layers: one bar for every "
        f"layer{_by_layer(reader)}. Both pathways are traced for the original's prediction, so they say what "
        "speaks for it, not what speaks for the class that won. An image that fooled the network and "
        "diverges nowhere has kept that way: the other class was given more."
    )
    svg = bars(groups, ["fooled the network", "did not"], written="{:,.0f}".format)
    return Figure("The first layer that diverges", text, svg=svg, sources=[first, found], half=True)


def _by_layer(reader: Reader) -> str:
    """What clean images of one class have in each layer, where that is known."""
    if reader.consistency is None:
        return ""
    names = dict(reader.captions)
    means = reader.consistency.frame.set_index("layer").weighted_J_within
    each = [f"{ratio(means[layer])} at {name}" for layer, name in names.items() if layer in means]
    return f" (layer by layer they have {', '.join(each)})" if each else ""


def _least(divergence: pd.DataFrame, names: dict[int, str]) -> str:
    """The layer in which an image is least like its original."""
    inner = divergence[divergence.layer != ALL].set_index("layer").weighted_J.dropna()
    if inner.empty:
        return ""
    layer = int(str(inner.idxmin()))
    return f" (least like it at {names.get(layer, layer)}: {ratio(float(inner.min()))})"


def _shown(
    reader: Reader,
    pixels: Sequence[Pixels],
    chosen: pd.DataFrame,
    asked: Sequence[Source],
    first: Source,
    found: Source,
) -> Figure:
    names = dict(reader.captions)
    made = []
    for row, divergence in zip(rows(chosen), asked, strict=True):
        before, after = find_pixels(pixels, int(row.original)), find_pixels(pixels, int(row.derived))
        if before is None or after is None:
            continue
        change, most = difference(before, after)
        at = row_of(first.frame, "derived", row.derived)
        nowhere = f"nowhere below {ratio(reader.within)}{_least(divergence.frame, names)}"
        layer = nowhere if pd.isna(at.layer) else f"diverges at {names[int(at.layer)]}"
        facts = [layer, f"likeness {ratio(at.weighted_J_all)}", f"largest change {most:.2f}"]
        made.append(
            Pair(
                photo(before),
                change,
                photo(after),
                str(row.label),
                str(row.predicted),
                bool(row.fooled),
                facts,
            )
        )
    text = (
        "Original, what the attack added (red brighter, blue darker, at full contrast), and the result, of "
        f"{len(made):,} of {len(found.frame):,} pairs: those that fooled the network first."
        if made
        else "The images' pixels are in no image set that this report was given (--data)."
    )
    return Figure("The images", text, svg=image_pairs(made) if made else "", sources=[found, first])


def _overlays(
    reader: Reader, pixels: Sequence[Pixels], chosen: pd.DataFrame, asked: Sequence[Source]
) -> Figure:
    owners = pd.concat([reader.ask("pathways/of_run", run=run).frame for run in reader.comparable])
    owner = owners.drop_duplicates("sample").set_index("sample")
    tabs = []
    for row, source in list(zip(rows(chosen), asked, strict=True))[:OVERLAYS]:
        if row.original in owner.index and row.derived in owner.index:
            tabs.append(_overlay(reader, pixels, row, source, owner))
    text = (
        "Both pathways in one picture, over the attacked image: edges that both have, that the attack "
        "cost, and that it brought. Both are traced for the original's prediction. Drawn of "
        f"{len(tabs)} of {len(chosen)} pairs."
    )
    return Figure("The two ways, one over the other", text, tabs=tabs, legend="changes")


def _overlay(reader: Reader, pixels: Sequence[Pixels], row: Any, source: Source, owner: pd.DataFrame) -> Tab:
    original, derived = int(row.original), int(row.derived)
    before = gather(reader, pixels, int(owner.pathway[original]), original)
    after = gather(reader, pixels, int(owner.pathway[derived]), derived)
    edges = strongest(changes(before.edges, after.edges))
    every = owners(before.neurons, after.neurons)
    neurons = ends(every, edges)
    total = row_of(source.frame, "layer", ALL)
    body = drawing(
        lay_out(reader.layers, every, reader.class_names),
        neurons,
        edges,
        after.picture,
        classes=reader.class_names,
        target=int(owner.target[original]),
        label="Pathways of an image and of its attacked copy",
    )
    facts = [
        f"labelled {row.label}, now {row.predicted}",
        f"{int(total['shared']):,} edges kept, {int(total.lost):,} lost, {int(total.gained):,} gained",
        f"likeness {ratio(total.weighted_J)}",
    ]
    name = f"{row.label} → {row.predicted}"
    return Tab(
        name,
        photo(after.image),
        facts,
        body,
        (source, before.shown(edges, neurons)[0], after.shown(edges, neurons)[0]),
    )
