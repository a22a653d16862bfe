"""What a store already holds, read in ranges."""

from __future__ import annotations

import pyarrow as pa
import pytest

from graphpath.stores import existing


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ([], [(-1, -1)]),
        ([0, 0], [(5, 6)]),
        ([0, 3, 0], [(5, 5), (6, 7)]),
        ([2, 2, 2], [(5, 5), (6, 6), (7, 7)]),
        ([0, 2, 1, 0], [(5, 6), (7, 8)]),
    ],
)
def test_ranges_hold_every_pathway_with_edges(
    edges: list[int], found: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where none of a run's pathways has an edge, as one of a black image has not."""
    monkeypatch.setattr(existing, "EDGES", 2)
    facts = pa.table(
        {"pathway": pa.array(range(5, 5 + len(edges)), pa.int64()), "edges": pa.array(edges, pa.int64())}
    )
    assert [(one["first"], one["last"]) for one in existing.split_ranges(facts)] == found
