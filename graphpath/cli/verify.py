"""``graphpath verify``: what a query found, ablated in the network and compared with chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli import arguments as a
from graphpath.cli import target as asked
from graphpath.cli.output import Output, format_cell, output_options
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say
from graphpath.cli.work import TracingInput, describe_input, work_options
from graphpath.errors import QueryParameterError

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.verifying import Verdict

INTERRUPTED = "no verdict was recorded"

By = Annotated[
    str | None,
    typer.Option("--by", help="sample: each image by its own rows; answer: every image by all rows."),
]
Layers = Annotated[str | None, typer.Option("--layers", help="Only these layers, by number or name: 2,3 ...")]


@work_options
@output_options
def command(
    work: TracingInput,
    store: a.StoreUri,
    name: Annotated[
        str | None, typer.Argument(help="A named query; graphpath query --list shows them.")
    ] = None,
    cypher: Annotated[
        str | None,
        typer.Option("--cypher", help="Cypher instead, that returns source and target, neuron, or map."),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the query.")
    ] = None,
    run: a.RunName = None,
    by: By = None,
    layers: Layers = None,
    mode: Annotated[str, typer.Option("--mode", help="remove the answer, or keep it alone.")] = "remove",
    baseline: Annotated[
        str, typer.Option("--baseline", help="What stands in: zero, mean or resample.")
    ] = "zero",
    target: Annotated[
        str, typer.Option("--target", help="Whose logit is watched: predicted, own, label, or a class.")
    ] = "predicted",
    measure: Annotated[
        str, typer.Option("--measure", help="What decides: logit, confidence, flipped or accuracy.")
    ] = "logit",
    draws: Annotated[int, typer.Option("--draws", min=1, help="Random sets of each control.")] = 20,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Keep the verdict in the store.")
    ] = True,
    database: a.Database = None,
    queries: a.Queries = None,
    *,
    output: Output,
) -> None:
    """Ablate what a query found, and say whether it matters more than chance.

    The network runs over DATA's images without what the query returned (or, --mode keep, with nothing else in
    those layers), and for comparison without random neurons or edges, as many in each layer.
    """
    from graphpath.verifying import verify

    parameters = _parse_parameters(param or [], name)
    if run is not None and "run" in parameters:
        raise QueryParameterError("--run and --param run=... both give the run; give one.")
    with a.open_store(store, database, queries=queries) as kept:
        if name is not None:
            parameters = a.with_runs(kept, parameters)
        if run is not None:
            parameters["run"] = a.find_run(kept, run)
        loaded, images = work.open()
        with show_bar("verifying", unit="passes", words=describe_input(loaded, images)) as shown:
            verdict = verify(
                loaded,
                images,
                store=kept,
                query=name,
                cypher=cypher,
                parameters=parameters,
                by=by,
                layers=None if layers is None else [layer.strip() for layer in layers.split(",")],
                mode=mode,
                baseline=baseline,
                target=_parse_class(target),
                measure=measure,
                draws=draws,
                seed=work.seed,
                batch=work.batch,
                record=record,
                progress=shown,
            )
    _show(verdict, output)


def _show(verdict: Verdict, output: Output) -> None:
    from graphpath.queries.limits import describe_cut

    if output.csv or output.json or output.parquet:
        output.show(verdict.table)
        if cut := describe_cut(verdict.table.attrs):
            say(f"{verdict.query}: {cut}", err=True)
        return
    output.show(_join_intervals(verdict.table))
    say(verdict.words)


def _join_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each interval in one column."""
    import pandas as pd

    def interval(low: str, high: str) -> list[str]:
        pairs = zip(table[low], table[high], strict=True)
        return [f"{format_cell(a)} to {format_cell(b)}" if a == a else "-" for a, b in pairs]

    return pd.DataFrame(
        {
            "set": table["set"],
            "measure": table["measure"],
            "size": table["size"],
            "change": table["change"],
            "95 %": interval("low", "high"),
            "p": table["p"],
            "more": table["more"],
            "95 % of more": interval("more_low", "more_high"),
        }
    )


def _parse_parameters(pairs: list[str], name: str | None) -> dict[str, Any]:
    """Texts for a named query, which knows its types; JSON values for Cypher."""
    named = a.parse_pairs(pairs, "--param")
    return dict(named) if name is not None else {key: a.parse_value(text) for key, text in named.items()}


def _parse_class(text: str) -> str | int:
    found = asked.parse_target(text)
    if not isinstance(found, str | int):
        raise QueryParameterError(
            f"--target {text!r}: verify watches a class; expected predicted, label, 3 ..."
        )
    return found
