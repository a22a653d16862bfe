"""``write_report``: one self-contained HTML page about a store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.classes import CLASSES
from graphpath.record.files import explain_unwritten, write_atomically
from graphpath.record.imageset import ImageSet
from graphpath.report.captions import name_model
from graphpath.report.page import Page, ReportSection, render
from graphpath.report.pixels import ImageSetPixels, Pixels
from graphpath.report.reader import ALL, RunReader
from graphpath.report.rows import find_row
from graphpath.report.sections import attacks, classes, pathways, routes

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores.base import Store


def write_report(
    store: Store,
    out: str | Path,
    *,
    run: str | None = None,
    scheme: str = CLASSES,
    images: Sequence[Pixels | ImageSet] = (),
    samples: int = 10,
    pairs: int = 12,
    title: str | None = None,
) -> Path:
    """Write a report about ``store`` and return the file.

    Args:
        out: a file that ends in .html, or a directory that gets ``report.html``.
        run: the run of original images; by default the one with the most.
        scheme: of the categories that are compared (:meth:`graphpath.Store.add_categories`); samples in none
            are drawn with no category. By default each class is one.
        images: where pixels are; without them the pixels that a pathway starts from are shown alone.
        samples: images whose pathways are drawn.
        pairs: attacked images that are shown with their originals.

    Raises:
        RunNotFound: the store holds no complete run.
        GraphpathError: the file cannot be written.
    """
    reader = RunReader(store, run, scheme)
    pixels = [ImageSetPixels(item) if isinstance(item, ImageSet) else item for item in images]
    made = [
        pathways.make_section(reader, pixels, samples),
        classes.make_section(reader),
        attacks.make_section(reader, pixels, pairs),
        routes.make_section(reader),
    ]
    page = _make_page(reader, [section for section in made if section is not None], title)
    return _written(render(page), Path(out))


def _make_page(reader: RunReader, sections: list[ReportSection], title: str | None) -> Page:
    run = find_row(reader.runs, "run", reader.run)
    lead = _describe_run(reader, run)
    facts = [
        ("Network", f"{run.model}, {len(reader.layers)} layers"),
        ("Method", f"{run.method} ({_describe_parameters(run.parameters)})"),
        ("Images", _describe_dataset(run.dataset)),
        ("Reference run", str(reader.run)),
        *([("Categories", reader.scheme)] if reader.scheme != CLASSES else []),
        ("Runs in the store", ", ".join(map(str, reader.runs.run))),
        ("Store", str(reader.store.uri)),
    ]
    return Page(title or f"The pathways of {name_model(str(run.model))}", lead, facts, sections)


def _describe_run(reader: RunReader, run: Any) -> str:
    """What was traced, in a sentence: images are counted once, and so are edges that several take."""
    images = reader.samples.drop_duplicates("sample")
    pathways = "" if len(images) == len(reader.samples) else f", {len(reader.samples):,} pathways in all"
    lead = (
        f"{len(images):,} images of {_describe_dataset(run.dataset)}, {_describe_right(reader, images)}, "
        f"were traced through {name_model(str(run.model))}{pathways}"
    )
    edges = reader.edges
    if edges.empty:
        return f"{lead}. No edges between neurons were recorded."
    total = find_row(edges, "layer", ALL)
    median = int(reader.samples.edges.median())
    return (
        f"{lead}. Their pathways take {int(total.edges):,} different neuron-to-neuron edges: {median:,} each "
        f"(median), {int(total.uses):,} added up."
    )


def _describe_right(reader: RunReader, images: pd.DataFrame) -> str:
    """How many images the network takes for what they are: for their class, or for one of their category."""
    if reader.scheme == CLASSES:
        return f"{images.correct.mean():.0%} of them classified as labelled"
    inside = images[images.label >= 0]
    if inside.empty:
        return f"none of them in a category of scheme {reader.scheme}"
    return (
        f"{len(inside):,} of them in a category of scheme {reader.scheme} and of these "
        f"{inside.correct.mean():.0%} predicted in it"
    )


def _describe_dataset(text: str) -> str:
    found = _serialise(text)
    return f"{found['name']} ({found.get('split', '')})" if "name" in found else text


def _describe_parameters(text: str) -> str:
    return ", ".join(f"{name} = {value}" for name, value in _serialise(text).items())


def _serialise(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _written(html: str, out: Path) -> Path:
    """Written beside its place and renamed, so that an interruption leaves an older report whole."""
    path = out if out.suffix in (".html", ".htm") else out / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_unwritten(path, error) from error
    write_atomically(path, lambda building: building.write_text(html, encoding="utf-8"))
    return path
