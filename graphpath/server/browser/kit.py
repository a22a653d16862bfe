"""The files for Neo4j Browser, also one on another machine: style, saved queries, guide."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from graphpath.errors import ServerError
from graphpath.queries import Query, catalogue
from graphpath.server.style import grass


def export_kit(folder: Path) -> list[Path]:
    """Writes ``graphpath.grass``, ``guide.md`` and ``queries/TOPIC/NAME.cypher`` into ``folder``.

    Returns: the paths, in order.

    Raises:
        ServerError: a file cannot be written.
    """
    contents = {"graphpath.grass": grass(), "guide.md": guide()}
    contents |= {f"queries/{query.name}.cypher": saved(query) for query in catalogue().values()}
    written = []
    for name, text in contents.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ServerError(f"{path} cannot be written ({error.strerror}); give another folder.") from error
        written.append(path)
    return written


def guide() -> str:
    """How to look at pathways in Neo4j Browser."""
    return files("graphpath.server.browser").joinpath("guide.md").read_text(encoding="utf-8")


def saved(query: Query) -> str:
    """The query as Browser keeps it among its favourites: its first comment is its name there."""
    return query.text_for("neo4j")
