"""Every named query with several parameters: both engines answer as pandas does, and as each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from neo4j.warnings import Neo4jWarning

from graphpath import ids, queries
from graphpath.record import Trace
from graphpath.stores import Store
from tests.queries.answers import ANSWERS
from tests.queries.conftest import keep
from tests.queries.facts import Facts, grouping
from tests.queries.test_answers import CASES, assert_same, assert_typed, known
from tests.queries.test_graph import CASES as SHOWN
from tests.stores.contract.conftest import clear, connect, connect_strictly
from tests.synthetic import describe_anew, write_trace

MIN_SUPPORT = 2
Maker = Callable[[pytest.FixtureRequest, Path], tuple[Facts, int]]


@dataclass(frozen=True)
class Both:
    """The same traces in a store of either engine."""

    facts: Facts
    ladybug: Store
    neo4j: Store

    def cases(self, name: str) -> Iterator[dict[str, Any]]:
        """The parameters of ``name``, its classes being those of the facts."""
        cases = CASES[name]
        for parameters in cases if isinstance(cases, list) else cases(self.facts):
            given = {"limit": 100_000} if "limit" in queries.find(name).parameters else {}
            yield given | {key: self._of_scheme(value) for key, value in parameters.items()}

    def _of_scheme(self, value: object) -> object:
        toy = {ids.category_id("toy", n): ids.category_id(self.facts.scheme, n) for n in range(10)}
        if isinstance(value, list):
            return [toy.get(item, item) for item in value]
        return value


def synthetic(_: pytest.FixtureRequest, folder: Path) -> tuple[Facts, int]:
    size = {"edges_per_pathway": 60, "layers": 5, "side": 2, "routes": 4}
    clean = write_trace(folder / "clean", run="clean", samples=12, crosses=True, **size)
    attacked = write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, **size)
    return Facts((clean, attacked), MIN_SUPPORT), MIN_SUPPORT


def sparse(_: pytest.FixtureRequest, folder: Path) -> tuple[Facts, int]:
    """Layers and class pathways without edges."""
    size = {"edges_per_pathway": 1, "layers": 5, "side": 2, "routes": 1}
    clean = write_trace(folder / "clean", run="clean", samples=24, **size)
    attacked = write_trace(folder / "attacked", run="attacked", seed=3, adversarial_of=clean, **size)
    return Facts((clean, attacked), 3), 3


def digits(request: pytest.FixtureRequest, folder: Path) -> tuple[Facts, int]:
    """Real images through a trained network, and attacks on them."""
    pytest.importorskip("torch")
    import graphpath as gp
    from graphpath.attacks import attack
    from graphpath.data import open_images

    model = request.getfixturevalue("digits_model")(0)
    images = open_images("digits", limit=20)
    attacked = attack(model, images, "pgd", 0.2, steps=5, out=folder / "images")
    options: dict[str, Any] = {"max_edges": 150, "routes": 4}
    traces = (
        renamed(gp.trace(model, images, out=folder / "a", **options), "clean"),
        renamed(gp.trace(model, attacked, out=folder / "b", **options), "attacked"),
    )
    return Facts(traces, MIN_SUPPORT, "digits"), MIN_SUPPORT


def renamed(trace: Trace, run: str, folder: Path | None = None) -> Trace:
    """A copy of ``trace`` under the run id that the cases know, beside it or in ``folder``."""
    path = (folder or trace.path.parent) / run
    shutil.copytree(trace.path, path)
    describe_anew(path, id=run)
    return Trace(path)


@pytest.fixture(scope="module", params=[synthetic, sparse, digits], ids=lambda made: made.__name__)
def both(
    request: pytest.FixtureRequest, make: Callable[[str], Store], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    facts, support = request.param(request, tmp_path_factory.mktemp("facts"))
    server = request.getfixturevalue("neo4j_server")
    clear(server)
    with connect(server) as store:
        for trace in facts.traces:
            store.load(trace, min_support=support, categories=grouping())
        keep(store, facts)
    ladybug = make("ladybug")
    for trace in facts.traces:
        ladybug.load(trace, min_support=support, categories=grouping())
    keep(ladybug, facts)
    with connect_strictly(server) as neo4j:
        yield Both(facts, ladybug, neo4j)


def test_a_warning_of_the_server_fails_a_test(both: Both) -> None:
    with pytest.raises(Neo4jWarning, match="Nowhere"):
        both.neo4j.execute("MATCH (n:Nowhere) RETURN n.id AS id")


@pytest.mark.parametrize("name", CASES)
def test_both_engines_give_the_answer(name: str, both: Both) -> None:
    for parameters in both.cases(name):
        case = f"{name} {parameters}"
        ladybug, neo4j = (store.query(name, **parameters) for store in (both.ladybug, both.neo4j))
        assert_typed(neo4j, name)
        assert_same(neo4j, ladybug, case)
        assert_same(neo4j, ANSWERS[name](both.facts, **known(name, parameters)), case)


@pytest.mark.parametrize("name", SHOWN)
def test_both_engines_show_the_same_graph(name: str, both: Both) -> None:
    parameters = SHOWN[name](both.facts, both.ladybug)
    more = [{"limit": 5}] if "limit" in queries.find(name).parameters else []
    for extra in ({}, *more):
        one, two = (store.graph(name, **parameters, **extra) for store in (both.ladybug, both.neo4j))
        assert set(one.nodes) == set(two.nodes)
        assert set(one.edges) == set(two.edges)
        for key, data in one.nodes(data=True):
            assert alike(data, two.nodes[key]), key
        for key, data in one.edges.items():
            assert alike(data, two.edges[key]), key


def alike(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Equal, floats up to the single precision in which the embedded engine keeps them."""
    return one.keys() == two.keys() and all(
        value == pytest.approx(two[key], rel=1e-6) if isinstance(value, float) else value == two[key]
        for key, value in one.items()
    )
