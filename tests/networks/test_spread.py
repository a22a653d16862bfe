"""Forty networks of other people's, each lawful in float64; ``python -m tests.networks`` runs all."""

from __future__ import annotations

import pytest

from tests.networks.corpora import CORPORA, spread
from tests.networks.measuring import measure


def test_the_spread_is_of_all_corpora() -> None:
    assert len(spread()) == len(set(spread())) == 40
    for corpus, name in spread():
        assert name in CORPORA[corpus]()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("corpus", "name"), spread())
def test_lawful(corpus: str, name: str) -> None:
    measured = measure(corpus, name, quick=True)
    assert measured.outcome == "lawful", measured.said
    assert measured.edges > 0
