"""``graphpath demo``: the whole course on real digits, in one directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphpath.cli import arguments as a

INTERRUPTED = "what is finished is kept, and the same command goes on from there"


def command(
    out: Annotated[Path, typer.Option("--out", help="The demo's own directory.")] = Path("graphpath-demo"),
    seed: a.Seed = 0,
) -> None:
    """Train a small network on real digits, attack it, trace, load, ask three questions, write a report."""
    from graphpath.cli.narration import Narration
    from graphpath.demo import run_demo

    run_demo(out, seed=seed, show=Narration())
