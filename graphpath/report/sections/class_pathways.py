"""A class's pathway, drawn between feature maps: the sums over all its images, shown on some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from graphpath.classes import CLASSES
from graphpath.report.captions import format_percent, name_class
from graphpath.report.page import Figure, Tab
from graphpath.report.pathway import Photos, compose, draw_picture, mark_signs, split_signs, sum_by_map
from graphpath.report.pictures import encode_image, encode_thumbnail
from graphpath.report.rows import find_row, iterate_rows
from graphpath.report.sections.drawn import DrawnPathway, describe_ribbons, read_visits
from graphpath.report.source import Computed

if TYPE_CHECKING:
    from graphpath.report.pixels import Pixels
    from graphpath.report.reader import RunReader

SHOWN = 4
"""Images of a class that its feature maps are shown on."""
FEW = 2
"""A class pathway of fewer images is that of an image, which is drawn elsewhere."""
TEXT = (
    "The sums over all images of a class, between feature maps: a ribbon is as wide as its share of the "
    "|score| that enters. No picture is common to the images of a class: a map is shown on that one of up to "
    f"{SHOWN} of its images in which it carries most. Where images are not aligned, a place in a map "
    "means nothing for the class; the map does."
)


def make_figure(
    reader: RunReader, pixels: Sequence[Pixels], chosen: pd.DataFrame, maps: int
) -> Figure | None:
    """Of the classes of ``chosen`` those with several images; None where there is none."""
    classes = _read_classes(reader)
    tabs = [
        _make_tab(reader, pixels, row, find_row(classes, "name", row.label_name), f"c{place}", maps)
        for place, row in enumerate(iterate_rows(chosen))
        if row.label_name in set(classes.name)
    ]
    if not tabs:
        return None
    return Figure("The pathway of a class", TEXT, tabs=tabs, legend="sums")


def _read_classes(reader: RunReader) -> pd.DataFrame:
    """The class pathways of the run's own variant that have several images: id, name, samples."""
    graph = reader.graph("browse/categories", run=reader.run, limit="all")
    names = {data["id"]: data["name"] for _, data in graph.nodes(data=True) if data["type"] == "Category"}
    rows = [
        (data["id"], names[data["category"]], data["samples"])
        for _, data in graph.nodes(data=True)
        if data["type"] == "ClassPathway"
        and data["variant"] in reader.variants
        and data["by"] == "target"
        and data["samples"] >= FEW
        and data["category"] in names
    ]
    return pd.DataFrame(rows, columns=["id", "name", "samples"]).drop_duplicates("name")


def _make_tab(
    reader: RunReader, pixels: Sequence[Pixels], row: Any, class_pathway: Any, key: str, maps: int
) -> Tab:
    asked = {"class_pathway": int(class_pathway.id), "limit": "all"}
    edges, note = reader.edges_of("browse/class_maps", ["layer", "score", "weight"], **asked)
    members = _read_members(reader, pixels, row)
    visits, photos = _choose_photos(members)
    scene = compose(
        reader.layers,
        visits,
        sum_by_map(reader.layers, split_signs(edges)),
        classes=reader.class_names,
        target=int(row.label if reader.scheme == CLASSES else row.target),
    )
    name = name_class(str(row.label_name))
    label = f"Pathway of class {name}"
    picture = draw_picture(scene, members[0].picture, photos, key, label=label, maps=maps)
    source = Computed(
        "browse/class_maps", asked, describe_ribbons(scene), str(reader.store.uri), note,
        "Edges of a class pathway, summed by block and feature map",
        (reader.describe_call("browse/class_maps", asked),),
    )  # fmt: skip
    own = reader.samples[reader.samples.label == row.label]
    facts = [
        f"{int(class_pathway.samples):,} images",
        f"shown on {len(members)} of them",
        f"{format_percent(float(own.correct.mean()))} of {len(own):,} classified as labelled",
    ]
    return Tab(name, encode_image(members[0].image), facts, picture, (source,))


def _read_members(reader: RunReader, pixels: Sequence[Pixels], row: Any) -> list[DrawnPathway]:
    """The typical image of a class, and some others that the network got right."""
    own = reader.samples[(reader.samples.label == row.label) & (reader.samples.pathway != row.pathway)]
    own = own[own.correct] if row.correct else own
    chosen = [(int(row.pathway), int(row.sample))]
    chosen += [(int(one.pathway), int(one.sample)) for one in iterate_rows(own.drop_duplicates("sample"))]
    return [read_visits(reader, pixels, pathway, sample) for pathway, sample in chosen[:SHOWN]]


def _choose_photos(members: Sequence[DrawnPathway]) -> tuple[pd.DataFrame, Photos]:
    """Of each feature map the visits in that image in which they carry most, and that image under it."""
    visits = pd.concat([one.neurons.assign(photo=place) for place, one in enumerate(members)])
    size = visits.score.abs().groupby([visits.layer, visits.channel, visits.photo]).sum()
    best = size.groupby(["layer", "channel"]).idxmax()
    under = {(int(layer), int(channel)): int(photo) for layer, channel, photo in best}
    chosen = visits.merge(pd.DataFrame(best.tolist(), columns=["layer", "channel", "photo"]))
    return mark_signs(chosen), Photos(tuple(encode_thumbnail(one.image) for one in members), under)
