"""One pathway as a picture of its own, for a notebook or a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphpath.errors import RunNotFound
from graphpath.record.imageset import ImageSet
from graphpath.report.pixels import ImageSetPixels, Pixels
from graphpath.report.reader import Reader
from graphpath.report.rows import row
from graphpath.report.sections.drawn import EDGES, gather, largest
from graphpath.report.sections.pathways import picture
from graphpath.report.source import about
from graphpath.report.standalone import standalone

if TYPE_CHECKING:
    from graphpath.stores.base import Store


def draw_pathway(
    store: Store,
    sample: int,
    *,
    run: str | None = None,
    images: Sequence[Pixels | ImageSet] = (),
    edges: int = EDGES,
    routes: int = 3,
) -> str:
    """The pathway of ``sample`` as an SVG document (``IPython.display.SVG(...)`` shows it).

    Its description has the commands that ask for what it shows.

    Args:
        sample: a sample of the run (``pathways/of_run`` lists them).
        run: by default the complete run with the most original images.
        images: where pixels are; without them the pixels that the pathway starts from are shown alone.
        edges, routes: how many of the strongest edges and of the largest routes are drawn.

    Raises:
        RunNotFound: the store holds no such run, or the run no such sample.
    """
    reader = Reader(store, run)
    if sample not in set(reader.samples["sample"]):
        raise RunNotFound(f"Run {reader.run} has no sample {sample}; pathways/of_run lists those it has.")
    one = row(reader.samples, "sample", sample)
    pixels = [ImageSetPixels(item) if isinstance(item, ImageSet) else item for item in images]
    found = gather(reader, pixels, int(one.pathway), sample)
    ways, routed = largest(reader, sample, int(one.pathway), routes)
    title = f"Pathway of sample {sample}"
    made, sources = picture(reader, found, ways, int(one.target), edges, title)
    return standalone(made, about(title, [*sources, routed]))
