"""The list of methods with their options in graphpath/tracing/README.md, from the methods' own docstrings.

python -m tests.methods    writes it between the marks; tests/test_methods.py compares
"""

from __future__ import annotations

import inspect
import re

import graphpath as gp
from tests.documents import CHECKOUT, write

DOCUMENT = CHECKOUT / "graphpath" / "tracing" / "README.md"
MARKS = ("<!-- methods -->\n", "<!-- end of methods -->")


def listed() -> str:
    """A paragraph a method, with a line for each of its options."""
    return "\n".join(_method(name) for name in gp.METHODS) + "\n"


def meanings(name: str) -> dict[str, str]:
    """What a method's docstring says of each of its options."""
    document = inspect.getdoc(gp.METHODS[name].select) or ""
    if "\nArgs:\n" not in document:
        return {}
    section = document.split("\nArgs:\n")[1].split("\n\n")[0]
    entries = re.split(r"\n    (?=\S)", "\n" + section)[1:]
    pairs = (_plain(entry).split(": ", 1) for entry in entries)
    return {option: meaning for names, meaning in pairs for option in names.split(", ")}


def _plain(text: str) -> str:
    """A docstring's passage in one line of Markdown."""
    return re.sub(r":\w+:`(\S+)`", r"`\1`", re.sub(r"\s+", " ", text).replace("``", "`"))


def _method(name: str) -> str:
    method = gp.METHODS[name]
    summary = _plain((inspect.getdoc(method.select) or "").split("\n\n")[0])
    told = meanings(name)
    lines = [f"- **`{name}`** ({method.source}). {summary}"]
    lines += [f"  - `{option}={default!r}`: {told[option]}" for option, default in method.options.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    write(listed(), DOCUMENT, MARKS)
