"""A drawing of the page as a document of its own, in the light colours."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.resources import files

from graphpath.printable import printable


def make_standalone(drawing: str, about: str = "") -> str:
    """``drawing`` with its name space, its style sheet and, as its description, what it is ``about``."""
    start, rest = drawing.split(">", maxsplit=1)
    description = f"<desc>{escape(about, quote=False)}</desc>" if about else ""
    made = f'{start} xmlns="http://www.w3.org/2000/svg"><style>{read_style()}</style>{description}{rest}'
    return printable(made, lines=True)  # XML knows no control characters


@cache
def read_style() -> str:
    """The rules that drawings need, light colours written out: only browsers know variables of CSS."""
    light, _ = _read_template("colours.css").split("@media", maxsplit=1)
    colours = dict(re.findall(r"(--[\w-]+): ([^;]+);", light))
    return re.sub(r"var\((--[\w-]+)\)", lambda found: colours[found[1]], _read_template("drawing.css"))


def _read_template(name: str) -> str:
    return files("graphpath.report").joinpath("templates", name).read_text(encoding="utf-8")
