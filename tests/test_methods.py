"""graphpath/tracing/README.md lists every method with its options, each explained where it is defined."""

from __future__ import annotations

import re
from typing import Any

import pytest

import graphpath as gp
from tests import methods
from tests.documents import shown


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


def test_the_example_of_a_package_of_its_own_selects() -> None:
    """Half of the neurons of a small network, the loudest."""
    from tests.tracing import harness, nets

    [example] = re.findall(
        r"```python\n(.*?)```", methods.DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(example, names)
    model, shape = nets.made("plain")
    batch, _ = harness.held(model, nets.images(shape, 2, seed=1))
    assert names["METHOD"].options == {"sparsity": 0.9}
    selection = names["METHOD"].select(batch, sparsity=0.5)
    assert sum(len(block) for block in selection.blocks) > 0
    assert float((selection.sparsity - 0.5).abs().max()) < 0.2
