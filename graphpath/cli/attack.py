"""``graphpath attack``: adversarial images, as an image set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphpath.cli.progress import bar
from graphpath.cli.work import Work, work_options

INTERRUPTED = "the finished batches are kept, and the same command goes on from there"


@work_options
def command(
    work: Work,
    out: Annotated[Path, typer.Option("--out", help="The image set to write.")],
    attack: Annotated[str, typer.Option("--attack", help="fgsm, bim or pgd.")] = "pgd",
    epsilon: Annotated[
        float, typer.Option("--epsilon", help="The largest change of a pixel, in (0, 1].")
    ] = 0.1,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Gradient steps.")] = None,
    step_size: Annotated[float | None, typer.Option("--step-size", help="Change per step.")] = None,
    targeted: Annotated[
        str | None,
        typer.Option("--targeted", help="A class number, or least_likely; else away from the prediction."),
    ] = None,
) -> None:
    """Perturb DATA's images so that MODEL errs, and keep them with their originals' names."""
    from graphpath.attacks import attack as perturb
    from graphpath.attacks import success_rate

    loaded, images = work.open()
    aim = int(targeted) if targeted is not None and targeted.isdigit() else targeted
    with bar("attacking") as shown:
        made = perturb(
            loaded,
            images,
            attack,
            epsilon,
            out=out,
            steps=steps,
            step_size=step_size,
            targeted=aim,
            seed=work.seed,
            batch=work.batch,
            progress=shown.to,
        )
    typer.echo(
        f"{out}: {len(made):,} images, {attack} at epsilon {epsilon:g}, {success_rate(made):.1%} succeed"
    )
