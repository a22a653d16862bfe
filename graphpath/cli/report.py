"""``graphpath report``: one HTML page about a store, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.say import say

if TYPE_CHECKING:
    from graphpath.report import Pixels

INTERRUPTED = "no report was written"


def command(
    store: a.StoreUri,
    out: Annotated[
        Path, typer.Option("--out", help="A directory for report.html, or a file ending in .html.")
    ],
    database: a.Database = None,
    run: a.RunName = None,
    scheme: Annotated[
        str,
        typer.Option("--scheme", help="Of the categories that are compared: see graphpath categories."),
    ] = "classes",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", help="Where the images' pixels are: an image set, or what --data of trace took."
        ),
    ] = None,
    root: a.Root = None,
    split: a.Split = "test",
    size: a.Size = None,
    exif: a.Exif = False,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Images whose pathways are drawn.")] = 10,
    pairs: Annotated[
        int, typer.Option("--pairs", min=0, help="Attacked images shown with their originals.")
    ] = 12,
) -> None:
    """Write one self-contained HTML report about a store."""
    from graphpath.report import write_report

    pixels = [_open_pixels(spec, root, split, size, exif) for spec in data or []]
    with a.open_store(store, database) as kept:
        page = write_report(
            kept,
            out,
            run=a.find_run(kept, run),
            scheme=scheme,
            images=pixels,
            samples=samples,
            pairs=pairs,
        )
    say(f"{page}: {page.stat().st_size / 1e6:.1f} MB")


def _open_pixels(spec: str, root: Path | None, split: str, size: int | None, exif: bool) -> Pixels:
    """The pixels of an image set, read without torch, or of anything else that --data names."""
    from graphpath.record.imageset import ImageSet, is_image_set
    from graphpath.report import ImageSetPixels

    if is_image_set(spec):
        return ImageSetPixels(ImageSet(spec))
    from graphpath.report.pixels import ImagesPixels

    images = a.open_images(spec, None, root=root, split=split, limit=None, seed=0, size=size, exif=exif)
    return ImagesPixels(images)
