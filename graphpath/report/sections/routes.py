"""How far do the largest pathways overlap?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from graphpath.errors import QueryParameterError
from graphpath.queries.units import MAP, NEURON
from graphpath.report.captions import format_power, format_ratio, join_words
from graphpath.report.figures import draw_bars
from graphpath.report.page import Figure, ReportSection
from graphpath.report.reader import RunReader
from graphpath.report.rows import iterate_rows
from graphpath.report.sections.pathways import choose_typical

if TYPE_CHECKING:
    from graphpath.report.source import Source

K = 10
SHOWN = 3
THINGS = {"neurons": NEURON, "edges": NEURON, "feature maps": MAP}
"""What is compared, each with the unit that the query is asked for."""


def make_section(reader: RunReader) -> ReportSection | None:
    """The largest routes, and what they have in common."""
    try:
        overlaps = ask_overlaps(reader)
    except QueryParameterError:  # more samples than every two of them can be compared
        return None
    if overlaps[NEURON].frame.empty:
        return None
    text = (
        f"Mean Jaccard index of what lies on the {K} largest routes of two images. Images of two classes "
        "are the null for images of one."
    )
    figures = [
        Figure(
            f"Overlap of the {K} largest routes",
            text,
            svg=draw_bars(_read_means(overlaps), ["one class", "two classes"], top=1.0),
            sources=[*overlaps.values()],
            half=True,
        ),
        _make_table(reader),
    ]
    return ReportSection(
        "routes", "How far do the largest pathways overlap?", describe_answer(reader), figures
    )


def ask_overlaps(reader: RunReader) -> dict[str, Source]:
    """The overlap of the largest routes by unit. Raises QueryParameterError for too many samples."""
    return {
        unit: reader.ask("pathways/largest_overlap", run=reader.run, k=K, unit=unit) for unit in (NEURON, MAP)
    }


def _read_means(overlaps: Mapping[str, Source]) -> dict[str, list[float]]:
    """Mean Jaccard index within and across classes, of each thing."""
    means = {
        unit: source.frame.set_index(["what", "relation"]).J.to_dict() for unit, source in overlaps.items()
    }
    return {
        thing: [means[unit].get((thing, relation), float("nan")) for relation in ("within", "across")]
        for thing, unit in THINGS.items()
    }


def describe_answer(reader: RunReader) -> str:
    """The question's answer in a sentence."""
    means = _read_means(ask_overlaps(reader))
    if all(math.isnan(within) for within, _ in means.values()):
        apart = [f"{format_ratio(across)} of their {thing}" for thing, (_, across) in means.items()]
        return (
            f"No class has two images here. The {K} largest routes of images of two classes share "
            f"{join_words(apart)} (mean Jaccard index)."
        )
    parts = [
        f"{format_ratio(within)} of their {thing} against {format_ratio(across)}"
        for thing, (within, across) in means.items()
    ]
    return (
        f"The {K} largest routes of two images of one class share {parts[0]}, {parts[1]} and {parts[2]} "
        "between two classes (mean Jaccard index)."
    )


def _make_table(reader: RunReader) -> Figure:
    """The largest routes of the typical images, written out."""
    table, sources = [["class", "rank", "contribution", "route, from the pixel to the logit"]], []
    for row in iterate_rows(choose_typical(reader, SHOWN)):
        source = reader.ask("pathways/largest", sample=int(row.sample), k=SHOWN, runs=[reader.run])
        table += _make_routes(str(row.label_name), source)
        sources.append(source)
    text = (
        "A route's contribution is its pixel times every weight and gate along it; all routes of the "
        "network and its constants sum to the logit. A neuron is written layer [map] y,x."
    )
    return Figure("The largest routes themselves", text, table=table, sources=sources)


def _make_routes(name: str, source: Source) -> list[list[str]]:
    return [
        [
            name,
            str(int(group["rank"].iloc[0])),
            format_power(float(group.log10_abs.iloc[0]), int(group.sign.iloc[0])),
            " → ".join(group.sort_values("position").name),
        ]
        for _, group in source.frame.groupby("route", sort=False)
    ]
