"""The README lists every method with its options, each explained where it is defined."""

from __future__ import annotations

import pytest

import graphpath as gp
from tests import methods
from tests.samples import shown


def test_the_readme_lists_the_methods() -> None:
    assert shown(marks=methods.MARKS) == methods.listed(), "run python -m tests.methods"


@pytest.mark.parametrize("name", sorted(gp.METHODS))
def test_every_option_is_explained(name: str) -> None:
    assert list(methods.meanings(name)) == list(gp.METHODS[name].options)
