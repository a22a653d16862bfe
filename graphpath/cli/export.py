"""``graphpath export``: a pathway of a trace as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphpath.cli.failures import guard
from graphpath.cli.say import say
from graphpath.errors import QueryParameterError

if TYPE_CHECKING:
    from graphpath.record import Trace

app = typer.Typer(
    name="export",
    help="Write a pathway of a trace as a file for other programs.",
    no_args_is_help=True,
)

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="A directory that graphpath trace or import wrote.")
]
Out = Annotated[Path, typer.Option("--out", help="The file to write.", show_default=False)]
PathwayId = Annotated[
    int | None,
    typer.Option("--pathway", help="The pathway's id, where the trace has several.", show_default=False),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only so many edges, the strongest.", show_default=False)
]


def graphml(directory: Directory, out: Out, pathway: PathwayId = None, limit: Limit = None) -> None:
    """GraphML, for Gephi, yEd, Cytoscape and networkx; gzipped where the name ends in .gz."""
    from graphpath.export import to_graphml, to_networkx
    from graphpath.record import Trace

    trace = Trace(directory)
    chosen = _choose_pathway(trace, pathway)
    graph = to_networkx(trace, chosen, limit=limit)
    to_graphml(graph, out)
    say(
        f"{out}: pathway {chosen} of {trace.id}, {len(graph):,} nodes, {graph.number_of_edges():,} edges"
        + _describe_cut(trace, chosen, limit)
    )


def neuronpedia(directory: Directory, out: Out, pathway: PathwayId = None, limit: Limit = None) -> None:
    """An attribution graph for the viewers of Neuronpedia and circuit-tracer."""
    from graphpath.export import to_neuronpedia
    from graphpath.record import Trace

    trace = Trace(directory)
    chosen = _choose_pathway(trace, pathway)
    to_neuronpedia(trace, chosen, out, limit=limit)
    say(f"{out}: pathway {chosen} of {trace.id}{_describe_cut(trace, chosen, limit)}")


def _describe_cut(trace: Trace, pathway: int, limit: int | None) -> str:
    """What ``limit`` left out of a pathway."""
    import pyarrow.compute as pc

    edges = trace.pathways().to_table(columns=["edges"], filter=pc.field("pathway") == pathway)["edges"]
    whole = int(edges[0].as_py())
    return f" (the {limit:,} strongest of {whole:,} edges)" if limit is not None and limit < whole else ""


def _choose_pathway(trace: Trace, asked: int | None) -> int:
    """The one that was asked for, else the trace's only one. Raises QueryParameterError."""
    if asked is not None:
        return asked
    first = trace.pathways().head(2, columns=["pathway"])["pathway"].to_pylist()
    if len(first) != 1:
        raise QueryParameterError(
            f"{trace.path} has {trace.counts['pathways']:,} pathways: say which one with --pathway "
            "(graphpath query pathways/of_run lists a run's)."
        )
    return int(first[0])


for verb in (graphml, neuronpedia):
    app.command(verb.__name__)(guard(verb))
