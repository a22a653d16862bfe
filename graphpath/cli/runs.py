"""``graphpath runs``: what a store holds."""

from __future__ import annotations

from graphpath.cli import arguments as a
from graphpath.cli.output import Output, output_options
from graphpath.naming import shorten_ids

SHOWN = ["run", "name", "method", "model", "samples", "pathways", "edges", "routes", "complete"]
"""What a table shows, ids as short as ``--run`` takes them. The other formats have every column, whole."""


@output_options
def command(store: a.StoreUri, database: a.Database = None, *, output: Output) -> None:
    """List the runs of a store."""
    with a.open_store(store, database) as kept:
        found = kept.runs()
    if output.is_table:
        short = shorten_ids(found.run)
        found["run"] = [short[run] for run in found.run]
    some = [name for name in SHOWN if name != "name" or found.name.notna().any()]
    output.show(found, columns=some)
