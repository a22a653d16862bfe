"""``graphpath examples``: what a feature map stands for, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.say import say

INTERRUPTED = "no picture was written"


def command(
    store: a.StoreUri,
    data: a.Data,
    maps: Annotated[
        list[str],
        typer.Option(
            "--map",
            help="A feature map's id, name or title (pathways/maps lists a pathway's); may be given again.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The PNG to write.", show_default=False)],
    database: a.Database = None,
    run: a.RunName = None,
    by: Annotated[str, typer.Option("--by", help="What is largest: activation or score.")] = "activation",
    per: Annotated[str, typer.Option("--per", help="A patch for each sample, or for each visit.")] = "sample",
    variant: Annotated[str | None, typer.Option("--variant", help="Only samples of this variant.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many patches of a map.")] = 9,
    root: a.Root = None,
    split: a.Split = "test",
    size: a.Size = None,
    exif: a.Exif = False,
) -> None:
    """Draw the patches of images where feature maps are at their strongest."""
    from graphpath.maps import examples, write_sheet

    images = a.open_images(data, None, root=root, split=split, limit=None, seed=0, size=size, exif=exif)
    with a.open_store(store, database) as kept:
        chosen = a.find_run(kept, run)
        found = [
            examples(kept, one, images, run=chosen, by=by, per=per, variant=variant, limit=limit)
            for one in maps
        ]
    for one in found:
        lacking = f"; {one.missing} more have no image here" if one.missing else ""
        high, wide = one.patches.shape[2:]
        patches = "patch" if len(one.rows) == 1 else "patches"
        say(f"{one.title}: {len(one.rows)} {patches} of {high} x {wide} pixels{lacking}")
    say(str(write_sheet(found, out)))
