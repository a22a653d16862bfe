"""The address at which Neo4j Browser opens with a query in its editor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from graphpath.errors import QueryParameterError, ServerError
from graphpath.queries import Query, find, text
from graphpath.queries.parameters import Value, bind, format_params_line, to_literal
from graphpath.queries.units import take_unit

_PARAMETER: Final = re.compile(r"\$(\w+)")
SCHEMES: Final = ("bolt", "bolt+s", "neo4j", "neo4j+s")


def query_text(name: str, known: Mapping[str, Query] | None = None, /, **parameters: object) -> str:
    """The named query with ``parameters`` written into it, ready to run with one click.

    Browser draws a graph only for a single statement, so a ``:params`` command cannot stand before the
    query: the values stand in the query itself, and the ``:params`` line with them in its comments. The query
    is one of ``known``, by default of the shipped ones.

    Raises:
        QueryFileError: there is no such query.
        QueryParameterError: a parameter is unknown, missing or of another type.
    """
    found = find(name, known)
    unit, values = take_unit(found.parameters, bind(found.name, found.parameters, parameters))
    comment = f"// {found.title}\n// {format_params_line(values)}\n"
    body = "\n".join(line for line in found.text_for("neo4j", unit).splitlines() if not line.startswith("//"))
    return comment + _inline_values(body.strip(), values)


def build_address(store: str, page: str, query: str | None = None, database: str = "neo4j") -> str:
    """The address of Neo4j Browser that connects to ``store`` and shows ``query`` in the editor.

    Args:
        store: ``bolt://HOST:PORT`` or ``neo4j://HOST:PORT``, also with ``+s``; without a password.
        page: where Browser is, such as ``http://127.0.0.1:7474/browser/``.

    Raises:
        ServerError: either is no such address, or holds a password.
    """
    parts = urlsplit(store)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ServerError(f"{store} is no address of a Neo4j server: write bolt://HOST:PORT.")
    if parts.password or "@" in page:
        raise ServerError("An address that Browser opens must hold no password: Browser asks for it.")
    if urlsplit(page).scheme not in ("http", "https"):
        raise ServerError(f"{page} is no address of Neo4j Browser: write http://HOST:7474/browser/.")
    root = page if page.rstrip("/").endswith("/browser") else f"{page.rstrip('/')}/browser/"
    host = parts.netloc.rpartition("@")[2]
    wanted = {"dbms": f"{parts.scheme}://{parts.username or 'neo4j'}@{host}", "db": database}
    if query is not None:
        wanted |= {"cmd": "edit", "arg": query}
    # Browser takes a plus sign for itself, not for a space: every space as %20.
    return f"{root}?{urlencode(wanted, quote_via=quote, safe='')}"


def _inline_values(body: str, values: dict[str, Value]) -> str:
    pieces, at = [], 0
    for used in _PARAMETER.finditer(text.blank_out(body)):
        pieces += [body[at : used.start()], _format_literal(used[1], values[used[1]])]
        at = used.end()
    return "".join((*pieces, body[at:]))


def _format_literal(name: str, value: Value) -> str:
    written = to_literal(value)
    if "\\u" in written:
        # Neo4j reads \uXXXX anywhere before it reads strings.
        raise QueryParameterError(
            f"Parameter {name} holds a control character or \\u, which Neo4j Browser cannot take."
        )
    return written
