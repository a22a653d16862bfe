"""``graphpath trace``: the pathways of many images, as a directory of Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from graphpath.cli import arguments as a
from graphpath.cli import target as asked
from graphpath.cli.progress import bar
from graphpath.cli.say import say
from graphpath.cli.work import Work, said, work_options
from graphpath.errors import MethodError

INTERRUPTED = "the finished parts are kept, and the same command goes on from there"


@work_options
def command(
    work: Work,
    out: Annotated[Path, typer.Option("--out", help="The directory to write.")],
    method: Annotated[str, typer.Option("--method", help="How pathways are chosen.")] = "effective_path",
    theta: Annotated[
        float | None,
        typer.Option("--theta", callback=a.finite, help="Of effective_path: the share to reach."),
    ] = None,
    sparsity: Annotated[
        float | None,
        typer.Option("--sparsity", callback=a.finite, help="Of neuron methods: the share left out."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="Any option of the method, such as kernel=plus_one or pixels=[[3,4],[5,6]] of diffusion.",
        ),
    ] = None,
    target: Annotated[str, typer.Option("--target", help=asked.HELP)] = "predicted",
    routes: Annotated[int, typer.Option("--routes", min=0, help="Largest routes to record per image.")] = 10,
    max_edges: Annotated[
        str, typer.Option("--max-edges", help="Edges to keep per pathway, the strongest, or all.")
    ] = "20000",
    fitted_on: Annotated[
        Path | None,
        typer.Option("--fitted-on", help="A trace whose images the method learns from instead of these."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Finish an interrupted trace in OUT.")
    ] = True,
) -> None:
    """Trace the pathways of DATA's images through MODEL.

    Several processes share the work: torchrun --nproc-per-node 4 --no-python graphpath trace ...
    """
    from graphpath.tracing import Rank, trace

    speaks = Rank.here().first
    if speaks:
        a.fresh(out, resume)
    loaded, images = work.open()
    with bar("tracing", silent=not speaks, words=said(loaded, images)) as shown:
        traced = trace(
            loaded,
            images,
            method=method,
            target=asked.parsed(target),
            routes=routes,
            seed=work.seed,
            max_edges=_budget(max_edges),
            out=out,
            batch=work.batch,
            progress=shown.to,
            fitted_on=fitted_on,
            **_options(theta, sparsity, option or []),
        )
    if not speaks:
        return
    counts = traced.counts
    edges = counts["edges"] + counts.get("channels", 0)
    say(
        f"{out}: {counts['pathways']:,} pathways with {edges:,} edges and {counts['routes']:,} "
        f"routes, run {traced.id}, {traced.run.get('seconds', 0):.1f} s"
    )


def _options(theta: float | None, sparsity: float | None, pairs: list[str]) -> dict[str, Any]:
    """The method's options that were given, by name."""
    given = {"theta": theta, "sparsity": sparsity}
    named = {name: a.typed(text) for name, text in a.named_values(pairs, "--option").items()}
    return {name: value for name, value in given.items() if value is not None} | named


def _budget(text: str) -> int | None:
    if text.lower() in ("all", "none"):
        return None
    if not asked.NUMBER.fullmatch(text):
        raise MethodError(f"--max-edges {text!r}: expected a number of edges, or all.")
    return int(text)
