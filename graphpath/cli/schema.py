"""``graphpath schema``: the labels, relationship types and properties of a store's graph."""

from __future__ import annotations

from graphpath.cli import arguments as a
from graphpath.cli.output import Output, output_options


@output_options
def command(store: a.StoreUri, database: a.Database = None, *, output: Output) -> None:
    """Show the graph's labels, relationship types and properties."""
    with a.open_store(store, database) as kept:
        output.show(kept.schema())
