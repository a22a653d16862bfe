"""``graphpath train``: a small network on labelled images, as a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say

INTERRUPTED = "no checkpoint was written, and the same command begins again"


def command(
    data: a.Data,
    out: Annotated[Path, typer.Option("--out", help="The checkpoint to write, such as digits.pt.")],
    model: Annotated[str, typer.Option("--model", help="The architecture: cnn, vgg or vgg16.")] = "cnn",
    root: a.Root = None,
    limit: a.Limit = None,
    size: a.Size = None,
    exif: a.Exif = False,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the images.")] = None,
    batch: a.Batch = None,
    rate: Annotated[
        float | None, typer.Option("--rate", callback=a.check_finite, help="The largest learning rate.")
    ] = None,
    device: a.Device = "cpu",
    seed: a.Seed = 0,
) -> None:
    """Train a small network on DATA and write a checkpoint that --model takes."""
    from graphpath.models import train

    training = a.open_images(
        data, None, root=root, split="train", limit=limit, seed=seed, size=size, exif=exif
    )
    testing = a.open_images(data, None, root=root, split="test", limit=None, seed=seed, size=size, exif=exif)
    with show_bar("training") as shown:
        trained = train(
            model,
            training,
            testing,
            epochs=epochs,
            batch=batch,
            rate=rate,
            device=device,
            seed=seed,
            out=out,
            progress=shown,
        )
    say(
        f"{out}: {model} trained on {len(training):,} images in {trained.seconds:.1f} s, "
        f"{trained.accuracy:.2%} right on {len(testing):,} test images"
    )
