"""The tree of errors in the docstring is the tree of classes, and every one is raised somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from graphpath import errors
from graphpath.errors import GraphpathError


def drawn() -> dict[str, str]:
    """Class to base, as the docstring's tree says."""
    found, stack = {}, []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│├└─ ]*)(\w+)", line)
        if match is None or not hasattr(errors, match[2]):
            continue
        depth = len(match[1]) // 4
        stack[depth:] = [match[2]]
        found[match[2]] = stack[depth - 1] if depth else "Exception"
    return found


def classes() -> dict[str, str]:
    """Class to base, as they are."""
    return {
        name: value.__bases__[0].__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, GraphpathError)
    }


def test_the_docstring_draws_the_classes() -> None:
    assert drawn() == classes()


def test_every_error_has_a_docstring_and_is_raised_somewhere() -> None:
    package = Path(errors.__file__).parent
    text = "\n".join(path.read_text() for path in package.rglob("*.py") if path.name != "errors.py")
    for name, base in classes().items():
        assert getattr(errors, name).__doc__
        used = re.search(rf"\b{name}\(", text) or name in classes().values()
        assert used, f"{name} ({base}) is never raised"
