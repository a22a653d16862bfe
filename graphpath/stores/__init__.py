"""Graph stores: indexes over traces that answer Cypher."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.extras import needs_extra
from graphpath.stores.base import LoadReport, Store
from graphpath.stores.categories import Scheme

if TYPE_CHECKING:
    from graphpath.queries import Query

__all__ = ["LoadReport", "Scheme", "Store", "open_store"]


def open_store(
    uri: str | Path, *, rebuild: bool = False, queries: str | Path | None = None, **options: Any
) -> Store:
    """The store at ``uri``: a path is an embedded one, made by its first load.

    Args:
        uri: a path, or the ``neo4j://`` or ``bolt://`` address of a server.
        rebuild: make an embedded file anew from the traces of its runs, as after an upgrade.
        queries: a folder of named queries of one's own, ``TOPIC/NAME.cypher``, to be asked as the shipped
            ones are.
        options: of :class:`~graphpath.stores.ladybug.LadybugStore` (``buffer_bytes``, ``memory_bytes``) or
            :class:`~graphpath.stores.neo4j.Neo4jStore` (``user``, ``password``, ``database``, ...).

    Raises:
        StoreUnavailable: it cannot be opened, or another version made it.
        QueryFileError: a query of the folder is malformed, or has the name of a shipped one.
        MissingExtra: the engine is not part of this installation.
    """
    known = None if queries is None else _read_folder(queries)
    store = _open(uri, rebuild, options)
    if known is not None:
        store.queries = known
    return store


def _read_folder(folder: str | Path) -> Mapping[str, Query]:
    from graphpath.queries import with_folder

    return with_folder(folder)


def _open(uri: str | Path, rebuild: bool, options: dict[str, Any]) -> Store:
    if "://" in str(uri):
        return _open_server(str(uri), **options)
    from graphpath.stores.ladybug import LadybugStore

    store = LadybugStore(uri, **options)
    if rebuild and store.exists():
        store.rebuild()
    store.check()
    return store


def _open_server(uri: str, **options: Any) -> Store:
    with needs_extra(f"A store on a server ({uri})"):
        from graphpath.stores.neo4j import Neo4jStore
    store = Neo4jStore(uri, **options)
    try:
        store.check()
    except BaseException:
        store.close()
        raise
    return store
