"""How far do the largest pathways overlap?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphpath.errors import QueryParameterError
from graphpath.report.captions import power, ratio
from graphpath.report.figures import bars
from graphpath.report.page import Figure, Section
from graphpath.report.reader import Reader
from graphpath.report.rows import rows
from graphpath.report.sections.pathways import typical

if TYPE_CHECKING:
    from graphpath.report.source import Source

K = 10
SHOWN = 3
THINGS = ("neurons", "edges", "feature maps")


def section(reader: Reader) -> Section | None:
    """The largest routes, and what they have in common."""
    try:
        overlap = reader.ask("pathways/largest_overlap", run=reader.run, k=K)
    except QueryParameterError:  # more samples than every two of them can be compared
        return None
    if overlap.frame.empty:
        return None
    text = (
        f"Mean Jaccard index of what lies on the {K} largest routes of two images. Images of two classes "
        "are the null for images of one."
    )
    figures = [
        Figure(
            f"Overlap of the {K} largest routes",
            text,
            svg=bars(_means(overlap), ["one class", "two classes"], top=1.0),
            sources=[overlap],
            half=True,
        ),
        _table(reader),
    ]
    return Section("routes", "How far do the largest pathways overlap?", answer(reader), figures)


def _means(overlap: Source) -> dict[str, list[float]]:
    """Mean Jaccard index within and across classes, of each thing."""
    means = overlap.frame.set_index(["what", "relation"]).J.to_dict()
    return {
        thing: [means.get((thing, relation), float("nan")) for relation in ("within", "across")]
        for thing in THINGS
    }


def answer(reader: Reader) -> str:
    """The question's answer in a sentence."""
    means = _means(reader.ask("pathways/largest_overlap", run=reader.run, k=K))
    parts = [
        f"{ratio(within)} of their {thing} against {ratio(across)}"
        for thing, (within, across) in means.items()
    ]
    return (
        f"The {K} largest routes of two images of one class share {parts[0]}, {parts[1]} and {parts[2]} "
        "between two classes (mean Jaccard index)."
    )


def _table(reader: Reader) -> Figure:
    """The largest routes of the typical images, written out."""
    table, sources = [["class", "rank", "contribution", "route, from the pixel to the logit"]], []
    for row in rows(typical(reader, SHOWN)):
        source = reader.ask("pathways/largest", sample=int(row.sample), k=SHOWN, runs=[reader.run])
        table += _routes(str(row.label_name), source)
        sources.append(source)
    text = (
        "A route's contribution is its pixel times every weight and gate on its way; all routes of the "
        "network and its constants sum to the logit. A neuron is written layer [map] y,x."
    )
    return Figure("The largest routes themselves", text, table=table, sources=sources)


def _routes(name: str, source: Source) -> list[list[str]]:
    return [
        [
            name,
            str(int(group["rank"].iloc[0])),
            power(float(group.log10_abs.iloc[0]), int(group.sign.iloc[0])),
            " → ".join(group.sort_values("position").name),
        ]
        for _, group in source.frame.groupby("route", sort=False)
    ]
