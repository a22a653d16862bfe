"""``graphpath neo4j``: a real Neo4j server on this machine, and Neo4j Browser with a named query."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.failures import guard
from graphpath.cli.say import say
from graphpath.errors import QueryParameterError, ServerError

if TYPE_CHECKING:
    from graphpath.server import Server, Status

INTERRUPTED = "nothing was left running"
app = typer.Typer(
    name="neo4j",
    help="Run a real Neo4j server on loopback, and look at pathways in Neo4j Browser.",
    no_args_is_help=True,
)

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="The server's folder [default: $GRAPHPATH_NEO4J_HOME, or in the user's data folder]",
        show_default=False,
    ),
]


def start(
    home: Home = None,
    bolt_port: Annotated[int, typer.Option("--bolt-port", min=0, max=65535, help="0 = any free one.")] = 7687,
    http_port: Annotated[int, typer.Option("--http-port", min=0, max=65535, help="0 = any free one.")] = 7474,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory", help="Of heap and page cache together: 768m, 2g; by default by what is free."
        ),
    ] = None,
    gds: Annotated[
        bool, typer.Option("--gds", help="With OpenGDS (about 30 MB more), for the queries gds/*.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, callback=a.check_finite, help="Seconds that it may take.")
    ] = 180,
) -> None:
    """Start the server, fetching it the first time, and wait until it answers."""
    from graphpath.server import Server

    server = Server(
        home,
        bolt_port=bolt_port,
        http_port=http_port,
        memory=memory,
        gds=gds,
        timeout=timeout,
        say=lambda text: say(text, err=True),
    )
    try:
        _show(server, server.start())
    except ServerError as error:
        if error.log:
            say(error.log, err=True)
        raise


def stop(
    home: Home = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, callback=a.check_finite, help="Seconds before it is killed.")
    ] = 60,
) -> None:
    """Stop the server; its data stay."""
    from graphpath.server import Server

    server = Server(home, say=lambda text: say(text, err=True))
    say("stopped" if server.stop(timeout) else f"no server runs in {server.home}")


def status(
    home: Home = None,
    password: Annotated[
        bool, typer.Option("--password", help="Print the password of user neo4j, and nothing else.")
    ] = False,
) -> None:
    """Say whether the server runs, and where; exit status 1 when it does not answer."""
    from graphpath.server import Server

    server = Server(home)
    if password:
        say(server.password)
        return
    found = server.status()
    _show(server, found)
    if not found.answers:
        raise typer.Exit(1)


def browser(
    name: Annotated[str | None, typer.Argument(help="A named query, best one of browse/*.")] = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="NAME=VALUE; may be repeated.")] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Another server's bolt:// or neo4j:// URI.", show_default=False),
    ] = None,
    web: Annotated[
        str | None, typer.Option("--web", help="Where that server's Browser is.", show_default=False)
    ] = None,
    database: a.Database = None,
    queries: a.Queries = None,
    home: Home = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Write style, saved queries and guide into this folder instead."),
    ] = None,
    show: Annotated[bool, typer.Option("--open/--print", help="Open it, or only print the address.")] = True,
) -> None:
    """Open Neo4j Browser with a named query filled in."""
    from graphpath.queries import with_folder
    from graphpath.server.browser import build_address, export_kit, query_text

    if export is not None:
        for path in export_kit(export, with_folder(queries)):
            say(path)
        return
    if param and name is None:
        raise QueryParameterError(
            "--param belongs to a named query: graphpath neo4j browser NAME --param ..."
        )
    text = None if name is None else query_text(name, with_folder(queries), **_parse_values(param))
    uri, page = _find_addresses(home, store, web)
    url = build_address(uri, page, text, database=database or "neo4j")
    say(url)
    if show and not webbrowser.open(url):
        say("No web browser could be opened here: open the address above yourself.", err=True)


def _parse_values(pairs: list[str] | None) -> dict[str, str]:
    return a.parse_pairs(pairs or [], "--param")


def _find_addresses(home: Path | None, store: str | None, web: str | None) -> tuple[str, str]:
    if store is not None:
        if web is None:
            raise ServerError("With --store also say where its Neo4j Browser is, as --web http://HOST:7474.")
        return store, web
    from graphpath.server import Server

    server = Server(home)
    return server.uri, web or server.browser


def _show(server: Server, found: Status) -> None:
    if not found.running:
        ended = "it ended without being stopped; starting it again recovers its data" if found.crashed else ""
        say(f"not running ({ended or f'home {server.home}'})")
        return
    state = "running" if found.answers else "running, does not answer"
    lines = {
        "neo4j": f"{found.version}{' with OpenGDS' if found.gds else ''}, {state} (process {found.pid})",
        "browser": found.web,
        "store": found.uri,
        "user": "neo4j",
        "password": f"in {server.password_file} (graphpath neo4j status --password prints it)",
        "home": str(server.home),
    }
    for label, text in lines.items():
        say(f"{label:<9} {text}")


for verb in (start, stop, status, browser):
    app.command(verb.__name__)(guard(verb))
