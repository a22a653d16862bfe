"""Graph stores: indexes over traces that answer Cypher (DESIGN §6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphpath.errors import MissingExtra
from graphpath.stores.base import LoadReport, Store

__all__ = ["LoadReport", "Store", "open_store"]

SERVERS = ("neo4j://", "neo4j+s://", "neo4j+ssc://", "bolt://", "bolt+s://", "bolt+ssc://")


def open_store(uri: str | Path, *, rebuild: bool = False, **options: Any) -> Store:
    """The store at ``uri``: a path is an embedded one, made by its first load.

    Args:
        uri: a path, or the ``neo4j://`` or ``bolt://`` address of a server.
        rebuild: make an embedded file anew from the traces of its runs, as after an upgrade.
        options: ``buffer_bytes`` and ``memory_bytes`` of :class:`~graphpath.stores.ladybug.LadybugStore`.

    Raises:
        StoreUnavailable: it cannot be opened, or another version made it.
        MissingExtra: the engine is not part of this installation.
    """
    if str(uri).startswith(SERVERS):
        raise MissingExtra(
            f"{uri} is a Neo4j server, which this version of graphpath does not speak to yet: give the path "
            "of an embedded store, such as pathways.lbdb."
        )
    from graphpath.stores.ladybug import LadybugStore

    store = LadybugStore(uri, **options)
    if rebuild and store.path.exists():
        store.rebuild()
    store.check()
    return store
