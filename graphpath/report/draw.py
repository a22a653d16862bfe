"""One pathway as a picture of its own, for a notebook or a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphpath.errors import RunNotFound
from graphpath.record.imageset import ImageSet
from graphpath.report.pathway import draw_alone
from graphpath.report.pixels import ImageSetPixels, Pixels
from graphpath.report.reader import RunReader
from graphpath.report.rows import find_row
from graphpath.report.sections.drawn import EDGES, read_largest_routes, read_pathway
from graphpath.report.sections.pathways import compose_scene
from graphpath.report.source import describe_figure
from graphpath.report.standalone import make_standalone

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
        edges, routes: how many of the strongest edges (between neurons, where the network has few layers) and
            of the largest routes are drawn.

    Raises:
        RunNotFound: the store holds no such run, or the run no such sample.
    """
    reader = RunReader(store, run)
    if sample not in set(reader.samples["sample"]):
        raise RunNotFound(f"Run {reader.run} has no sample {sample}; pathways/of_run lists those it has.")
    one = find_row(reader.samples, "sample", sample)
    pixels = [ImageSetPixels(item) if isinstance(item, ImageSet) else item for item in images]
    found = read_pathway(reader, pixels, int(one.pathway), sample)
    largest, routed = read_largest_routes(reader, sample, int(one.pathway), routes)
    title = f"Pathway of sample {sample}"
    scene = compose_scene(reader, found, largest, int(one.target), edges)
    made = draw_alone(scene, found.picture, found.photos, label=title)
    return make_standalone(made, describe_figure(title, [*found.find_sources(scene), routed]))
