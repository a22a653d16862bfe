"""Fixtures that several areas share. Importing this needs no torch; only the fixtures do."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graphpath.errors import GraphpathError
from graphpath.locks import hold_file_lock
from tests.neo4j_server import gds_server, neo4j_server  # noqa: F401 - found here by every suite

if TYPE_CHECKING:
    from graphpath.models import LoadedModel

# Of several workers (pytest -n) each has its core: threads of torch would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        from tests import workers

        config.pluginmanager.register(workers)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """What is imported stays: to look through it for garbage is a fifth of what collection takes."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor is it looked through while the tests run."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


@pytest.fixture(scope="session")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], LoadedModel]:
    """``digits_model(seed)``: the "cnn" trained on the bundled digits, once per seed by all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "digits"
    folder.mkdir(exist_ok=True)

    @cache
    def trained(seed: int = 0) -> LoadedModel:
        from graphpath.data import open_images
        from graphpath.models import load_checkpoint, train

        path = folder / str(seed) / "cnn-digits.pt"  # the name that it has without a file
        # Another worker may just be training it.
        with hold_file_lock(folder / f"{seed}.lock", GraphpathError, _fail, wait=True):
            if not path.exists():
                train("cnn", open_images("digits", split="train"), open_images("digits"), seed=seed, out=path)
            return replace(load_checkpoint(path), origin=None)

    return trained


def _fail(error: OSError) -> GraphpathError:
    return GraphpathError(str(error))


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Archives are indexed in a cache of the session's own, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHPATH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; a test that needs it is skipped where it is not."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small failing inputs beside the checkout; a test that needs it is skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("no ../shared/cases beside this checkout")
    return folder
