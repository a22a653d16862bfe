"""The files for Neo4j Browser, also one on another machine: style, saved queries, guide."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from graphpath.errors import ServerError
from graphpath.queries import Query, catalogue
from graphpath.server.style import grass

ARCHIVE: Final = "queries.zip"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest date that a zip archive knows: the same queries make the same file."""


def export_kit(folder: Path, known: Mapping[str, Query] | None = None) -> list[Path]:
    """Writes ``graphpath.grass``, ``queries.zip``, ``guide.md`` and ``queries/TOPIC/NAME.cypher``.

    Browser takes one file at a time: the archive brings all queries at once, each in the folder
    ``graphpath TOPIC`` of its favourites, by its title. The queries are ``known``, by default the shipped.

    Returns: the paths, in order.

    Raises:
        ServerError: a file cannot be written.
    """
    queries = (catalogue() if known is None else known).values()
    contents = {
        "graphpath.grass": grass().encode(),
        ARCHIVE: build_archive(known),
        "guide.md": read_guide().encode(),
    }
    contents |= {f"queries/{query.name}.cypher": format_favourite(query).encode() for query in queries}
    written = []
    for name, content in contents.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise ServerError(f"{path} cannot be written ({error.strerror}); give another folder.") from error
        written.append(path)
    return written


def build_archive(known: Mapping[str, Query] | None = None) -> bytes:
    """All queries as the zip archive from which Browser makes favourites in folders."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for query in (catalogue() if known is None else known).values():
            entry = zipfile.ZipInfo(f"graphpath {query.name}.cypher", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, format_favourite(query))
    return buffer.getvalue()


def read_guide() -> str:
    """How to look at pathways in Neo4j Browser."""
    return files("graphpath.server.browser").joinpath("guide.md").read_text(encoding="utf-8")


def format_favourite(query: Query) -> str:
    """The query as Browser keeps it among its favourites: its first comment is its name there."""
    return query.text_for("neo4j")
