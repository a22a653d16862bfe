"""One store with two runs that may be compared: originals, and attacks on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphpath.record import Trace
from graphpath.stores import Store, open_store
from tests.queries.facts import Facts, grouping
from tests.synthetic import write_trace

MIN_SUPPORT = 2


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Trace]:
    folder = tmp_path_factory.mktemp("traces")
    size = {"edges_per_pathway": 60, "layers": 5, "side": 2, "routes": 4}
    clean = write_trace(folder / "clean", run="clean", samples=12, crosses=True, **size)
    attacked = write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, **size)
    return clean, attacked


@pytest.fixture(scope="session")
def facts(traces: tuple[Trace, Trace]) -> Facts:
    return Facts(traces, MIN_SUPPORT)


def keep(store: Store, facts: Facts) -> None:
    """Record the verdicts of ``facts`` in a store that holds its traces."""
    for row, runs in facts.verdicts:
        store.record_verdict(row, runs)


@pytest.fixture(scope="session")
def store(
    traces: tuple[Trace, Trace], facts: Facts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "pathways.lbdb") as opened:
        for trace in traces:
            opened.load(trace, min_support=MIN_SUPPORT, categories=grouping())
        keep(opened, facts)
        yield opened


@pytest.fixture(scope="session")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Facts]]:
    """Pathways of an edge a layer, in which layers and class pathways are empty; and their facts."""
    folder = tmp_path_factory.mktemp("sparse")
    size = {"edges_per_pathway": 1, "layers": 5, "side": 2, "routes": 1}
    clean = write_trace(folder / "clean", run="clean", samples=24, **size)
    attacked = write_trace(folder / "attacked", run="attacked", seed=3, adversarial_of=clean, **size)
    with open_store(folder / "sparse.lbdb") as opened:
        for trace in (clean, attacked):
            opened.load(trace, min_support=3, categories=grouping())
        yield opened, Facts((clean, attacked), 3)
