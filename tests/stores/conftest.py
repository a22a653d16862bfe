"""A store with clean images, their attacked twins, the same images under another seed, and another model."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from graphpath.stores import open_store
from tests.synthetic import write_trace


@pytest.fixture(scope="session")
def traces(tmp_path_factory):
    root = tmp_path_factory.mktemp("traces")
    clean = write_trace(root / "clean", run="clean", samples=24, edges_per_pathway=80, crosses=True)
    return SimpleNamespace(
        clean=clean,
        attacked=write_trace(
            root / "attacked", run="attacked", seed=1, adversarial_of=clean, edges_per_pathway=80
        ),
        again=write_trace(root / "again", run="again", seed=2, samples=10, edges_per_pathway=70),
        pixels=write_trace(
            root / "pixels", run="pixels", seed=3, samples=8, pathways_per_sample=3, method="diffusion"
        ),
        other=write_trace(root / "other", run="other", seed=4, samples=8, weights="other", layers=4),
    )


@pytest.fixture(scope="session")
def store(traces, tmp_path_factory):
    """Only to be read."""
    with open_store(tmp_path_factory.mktemp("store") / "pathways.lbdb", buffer_bytes=128 << 20) as store:
        for trace in vars(traces).values():
            assert store.load(trace).loaded
        yield store


@pytest.fixture
def empty(tmp_path):
    """A store of the test's own, with nothing in it."""
    with open_store(tmp_path / "store" / "own.lbdb", buffer_bytes=128 << 20) as store:
        yield store
