"""The optional parts of graphpath: which extra brings which module, told where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from graphpath.errors import MissingExtra

EXTRAS: Final = {
    "torch": "trace",
    "torchvision": "trace",
    "captum": "trace",
    "sklearn": "trace",
    "jinja2": "report",
    "PIL": "report",
    "scipy": "report",
    "neo4j": "neo4j",
    "py2neo": "py2neo",
    "neo4j_viz": "viz",
}
"""Modules that come with an extra of graphpath."""


@contextmanager
def needed_by(who: str, extra: str | None = None) -> Iterator[None]:
    """Raise a module that the block misses and that an extra brings as MissingExtra.

    ``who`` begins the sentence; ``extra`` is the one to install where several bring the module.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (told := missing(error, who, extra)) is None:
            raise
        raise told from error


def missing(error: ModuleNotFoundError, who: str, extra: str | None = None) -> MissingExtra | None:
    """What to install for the module that ``error`` names; None where no extra brings it."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return MissingExtra(
        f"{who} needs {module}, which is not installed: pip install 'graphpath[{extra or EXTRAS[module]}]'."
    )
