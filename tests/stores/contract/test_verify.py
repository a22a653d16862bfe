"""``verify`` asks both engines alike: the same figures, and a verdict beside the same runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from graphpath.stores import Store

EDGES = """
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
RETURN r.pathway AS pathway, a.id AS source, b.id AS target
"""
QUESTIONS = (
    {"query": "categories/shared_edges", "parameters": {"min_categories": 1}},
    {"query": "pathways/neurons", "by": "sample"},
    {"cypher": EDGES},
)


def test_both_engines_give_the_same_verdict(make: Callable[[str], Store], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import graphpath as gp
    from tests.verifying.test_verifier import small

    model, images = small(), torch.rand(8, 1, 6, 6)
    trace = gp.trace(model, images, model(images).argmax(1), out=tmp_path / "ways")
    stores = [make("ladybug"), make("neo4j")]
    for store in stores:
        store.load(trace, min_support=1)
    for asked in QUESTIONS:
        one, two = (gp.verify(model, images, store=store, draws=3, **asked) for store in stores)
        pd.testing.assert_frame_equal(one.table, two.table)
        assert (one.answer, one.runs, one.decision) == (two.answer, two.runs, two.decision)
        assert one.runs == (trace.id,)
    for store in stores:
        kept = store.query("verdicts/all")
        assert len(kept) == len(QUESTIONS) and kept.runs.tolist() == [[trace.id]] * len(QUESTIONS)
