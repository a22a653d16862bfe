"""Through which neurons and connections? The most typical image of each class, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphpath.report.captions import format_percent
from graphpath.report.page import Figure, ReportSection, Tab
from graphpath.report.pathway import draw_svg, lay_out, mark_signs
from graphpath.report.pictures import encode_image
from graphpath.report.pixels import Pixels
from graphpath.report.reader import ALL, RunReader
from graphpath.report.rows import iterate_rows
from graphpath.report.sections.drawn import (
    EDGES,
    DrawnPathway,
    Route,
    read_largest_routes,
    read_pathway,
    select_ends,
    select_strongest,
)
from graphpath.report.source import Source

if TYPE_CHECKING:
    import pandas as pd


def make_section(reader: RunReader, pixels: Sequence[Pixels], samples: int) -> ReportSection | None:
    """The drawings of up to ``samples`` images, one of each class."""
    chosen = choose_typical(reader, samples)
    if chosen.empty:
        return None
    tabs = [_make_tab(reader, pixels, row) for row in iterate_rows(chosen)]
    figure = Figure(
        title="One image of each class, the one most like its class",
        text=(
            "Choose an image. On the left the image as the network sees it; then each layer's feature "
            "maps, one square each, with the neurons that the pathway visits at their place in the map; on "
            f"the right the logits. Up to {EDGES} edges are drawn, of each layer those with "
            "the largest |score|; width grows with it, relative to the layer's largest."
        ),
        tabs=tabs,
        legend="signs",
    )
    edges = reader.samples.edges
    answer = (
        f"A pathway takes {int(edges.median()):,} edges (median; {int(edges.min()):,} to "
        f"{int(edges.max()):,}) among {int(reader.samples.neurons.median()):,} neurons. Blue edges speak "
        "for the class that the network was asked about, red ones against it, and the gold lines are the "
        "three routes that carry most."
    )
    return ReportSection("pathways", "Through which neurons and connections?", answer, [figure])


def choose_typical(reader: RunReader, samples: int) -> pd.DataFrame:
    """Of each class the correct sample whose pathway is most like the class pathway, evenly over classes."""
    asked = reader.ask("adversarial/class_similarity", runs=[reader.run], references=[reader.run])
    overall = asked.frame[asked.frame.layer == ALL].set_index("pathway").weighted_first
    among = reader.samples.assign(likeness=reader.samples.pathway.map(overall).fillna(0.0))
    among = among[among.correct] if among.correct.any() else among
    best = among.sort_values(["likeness", "pathway"], ascending=[False, True]).drop_duplicates("label")
    best = best.sort_values("label")
    step = max(1, -(-len(best) // samples))
    return best.iloc[::step].head(samples)


def _make_tab(reader: RunReader, pixels: Sequence[Pixels], row: Any) -> Tab:
    pathway, sample = int(row.pathway), int(row.sample)
    found = read_pathway(reader, pixels, pathway, sample)
    routes, source = read_largest_routes(reader, sample, pathway)
    name = str(row.label_name)
    body, sources = draw_picture(
        reader, found, routes, int(row.target), EDGES, f"Pathway of an image of class {name}"
    )
    facts = [
        f"labelled {name}",
        f"predicted {row.predicted} ({format_percent(row.confidence)})",
        f"traced for {row.target_name}",
        f"{int(row.edges):,} edges, {int(row.neurons):,} neurons",
        f"{format_percent(row.coverage)} of the selected |score| kept",
        f"likeness to its class {row.likeness:.2f}",
    ]
    if not found.known:
        facts.append("only the pixels that the pathway starts from are known")
    return Tab(name, encode_image(found.image), facts, body, (*sources, source))


def draw_picture(
    reader: RunReader, found: DrawnPathway, routes: Sequence[Route], target: int, most: int, label: str
) -> tuple[str, tuple[Source, Source]]:
    """The drawing of one pathway with at most about ``most`` edges, and the rows that it shows."""
    edges = select_strongest(found.edges, most)
    neurons = select_ends(found.neurons, edges, routes)
    made = draw_svg(
        lay_out(reader.layers, found.neurons, reader.class_names),
        mark_signs(neurons),
        mark_signs(edges),
        found.picture,
        routes=routes,
        classes=reader.class_names,
        target=target,
        label=label,
    )
    return made, found.sources_of_rows(edges, neurons)
