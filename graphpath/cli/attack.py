"""``graphpath attack``: adversarial images, as an image set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say
from graphpath.cli.target import NUMBER
from graphpath.cli.work import TracingInput, describe_input, work_options

INTERRUPTED = "the finished batches are kept, and the same command goes on from there"


@work_options
def command(
    work: TracingInput,
    out: Annotated[Path, typer.Option("--out", help="The image set to write.")],
    attack: Annotated[str, typer.Option("--attack", help="fgsm, bim, pgd, deepfool or cw.")] = "pgd",
    epsilon: Annotated[
        float | None,
        typer.Option(
            "--epsilon",
            callback=a.check_finite,
            help="The largest change of a pixel, in (0, 1]; deepfool and cw have none.  [default: 0.1]",
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Gradient steps.")] = None,
    step_size: Annotated[
        float | None, typer.Option("--step-size", callback=a.check_finite, help="Change per step.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="NAME=VALUE", help="Of deepfool (overshoot=0.02) or cw (confidence=0)."
        ),
    ] = None,
    targeted: Annotated[
        str | None,
        typer.Option(
            "--targeted", help="A class by number or name, or least_likely; else away from the prediction."
        ),
    ] = None,
) -> None:
    """Perturb DATA's images so that MODEL errs, and keep them with their originals' names."""
    from graphpath.attacks import attack as perturb
    from graphpath.attacks import success_rate

    loaded, images = work.open()
    aim = int(targeted) if targeted is not None and NUMBER.fullmatch(targeted) else targeted
    with show_bar("attacking", words=describe_input(loaded, images)) as shown:
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
            progress=shown,
            **{name: a.parse_value(text) for name, text in a.parse_pairs(option or [], "--option").items()},
        )
    bound = made.provenance.get("epsilon")
    described = f"{attack} at epsilon {bound:g}" if isinstance(bound, int | float) else attack
    say(f"{out}: {len(made):,} images, {described}, {success_rate(made):.1%} succeed")
