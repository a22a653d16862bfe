"""``graphpath import``: published graphs as traces, and into a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.failures import guard
from graphpath.cli.load import load_into
from graphpath.cli.say import say

if TYPE_CHECKING:
    from graphpath.record import Trace

INTERRUPTED = "nothing half imported is left, and the same command imports it"
app = typer.Typer(
    name="import",
    help="Take in graphs that others have published, to be loaded and queried like one's own.",
    no_args_is_help=True,
)

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Load it here too: a path (embedded engine), or neo4j://... or bolt://...",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="The trace's directory [default: named after the run]", show_default=False),
]
Names = Annotated[
    Path | None,
    typer.Option(
        "--names", help="The classes' names: one a line, JSON by number, or CSV with a column name."
    ),
]


def summit(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="ag-N.json files, folders or tars of them.")
    ],
    store: Store = None,
    out: Out = None,
    names: Names = None,
    database: a.Database = None,
) -> None:
    """Summit's class attribution graphs: a class each, of feature maps."""
    from graphpath.imports import import_summit

    _report_trace(import_summit(files, out=out, names=names), store, database)


def neuronpedia(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="JSON files, folders or tars of them.")
    ],
    store: Store = None,
    out: Out = None,
    database: a.Database = None,
) -> None:
    """Attribution graphs of Neuronpedia or circuit-tracer: a prompt each, of features at positions."""
    from graphpath.imports import import_neuronpedia

    _report_trace(import_neuronpedia(files, out=out), store, database)


def edges(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Edge lists in CSV, JSON lines or Parquet, or folders of them; packed or not.",
        ),
    ],
    mapping: Annotated[
        Path,
        typer.Option("--mapping", help="TOML or JSON that says which column is what.", show_default=False),
    ],
    store: Store = None,
    out: Out = None,
    database: a.Database = None,
) -> None:
    """A plain edge list: one row an edge, from a layer's channel to a later layer's."""
    from graphpath.imports import import_edges

    _report_trace(import_edges(files, mapping, out=out), store, database)


def _report_trace(trace: Trace, store: str | None, database: str | None) -> None:
    """Say what was recorded where, and load it into the store, if there is one."""
    graphs, nodes, edges = (trace.counts[name] for name in ("pathways", "visits", "edges"))
    say(
        f"{trace.path}: {graphs:,} graph{'s' * (graphs != 1)} of {nodes:,} nodes and {edges:,} "
        f"edge{'s' * (edges != 1)} as the trace {trace.id}"
    )
    for note in trace.run["imported"].get("read", ()):
        say(note)
    if least := trace.run.get("min_support"):
        say(f"min_support is {least} where it is not asked for: support counts the graphs that have an edge.")
    if store is None:
        say(f"graphpath load {trace.path} --store URI loads it.")
        return
    with a.open_store(store, database, existing=False) as kept:
        load_into(kept, trace)


for verb in (summit, neuronpedia, edges):
    app.command(verb.__name__)(guard(verb))
