"""A store of originals and attacked images, its pixels, and one report about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graphpath.record import ImageSet, Trace, write_image_set
from graphpath.record.imageset import ImagePart
from graphpath.report import write_report
from graphpath.stores import Store, open_store
from tests.synthetic import write_trace


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Trace]:
    folder = tmp_path_factory.mktemp("traces")
    clean = write_trace(folder / "clean", run="clean", samples=12)
    return clean, write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean)


@pytest.fixture(scope="session")
def store(traces: tuple[Trace, Trace], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "pathways.lbdb") as opened:
        for trace in traces:
            opened.load(trace)
        yield opened


@pytest.fixture(scope="session")
def images(traces: tuple[Trace, Trace], tmp_path_factory: pytest.TempPathFactory) -> list[ImageSet]:
    """Random pixels of every sample."""
    random, folder, sets = np.random.default_rng(0), tmp_path_factory.mktemp("images"), []
    for trace in traces:
        samples, categories = trace.samples().to_table(), trace.categories().to_table()
        part = ImagePart(samples, random.random((len(samples), 1, 6, 6), dtype=np.float32))
        sets.append(write_image_set(folder / trace.id, [part], categories))
    return sets


@pytest.fixture(scope="session")
def page(store: Store, images: list[ImageSet], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The HTML of a report."""
    file: Path = write_report(
        store, tmp_path_factory.mktemp("out"), run="clean", images=images, samples=4, pairs=3
    )
    return file.read_text()
