"""``graphpath delete``: a run out of a store."""

from __future__ import annotations

from typing import Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.say import say

INTERRUPTED = "the same command finishes the deletion"


def command(
    run: Annotated[str, typer.Argument(help="The run: latest, its name, or how its id begins.")],
    store: a.StoreUri,
    database: a.Database = None,
) -> None:
    """Delete a run and what only it brought; its trace on disk stays."""
    with a.open_store(store, database) as kept:
        found = str(a.find_run(kept, run, unfinished=True))
        kept.delete(found)
    say(f"run {found} deleted from {store}")
