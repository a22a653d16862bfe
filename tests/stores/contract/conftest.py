"""Both engines behind one fixture; the Neo4j server of the whole session, one database for everyone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from graphpath.server import Server
from graphpath.stores import Store, open_store
from tests.stores.contents import contents
from tests.synthetic import write_trace

ENGINES = ("ladybug", "neo4j")
STRICT = {"notifications_min_severity": "WARNING", "warn_notification_severity": "WARNING"}
"""The server's warnings (an unknown label, an unknown property) as Python's, which fail tests."""

OTHER = ("GraphpathMeta.engine",)
"""What differs between engines."""

CLEAR = "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS"


class Stopped(BaseException):
    """A change that ends in the middle."""


def held(store: Store) -> dict[str, pd.DataFrame]:
    """All that a store holds, but for its engine."""
    return contents(store, without=OTHER)


def connect(server: Server, **options: object) -> Store:
    """A store on ``server``."""
    return open_store(server.uri, password=server.password, **options)


@contextmanager
def connect_strictly(server: Server) -> Iterator[Store]:
    """A store on ``server`` whose warnings fail tests."""
    from neo4j._sync.work import result

    with pytest.MonkeyPatch.context() as patch, connect(server, driver=STRICT) as store:
        # To say where a warning is from, the driver reads the source of all callers, statement by statement:
        # a quarter of what these tests took.
        patch.setattr(result, "inspect", SimpleNamespace(stack=list))
        yield store


def clear(server: Server) -> None:
    """Empty the database of ``server``."""
    with connect(server) as store:
        store.cypher(CLEAR, write=True, timeout=None)


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("contract")
    clean = write_trace(root / "clean", run="clean", samples=8, edges_per_pathway=30)
    return SimpleNamespace(
        clean=clean,
        attacked=write_trace(
            root / "attacked", run="attacked", seed=1, adversarial_of=clean, edges_per_pathway=30
        ),
        other=write_trace(root / "other", run="other", weights="other", layers=4, samples=4),
    )


Make = Callable[[str], Store]


@pytest.fixture(scope="module")
def make(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Store]]:
    """``make("neo4j")``: an empty store of the engine, for the module."""
    made: list[Store] = []

    def of(engine: str) -> Store:
        if engine == "ladybug":
            store = open_store(tmp_path_factory.mktemp("store") / "s.lbdb", buffer_bytes=128 << 20)
        else:
            server = request.getfixturevalue("neo4j_server")
            clear(server)
            store = connect(server)
        made.append(store)
        return store

    yield of
    for store in made:
        store.close()


@pytest.fixture(params=ENGINES)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of either engine with nothing in it."""
    if request.param == "ladybug":
        store = open_store(tmp_path / "own.lbdb", buffer_bytes=128 << 20)
    else:
        server = request.getfixturevalue("neo4j_server")
        clear(server)
        store = connect(server)
    with store:
        yield store


def needs_root() -> None:
    """Skips where the user may not mount; in CI that is a failure."""
    if os.geteuid() == 0:
        return
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail("CI runs this test as root, who may mount a small tmpfs", pytrace=False)
    pytest.skip("only root may mount a small tmpfs")
