"""graphpath/tracing/README.md lists every method with its options, each explained where it is defined."""

from __future__ import annotations

import re

import pytest

import graphpath as gp
from tests import methods
from tests.samples import shown


def test_the_document_lists_the_methods() -> None:
    assert shown(methods.DOCUMENT, methods.MARKS) == methods.listed(), "run python -m tests.methods"


@pytest.mark.parametrize("name", sorted(gp.METHODS))
def test_every_option_is_explained(name: str) -> None:
    assert list(methods.meanings(name)) == list(gp.METHODS[name].options)


def test_every_method_stands_in_the_table_with_its_options() -> None:
    section = methods.DOCUMENT.read_text(encoding="utf-8").split("\n## Methods\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    options = {name: named(row[3]) for row in rows for name in named(row[0])}
    assert options == {name: list(method.options) for name, method in gp.METHODS.items()}


def named(cell: str) -> list[str]:
    """The names in a cell of a table."""
    return re.findall(r"`(\w+)`", cell)
