"""``graphpath query``: a named query, its parameters by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli import arguments as a
from graphpath.cli.chance import NullOptions, chance_options
from graphpath.cli.output import Output, output_options
from graphpath.cli.say import say
from graphpath.errors import QueryFileError, QueryParameterError

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""A query's own parameters are options too: --min-categories 3."""


@output_options
@chance_options
def command(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="TOPIC/NAME; --list shows them all.")] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="A path (embedded engine), or neo4j://... or bolt://...")
    ] = None,
    database: a.Database = None,
    queries: a.Queries = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter; --NAME VALUE will do."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the Cypher instead of running it.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="Show every named query with what it answers.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", help="How long it may take (600 unless given)."),
    ] = None,
    *,
    chance: NullOptions,
    output: Output,
) -> None:
    """Ask a named query of a store. Lists are comma-separated: --layers 2,3."""
    if listed:
        output.show(_list_queries(name, queries))
        return
    if name is None:
        raise QueryFileError("Which query? graphpath query --list shows them all.")
    parameters = a.parse_pairs(param or [], "--param") | parse_extra(context.args)
    if explain:
        say(_format_cypher(name, parameters, store, database, queries))
        return
    if store is None:
        raise QueryParameterError(f"Of which store is {name} asked? Add --store URI.")
    limit: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    with a.open_store(store, database, queries=queries) as kept:
        from graphpath.queries import find

        found = find(name, kept.queries)
        if "node" in found.returns.values():
            from graphpath.export import to_frame

            graph = kept.graph(found.name, **parameters, **limit)
            answer = to_frame(graph)
            answer.attrs.update(graph.graph)
        else:
            answer = chance.ask_table(kept, found.name, parameters, **limit)
    output.show_answer(found.name, answer)


def parse_extra(words: list[str]) -> dict[str, str]:
    """``--min-categories 3 --with-ends --k=5`` as named texts; a flag without a value is true."""
    found: dict[str, str] = {}
    waiting: str | None = None
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = value if equals else "true"
            waiting = None if equals else name
        elif waiting is not None:
            found[waiting], waiting = word, None
        else:
            raise QueryParameterError(
                f"{word!r} belongs to no option; write --NAME VALUE or --param NAME=VALUE."
            )
    return found


def _list_queries(topic: str | None, queries: Path | None) -> pd.DataFrame:
    import pandas as pd

    from graphpath.queries import with_folder

    rows = [
        {
            "query": query.name,
            "answers": query.title,
            "parameters": ", ".join(map(str, query.parameters.values())),
        }
        for query in with_folder(queries).values()
        if topic is None or query.name.startswith(topic.strip("/"))
    ]
    return pd.DataFrame(rows, columns=["query", "answers", "parameters"])


def _format_cypher(
    name: str, parameters: dict[str, str], store: str | None, database: str | None, queries: Path | None
) -> str:
    """For the engine of ``store``, or for the embedded one."""
    from graphpath.queries import cypher, with_folder

    if store is None:
        return cypher(name, "ladybug", with_folder(queries), **parameters)
    with a.open_store(store, database, queries=queries) as kept:
        return kept.explain(name, **parameters)
