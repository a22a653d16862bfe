"""``graphpath runs``: what a store holds."""

from __future__ import annotations

from graphpath.cli import arguments as a
from graphpath.cli.output import Output, output_options

SHOWN = ["run", "method", "model", "samples", "pathways", "edges", "routes", "complete"]
"""What a table shows; the other formats have every column."""


@output_options
def command(store: a.StoreUri, database: a.Database = None, *, output: Output) -> None:
    """List the runs of a store."""
    with a.open_store(store, database) as kept:
        output.show(kept.runs(), columns=SHOWN)
