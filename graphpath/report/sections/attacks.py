"""Where does an attack divert an image?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from graphpath.report.captions import percent, ratio
from graphpath.report.figures import bars, likeness
from graphpath.report.page import Figure, Pair, Section, Tab
from graphpath.report.pathway import changes, drawing, lay_out
from graphpath.report.pictures import difference, photo
from graphpath.report.pixels import Pixels, find_pixels
from graphpath.report.reader import ALL, Reader
from graphpath.report.sections.drawn import drawn
from graphpath.report.source import Source

OVERLAYS = 5


def section(reader: Reader, pixels: Sequence[Pixels], pairs: int) -> Section | None:
    """Attacked images beside their originals; None where the store holds no derived sample."""
    found = reader.ask("adversarial/pairs", runs=reader.comparable)
    if found.frame.empty or pairs == 0:
        return None
    threshold = round(reader.within, 2)
    first = reader.ask("adversarial/first_diverging_layer", threshold=threshold, runs=reader.comparable)
    chosen = _chosen(found.frame, pairs)
    asked = [_divergence(reader, row) for row in chosen.itertuples(index=False)]
    figures = [
        _chart(reader, chosen, asked),
        _where(reader, found, first, threshold),
        _shown(reader, pixels, chosen, first, found),
        _overlays(reader, pixels, chosen, asked),
    ]
    answer = _answer(reader, found.frame, first.frame, threshold)
    return Section("attacks", "Where does an attack divert an image?", answer, figures)


def _chosen(frame: pd.DataFrame, pairs: int) -> pd.DataFrame:
    """Pairs that fooled the network first, one label after another."""
    turn = frame.groupby(["fooled", "label"]).cumcount()
    ranked = frame.assign(turn=turn).sort_values(["fooled", "turn", "label", "derived"], ascending=[False, True, True, True])
    return ranked.head(pairs)


def _divergence(reader: Reader, row: object) -> Source:
    original, derived = int(row.original), int(row.derived)  # type: ignore[attr-defined]
    return reader.ask("adversarial/divergence", original=original, derived=derived, runs=reader.comparable)


def _answer(reader: Reader, frame: pd.DataFrame, first: pd.DataFrame, threshold: float) -> str:
    names = dict(reader.captions)
    where = first.layer.dropna().astype(int)
    told = f"{int(frame.fooled.sum()):,} of {len(frame):,} attacked images changed the network's answer. "
    if where.empty:
        return told + "None leaves its original's way further than two images of one class differ."
    layer = int(where.mode().iloc[0])
    share = percent(float((where == layer).mean()))
    return told + (
        f"Measured against the likeness of two clean images of one class ({ratio(threshold)}), {len(where):,} leave "
        f"their original's way, {share} of these first at {names.get(layer, layer)}. Over all layers an attacked "
        f"image keeps a likeness of {ratio(float(first.weighted_J_all.median()))} to its original (median)."
    )


def _chart(reader: Reader, chosen: pd.DataFrame, asked: Sequence[Source]) -> Figure:
    lines = {
        f"{row.label}, now {row.predicted}": source.frame.set_index("layer").weighted_J
        for row, source in zip(chosen.itertuples(index=False), asked, strict=True)
    }
    # Several pairs may have the same classes.
    unique = {f"{name} #{place}": series for place, (name, series) in enumerate(zip(
        [f"{row.label}, now {row.predicted}" for row in chosen.itertuples(index=False)],
        [source.frame.set_index("layer").weighted_J for source in asked], strict=True))}  # fmt: skip
    expected, sources = {}, list(asked[:1])
    if reader.consistency is not None:
        rows = reader.consistency.frame.set_index("layer")
        expected = {"two images, one class": rows.weighted_J_within, "two images, two classes": rows.weighted_J_between}
        sources.append(reader.consistency)
    text = (
        f"Weighted Jaccard index of each attacked image's pathway and its original's ({len(lines)} pairs), both traced "
        "for the original's prediction. Dashed: what two clean images give."
    )
    drawn = likeness(reader.captions[:-1] or reader.captions, unique, expected, median="attacked, median")
    everything = pd.concat(
        [source.frame.assign(**{name: source.parameters[name] for name in ("original", "derived")}) for source in asked]
    )
    merged = Source("adversarial/divergence", asked[0].parameters, everything, str(reader.store.uri))
    return Figure("How far the way is kept, layer by layer", text, svg=drawn, sources=[merged, *sources[1:]])


def _where(reader: Reader, found: Source, first: Source, threshold: float) -> Figure:
    fooled = found.frame.set_index("derived").fooled
    rows = first.frame.assign(fooled=first.frame.derived.map(fooled).fillna(False).astype(bool))
    groups = {
        name: [float(((rows.layer == layer) & rows.fooled).sum()), float(((rows.layer == layer) & ~rows.fooled).sum())]
        for layer, name in reader.captions
    }
    missing = rows.layer.isna()
    groups["nowhere"] = [float((missing & rows.fooled).sum()), float((missing & ~rows.fooled).sum())]
    text = (
        f"The first layer in which the likeness of an attacked image's pathway to its original's is below "
        f"{ratio(threshold)}, the mean of two clean images of one class over all layers."
    )
    drawn = bars(groups, ["fooled the network", "did not"], written="{:,.0f}")
    return Figure("The first layer that diverges", text, svg=drawn, sources=[first, found])


def _shown(
    reader: Reader, pixels: Sequence[Pixels], chosen: pd.DataFrame, first: Source, found: Source
) -> Figure:
    names = dict(reader.captions)
    where = first.frame.set_index("derived")
    made = []
    for row in chosen.itertuples(index=False):
        before, after = find_pixels(pixels, int(row.original)), find_pixels(pixels, int(row.derived))
        if before is None or after is None:
            continue
        change, most = difference(before, after)
        at = where.loc[row.derived]
        layer = "no layer" if pd.isna(at.layer) else names.get(int(at.layer), str(at.layer))
        facts = [f"diverges at {layer}", f"likeness {ratio(at.weighted_J_all)}", f"largest change {most:.2f}"]
        made.append(
            Pair(photo(before), change, photo(after), str(row.label), str(row.predicted), bool(row.fooled), facts)
        )
    text = (
        "Original, what the attack added (red brighter, blue darker, at full contrast), and the result."
        if made
        else "The images' pixels are in no image set that this report was given (--data)."
    )
    return Figure("The images", text, pairs=made, sources=[found, first])


def _overlays(
    reader: Reader, pixels: Sequence[Pixels], chosen: pd.DataFrame, asked: Sequence[Source]
) -> Figure:
    owners = pd.concat([reader.ask("pathways/of_run", run=run).frame for run in reader.comparable])
    owner = owners.drop_duplicates("sample").set_index("sample")
    tabs = []
    for row, source in list(zip(chosen.itertuples(index=False), asked, strict=True))[:OVERLAYS]:
        if row.original in owner.index and row.derived in owner.index:
            tabs.append(_overlay(reader, pixels, row, source, owner))
    text = (
        "Both pathways in one picture, over the attacked image: edges that both have, that the attack cost, and that "
        "it brought. Both are traced for the original's prediction."
    )
    return Figure("The two ways, one over the other", text, tabs=tabs, legend="changes")


def _overlay(
    reader: Reader, pixels: Sequence[Pixels], row: object, source: Source, owner: pd.DataFrame
) -> Tab:
    original, derived = int(row.original), int(row.derived)  # type: ignore[attr-defined]
    before = drawn(reader, pixels, int(owner.pathway[original]), original)
    after = drawn(reader, pixels, int(owner.pathway[derived]), derived)
    neurons = pd.concat([after.neurons, before.neurons]).drop_duplicates("neuron")
    total = source.frame.set_index("layer").loc[ALL]
    body = drawing(
        lay_out(reader.layers, neurons),
        neurons,
        changes(before.edges, after.edges),
        after.picture,
        classes=reader.class_names,
        target=int(owner.target[original]),
        label="Pathways of an image and of its attacked copy",
    )
    facts = [
        f"labelled {row.label}, now {row.predicted}",  # type: ignore[attr-defined]
        f"{int(total['shared']):,} edges kept, {int(total.lost):,} lost, {int(total.gained):,} gained",
        f"likeness {ratio(total.weighted_J)}",
    ]
    name = f"{row.label} → {row.predicted}"  # type: ignore[attr-defined]
    return Tab(name, photo(after.image), facts, body, (source, before.sources[0], after.sources[0]))
