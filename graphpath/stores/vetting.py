"""Whether a file is a store that can be read: looked at before the engine opens it, and after."""

from __future__ import annotations

from pathlib import Path

from graphpath.errors import StoreError, StoreUnavailable
from graphpath.schema import SCHEMA_VERSION, SINCE
from graphpath.stores import seal
from graphpath.stores.engine import VERSION, LadybugSession
from graphpath.stores.location import check_no_log

META = "MATCH (m:GraphpathMeta) RETURN m.schema AS schema, m.engine AS engine"


def check_file(path: Path) -> None:
    """Refuse a damaged file, and one that another program has begun to change. Raises StoreUnavailable."""
    check_no_log(path)
    try:
        seal.check(path)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be opened as an embedded store: {error.strerror}.") from error


def check_content(session: LadybugSession, path: Path) -> None:
    """Refuse what another version of the schema or the engine made. Raises StoreUnavailable."""
    try:
        rows = session.execute(META).to_pylist()
    except StoreError as error:
        raise StoreUnavailable(f"{path} is a LadybugDB file, but no graphpath store.") from error
    found = rows[0] if rows else {"schema": "none", "engine": "unknown"}
    if (found["schema"], found["engine"]) != (SCHEMA_VERSION, f"ladybug {VERSION}"):
        raise StoreUnavailable(
            f"{path} was made with schema {found['schema']!r} by {found['engine']}; this is schema "
            f"{SCHEMA_VERSION!r} and ladybug {VERSION} ({SINCE}). Rebuild it from its traces "
            f"(graphpath.open({str(path)!r}, rebuild=True)), or load them into a new file."
        )
