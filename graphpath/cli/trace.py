"""``graphpath trace``: the pathways of many images, as a directory of Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from graphpath.cli import arguments as a
from graphpath.cli import target as asked
from graphpath.cli.failures import guard
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say
from graphpath.cli.work import TracingInput, work_options
from graphpath.cli.work import describe_input as known
from graphpath.errors import MethodError
from graphpath.plugins import METHODS, find_owner, find_registered, format_owner

if TYPE_CHECKING:
    from graphpath.record import Trace

OWN = (
    "effective_path",
    "diffusion",
    "neuron_mct",
    "neuron_intgrad",
    "greedy",
    "dgr",
    "distilled",
    "lrp",
    "activation",
    "random",
    "channels",
)
"""The names of graphpath's own methods: help is shown where torch, which they need, is not installed."""
INTERRUPTED = "the finished parts are kept, and the same command goes on from there"


class Command(TyperCommand):
    """The verb, whose help ends with the names of the methods, those of other packages too."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.epilog = _list_names()
        super().format_help(ctx, formatter)


def _list_names() -> str:
    found = find_registered(METHODS)
    others = [
        f"{name} ({' and '.join(format_owner(find_owner(point)) for point in points)})"
        for name, points in found.items()
    ]
    return f"Methods: {', '.join(OWN)}" + (f"; of other packages: {', '.join(others)}" if others else "")


def _print_listing(wanted: bool) -> None:
    if wanted:
        guard(_list)()
        raise typer.Exit()


def _list() -> None:
    import pandas as pd

    from graphpath.cli.output import show_table
    from graphpath.tracing import METHODS

    rows = [
        {
            "method": name,
            "options": ", ".join(f"{option}={value!r}" for option, value in method.options.items()),
            "after": method.source,
            "package": "graphpath" if method.distribution is None else format_owner(method.distribution),
        }
        for name, method in METHODS.items()
    ]
    show_table(pd.DataFrame(rows))
    for sentence in METHODS.refused.values():
        say(sentence, err=True)


@work_options
def command(
    work: TracingInput,
    out: Annotated[Path, typer.Option("--out", help="The directory to write.")],
    method: Annotated[
        str, typer.Option("--method", help="How pathways are chosen; --methods lists them.")
    ] = "effective_path",
    theta: Annotated[
        float | None,
        typer.Option("--theta", callback=a.check_finite, help="Of effective_path: the share to reach."),
    ] = None,
    sparsity: Annotated[
        float | None,
        typer.Option("--sparsity", callback=a.check_finite, help="Of neuron methods: the share left out."),
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
    influence: Annotated[
        float | None,
        typer.Option(
            "--influence",
            callback=a.check_finite,
            help="Prune first: keep the neurons that hold this share of the influence on the target (0.8).",
        ),
    ] = None,
    edge_influence: Annotated[
        float | None,
        typer.Option(
            "--edge-influence",
            callback=a.check_finite,
            help="With --influence: the share that the edges among these keep (0.98).",
        ),
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option(
            "--floor",
            callback=a.check_finite,
            help="With --influence: the least edges of every layer (50), or, below 1, the least share of its "
            "influence.",
        ),
    ] = None,
    fitted_on: Annotated[
        Path | None,
        typer.Option("--fitted-on", help="A trace whose images the method learns from instead of these."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What the run is called, as --run of other verbs takes it.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Finish an interrupted trace in OUT.")
    ] = True,
    methods: Annotated[
        bool,
        typer.Option(
            "--methods",
            is_eager=True,
            callback=_print_listing,
            help="List the methods with their options, and end.",
        ),
    ] = False,
) -> None:
    """Trace the pathways of DATA's images through MODEL.

    Several processes share the work: torchrun --nproc-per-node 4 --no-python graphpath trace ...
    """
    from graphpath.tracing import Rank, trace

    speaks = Rank.here().first
    if speaks:
        a.check_fresh(out, resume)
    loaded, images = work.open()
    with show_bar("tracing", silent=not speaks, words=known(loaded, images)) as shown:
        traced = trace(
            loaded,
            images,
            method=method,
            target=asked.parse_target(target),
            routes=routes,
            seed=work.seed,
            max_edges=_parse_budget(max_edges),
            influence=influence,
            edge_influence=edge_influence,
            floor=floor,
            out=out,
            batch=work.batch,
            progress=shown,
            fitted_on=fitted_on,
            name=name,
            **_collect_options(theta, sparsity, option or []),
        )
    if speaks:
        _report(traced, out)


def _report(traced: Trace, out: Path) -> None:
    """Say what was recorded."""
    counts = traced.counts
    edges = counts["edges"] + counts.get("channels", 0)
    say(
        f"{out}: {counts['pathways']:,} pathways with {edges:,} edges and {counts['routes']:,} "
        f"routes, run {traced.id}, {traced.run.get('seconds', 0):.1f} s"
    )
    if (head := traced.run.get("head")) is not None:
        say(
            f"The network ends in a {str(head).strip('_')}: the logits before it are what is traced.",
            err=True,
        )
    if not traced.files("reach"):
        say(
            "Which edges the network can have is not recorded, for they are no union of few products: "
            "expected_J is null, and significance has nothing to shuffle within.",
            err=True,
        )
    if attention := traced.layers().to_table(columns=["kind"])["kind"].to_pylist().count("attention"):
        say(
            f"{attention} of its layers {'is' if attention == 1 else 'are'} attention, the pattern held: "
            "edges say where values go, nothing says why attention looks there.",
            err=True,
        )


def _collect_options(theta: float | None, sparsity: float | None, pairs: list[str]) -> dict[str, Any]:
    """The method's options that were given, by name."""
    given = {"theta": theta, "sparsity": sparsity}
    named = {name: a.parse_value(text) for name, text in a.parse_pairs(pairs, "--option").items()}
    return {name: value for name, value in given.items() if value is not None} | named


def _parse_budget(text: str) -> int | None:
    if text.lower() in ("all", "none"):
        return None
    if not asked.NUMBER.fullmatch(text):
        raise MethodError(f"--max-edges {text!r}: expected a number of edges, or all.")
    return int(text)
