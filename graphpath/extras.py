"""The optional parts of graphpath: which extra brings which module, and the error where one is missing."""

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
    "neo4j_viz": "viz-gpl",
    "timm": "timm",
}
"""Modules that come with an extra of graphpath."""
LICENCES: Final = {"viz-gpl": "GPL-3.0-only"}
"""Of the extras whose modules restrict more than graphpath's own licence, Apache-2.0; none is in ``all``."""


@contextmanager
def needs_extra(who: str, extra: str | None = None) -> Iterator[None]:
    """Raise a module that the block misses and that an extra brings as MissingExtra.

    ``who`` begins the sentence; ``extra`` is the one to install where several bring the module.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (explained := explain_missing(error, who, extra)) is None:
            raise
        raise explained from error


def explain_missing(error: ModuleNotFoundError, who: str, extra: str | None = None) -> MissingExtra | None:
    """What to install for the module that ``error`` names; None where no extra brings it."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    extra = extra or EXTRAS[module]
    licence = f" ({module} is {LICENCES[extra]}, graphpath Apache-2.0)" if extra in LICENCES else ""
    return MissingExtra(
        f"{who} needs {module}, which is not installed: pip install 'graphpath[{extra}]'{licence}.",
        name=module,
    )
