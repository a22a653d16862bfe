"""graphpath/tracing/README.md, figures 8 and 9, as verdicts; see ``tests/tracing/test_figures.py``.

A pathway of NeuronMCT at 90 % holds 27 of the 31 live neurons of the dense layer, so that random live ones,
as many in each layer, mostly are the pathway's own there: they flip .68 of the predictions. Live ones outside
it flip none, as first measured.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import graphpath as gp
from graphpath.data import open_images
from graphpath.models import LoadedModel
from graphpath.stores import open_store
from graphpath.verifying import Verdict
from tests.tracing.toy import SEEDS

pytestmark = pytest.mark.slow

PATHWAYS = (
    "MATCH (p:Pathway)-[:VISITS]->(n:Neuron) WHERE p.run = $run RETURN p.sample AS sample, n.id AS neuron"
)
EDGES = """
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (p:Pathway) WHERE p.id = r.pathway AND p.run = $run
RETURN p.sample AS sample, a.id AS source, b.id AS target
"""


@pytest.fixture(scope="module", params=SEEDS)
def case(
    request: pytest.FixtureRequest,
    digits_model: Callable[[int], LoadedModel],
    tmp_path_factory: pytest.TempPathFactory,
) -> SimpleNamespace:
    """Sixty test images, their pathways by NeuronMCT and by effective paths, in one store."""
    model, images = digits_model(request.param), open_images("digits", limit=60)
    root = tmp_path_factory.mktemp("toy")
    mct = gp.trace(model, images, method="neuron_mct", sparsity=0.9, max_edges=None, out=root / "mct")
    ways = gp.trace(model, images, method="effective_path", max_edges=None, out=root / "ways")
    with open_store(root / "s.lbdb") as store:
        store.load(mct)
        store.load(ways)
        yield SimpleNamespace(model=model, images=images, store=store, mct=mct.id, ways=ways.id, trace=ways)


def row(verdict: Verdict, which: str, measure: str = "flipped") -> pd.Series:
    table = verdict.table
    return table[(table["set"] == which) & (table.measure == measure)].iloc[0]


def asked(case: SimpleNamespace, **options: object) -> Verdict:
    return gp.verify(case.model, case.images, store=case.store, **options)


def test_9_removing_the_pathway_flips_predictions_and_verify_says_so(case: SimpleNamespace) -> None:
    verdict = asked(case, cypher=PATHWAYS, parameters={"run": case.mct})
    assert row(verdict, "answer").change >= 0.9
    assert row(verdict, "other").change <= 0.2
    assert row(verdict, "random").change <= 0.2
    assert row(verdict, "answer").change - row(verdict, "live").change > 0.2
    assert (verdict.decision, verdict.direction, verdict.by) == ("matters", "necessary", "sample")
    assert verdict.runs == (case.mct,)
    assert "Verdict: matters (necessary)" in verdict.words


def test_8_keeping_only_the_pathway_keeps_predictions(case: SimpleNamespace) -> None:
    verdict = asked(case, cypher=PATHWAYS, parameters={"run": case.mct}, mode="keep")
    assert row(verdict, "answer").change <= 0.1
    assert row(verdict, "random").change >= 0.6
    assert (verdict.decision, verdict.direction) == ("matters", "sufficient")


def test_the_edges_of_effective_paths_matter(case: SimpleNamespace) -> None:
    verdict = asked(case, cypher=EDGES, parameters={"run": case.ways})
    assert verdict.kind == "edges"
    assert row(verdict, "answer").change > row(verdict, "live").change
    assert verdict.decision == "matters"
    edges = case.trace.counts["edges"] / len(case.images)
    for which in ("answer", "random", "live"):
        assert row(verdict, which)["size"] == pytest.approx(edges)


@pytest.mark.parametrize("owned", (False, True))
def test_random_edges_do_not_matter(case: SimpleNamespace, owned: bool) -> None:
    """Possible edges drawn without asking anybody, two hundred for all images or for each."""
    random = np.random.default_rng(4)
    layers = case.trace.layers().to_table().to_pandas().set_index("layer")
    sample = case.images.rows()["sample"].to_numpy() if owned else [0]
    frames = [possible(layers, 200, random).assign(sample=key) for key in sample]
    frame = pd.concat(frames) if owned else frames[0].drop(columns="sample")
    verdict = gp.verify(case.model, case.images, answer=frame)
    assert verdict.decision == "does not matter more than chance"
    assert verdict.by == ("sample" if owned else "answer")
    assert row(verdict, "answer").change <= 0.05
    assert not verdict.runs


def possible(layers: pd.DataFrame, count: int, random: np.random.Generator) -> pd.DataFrame:
    """Edges of the 3x3 convolutions of the net, drawn uniformly by hand."""
    target = layers.loc[2]
    channel, y, x = (random.integers(0, target[name], count) for name in ("channels", "height", "width"))
    source = layers.loc[1]
    inner = random.integers(0, source.channels, count)
    sy = (y + random.integers(-1, 2, count)).clip(0, source.height - 1)
    sx = (x + random.integers(-1, 2, count)).clip(0, source.width - 1)
    found = {
        "source": source.offset + (inner * source.height + sy) * source.width + sx,
        "target": target.offset + (channel * target.height + y) * target.width + x,
    }
    return pd.DataFrame(found).astype("int64").drop_duplicates()


def test_a_verdict_does_not_depend_on_the_batch(case: SimpleNamespace) -> None:
    options = {"cypher": EDGES, "parameters": {"run": case.ways}, "draws": 3, "record": False}
    whole = asked(case, **options, batch=60)
    parts = asked(case, **options, batch=7)
    pd.testing.assert_frame_equal(whole.table, parts.table, rtol=1e-4, atol=1e-4)
    assert whole.id == parts.id
    assert torch.is_grad_enabled()
