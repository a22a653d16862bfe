"""``graphpath categories``: schemes of categories in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.failures import guard
from graphpath.cli.load import say_categories
from graphpath.cli.output import Output, output_options
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say

INTERRUPTED = "the same command goes on"

app = typer.Typer(
    name="categories",
    help="Put classes into categories of one's own: which of a thousand classes are dogs.",
    no_args_is_help=True,
)


def add(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV that says which class (name, wnid, label or index) is of which category.",
        ),
    ],
    scheme: Annotated[str, typer.Option("--scheme", help="What the scheme is called: coarse, ...")],
    store: a.StoreUri,
    database: a.Database = None,
    column: a.CategoryColumn = None,
) -> None:
    """Add a scheme of categories to the runs of a store, with its class pathways."""
    from graphpath.record import Trace
    from graphpath.stores.categories import Scheme

    wanted = Scheme.read(file, scheme, column)
    with a.open_store(store, database) as kept:
        with show_bar("loading", unit="steps") as shown:
            done = kept.add_categories(wanted, progress=shown)
        paths = dict(kept.runs().set_index("run").path)
        concerned = [report for report in done if not report.left_out]
        say_categories(kept, [Trace(paths[report.run]) for report in concerned], wanted)
        anew = [report for report in done if report.loaded]
    for report in done:
        if report.left_out:
            say(f"Run {report.run} was left out. {report.left_out}", err=True)
    if not anew:
        say(f"{store} had these categories already")
        return
    runs, have = ("1 run", "has") if len(anew) == 1 else (f"{len(anew)} runs", "have")
    say(f"{runs} of {store} {have} class pathways of scheme {scheme} now")


def remove(
    scheme: Annotated[str, typer.Argument(metavar="SCHEME", help="Which: see graphpath categories list.")],
    store: a.StoreUri,
    database: a.Database = None,
) -> None:
    """Remove a scheme of categories from a store, with its class pathways; runs stay."""
    with a.open_store(store, database) as kept:
        kept.remove_categories(scheme)
    say(f"removed scheme {scheme} from {store}")


@output_options
def show(store: a.StoreUri, database: a.Database = None, *, output: Output) -> None:
    """List a store's schemes: their categories, how many classes and class pathways each has."""
    with a.open_store(store, database) as kept:
        found = kept.query("categories/schemes")
    if output.is_table and found.empty:
        say(f"{store} has no categories but its classes; graphpath categories add makes some.")
        return
    output.show(found)


app.command("add")(guard(add))
app.command("remove")(guard(remove))
app.command("list")(guard(show))
