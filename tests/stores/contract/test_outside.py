"""A query of a user's own folder gives the same rows on both engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from graphpath.queries import with_folder
from graphpath.stores import Store
from tests.queries.outside import NAME, write_folder


def test_both_engines_answer_it_alike(
    make: Callable[[str], Store], traces: SimpleNamespace, tmp_path: Path
) -> None:
    known = with_folder(write_folder(tmp_path / "mine"))
    stores = [make("ladybug"), make("neo4j")]
    for store in stores:
        store.load(traces.clean)
        store.queries = known
    one, two = (store.query(NAME, limit=20) for store in stores)
    pd.testing.assert_frame_equal(one, two)
    assert len(one) == 20 and one.attrs == two.attrs
    for store in stores:
        assert store.explain(NAME).endswith(known[NAME].text)
