"""Named queries from a folder of the user's, beside those that graphpath ships.

The folder is laid out as ``cypher/`` is: ``TOPIC/NAME.cypher``, and ``TOPIC/ENGINE/NAME.cypher`` where an
engine needs a text of its own. A file passes the same checks of header and dialect as a shipped one. Its text
must also be one that :meth:`Store.cypher` would take: it asks the graph, and reaches no file or network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from graphpath.errors import QueryFailed, QueryFileError, QueryParameterError
from graphpath.queries import text
from graphpath.queries.admission import admit
from graphpath.queries.files import DIALECTS, Query, catalogue, read_folder
from graphpath.queries.header import Guard


def with_folder(folder: str | Path | None) -> Mapping[str, Query]:
    """The queries of ``folder``, by name, and then the shipped ones; these alone where it is None.

    Raises:
        QueryFileError: there is no such folder, or it holds no query; a file is malformed, has the name of a
            shipped query, or holds what a query may not. The file and its line are named.
    """
    if folder is None:
        return catalogue()
    folder = Path(folder)
    if not folder.is_dir():
        raise QueryFileError(f"There is no folder of queries {folder}; expected one of TOPIC/NAME.cypher.")
    found = read_folder(folder)
    if not found:
        raise QueryFileError(f"{folder} holds no query; expected files TOPIC/NAME.cypher.")
    known = {**found, **catalogue()}
    for query in found.values():
        _check_name(query)
        _check_guards(query, known)
        _check_texts(query)
    return MappingProxyType(known)


def _check_name(query: Query) -> None:
    shipped = next((name for name in catalogue() if name.lower() == query.name.lower()), None)
    if shipped is not None:
        raise QueryFileError(
            f"{query.path}:1: graphpath has a query {shipped} itself; give this one another topic or name."
        )


def _check_guards(query: Query, known: Mapping[str, Query]) -> None:
    for guard in query.guards:
        if fault := _find_fault(guard, query, known):
            raise QueryFileError(f"{query.path}:{_find_line(query, guard)}: the guard {fault}.")


def _find_fault(guard: Guard, query: Query, known: Mapping[str, Query]) -> str:
    """What is wrong with a guard; empty where nothing is."""
    asked = known.get(guard.query)
    if asked is None:
        return f"asks {guard.query}, and there is no such query"
    if guard.column not in asked.returns:
        return f"reads {guard.column}, which {guard.query} does not return: {', '.join(asked.returns)}"
    if missing := asked.parameters.keys() - query.parameters.keys():
        return f"asks {guard.query}, whose parameters this query lacks: {', '.join(sorted(missing))}"
    return ""


def _find_line(query: Query, guard: Guard) -> int:
    begins = f"// guard {guard.query}.{guard.column}"
    lines = query.text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(begins)), 1)


def _check_texts(query: Query) -> None:
    for dialect in ("neo4j",) if query.needs_gds else DIALECTS:
        content = query.text_for(dialect)
        try:
            admit(content, dialect, text.find_parameters(content))
        except (QueryFailed, QueryParameterError) as error:
            raise QueryFileError(f"{query.path}: {error}") from error
