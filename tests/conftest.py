"""Fixtures that several areas share. Importing this needs no torch; only the fixtures do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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


@pytest.fixture(scope="session")
def digits_model() -> Callable[[int], LoadedModel]:
    """``digits_model(seed)``: the "cnn" trained on the bundled digits, once per session and seed."""

    @cache
    def trained(seed: int = 0) -> LoadedModel:
        from graphpath.data import open_images
        from graphpath.models import train

        return train("cnn", open_images("digits", split="train"), open_images("digits"), seed=seed).model

    return trained


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
