"""Targets beside a class's logit: a contrast of two, a neuron or feature map inside the network.

The laws hold for each of them in ``tests/network/test_laws.py``; here the methods, budget and routes against
their twins, the record, and what is refused.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import graphpath as gp
from graphpath.errors import MethodError
from graphpath.stores.runs import comparison_key
from graphpath.tracing.batch import Batch
from graphpath.tracing.methods import controls, effective_path, neuron_mct
from graphpath.tracing.neurons import mark_thresholded
from graphpath.tracing.pathways import score_pathways
from graphpath.tracing.targets import Target
from tests.tracing import harness, nets, twins
from tests.tracing.test_methods import same
from tests.tracing.test_record import SINGLE_PRECISION, laws, single, tables, target_of
from tests.tracing.test_routes import (
    SELECTIONS,
    assert_brute_force_routes,
    assert_budgeted,
    flows,
    kept_edges,
    little,
    precedence,
)

TARGETS: dict[str, dict[str, Target]] = {
    "plain": {
        "contrast": (0, 1),
        "map": gp.at("2", 1),
        "neuron": gp.at(2, 1, 2, 2),
        "dense": gp.at("6", 3),
        "logit": gp.at("8", 2),
    },
    "residual": {"contrast": (1, 2), "map": gp.at(3, 1)},
    "concatenations": {"contrast": (2, 0), "map": gp.at(2, 0), "late": gp.at(4, 1)},
    "norm_alone": {"contrast": (2, 1), "map": gp.at(3, 0), "linear": gp.at(4, 2)},
    "max_pool_overlapping": {"contrast": (2, 1), "map": gp.at(2, 1)},
}
CASES = [(name, kind) for name, kinds in TARGETS.items() for kind in kinds]


@cache
def case(name: str, kind: str) -> tuple[Batch, list[twins.Twin], list[dict[int, float]]]:
    model, shape = nets.made(name, seed=7)
    batch, _ = harness.held(model, nets.images(shape, 2, seed=3), TARGETS[name][kind])
    return batch, [twins.take_apart(model, image) for image in batch.images], questions(batch)


def questions(batch: Batch) -> list[dict[int, float]]:
    """For each image the neurons that f weighs, and their weights."""
    weights = [harness.numbers(batch, image).seed for image in range(batch.held.images)]
    return [{int(n): float(w[n]) for n in np.flatnonzero(w)} for w in weights]


# --- methods -----------------------------------------------------------------------------


@pytest.mark.parametrize("theta", (0.3, 0.9))
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_effective_path_begins_at_the_target(name: str, kind: str, theta: float) -> None:
    batch, pair, asked = case(name, kind)
    wanted = [twins.effective_path(twin, q, theta) for twin, q in zip(pair, asked, strict=True)]
    assert any(want.flow for want in wanted)
    same(batch, effective_path.select(batch, theta=theta), wanted)


@pytest.mark.parametrize("sparsity", (0.0, 0.6))
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_neuron_mct_for_the_target(name: str, kind: str, sparsity: float) -> None:
    batch, pair, asked = case(name, kind)
    wanted = [twins.neuron_mct(twin, q, sparsity)[1] for twin, q in zip(pair, asked, strict=True)]
    same(batch, neuron_mct.select(batch, sparsity=sparsity), wanted)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_controls_choose_among_what_leads_to_the_target(name: str, kind: str) -> None:
    batch, pair, asked = case(name, kind)
    wanted = [
        twins.joined(twin, q, twins.most(twin, np.abs(twin.a), 0.5, q))
        for twin, q in zip(pair, asked, strict=True)
    ]
    same(batch, controls.select_activation(batch, sparsity=0.5), wanted)
    assert not bool(mark_thresholded(batch)[batch.goal.offset :].any())


def test_a_contrast_is_both_logits_and_weighs_them_against_each_other() -> None:
    """The paths of the two logits together; scores of one of them have the other's sign."""
    model, shape = nets.made("plain", seed=7)
    pixels = nets.images(shape, 2, seed=3)
    both, *alone = (harness.held(model, pixels, target)[0] for target in ((0, 1), 0, 1))
    paths = [harness.selected(batch, effective_path.select(batch)) for batch in (both, *alone)]
    for together, first, second in zip(*paths, strict=True):
        assert set(together.by_ends()) == set(first.by_ends()) | set(second.by_ends())
    gradient = [batch.held.gradient for batch in (both, *alone)]
    torch.testing.assert_close(gradient[0], gradient[1] - gradient[2], rtol=0, atol=1e-12)


def test_a_dead_neuron_has_no_pathway(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.copy_(torch.tensor([0.0, -9.0]))
    ask = {"target": gp.at("0", 1, 0, 0), "max_edges": None, "out": tmp_path / "t"}
    trace = gp.trace(model, torch.rand(1, 1, 2, 2), **ask)
    found = trace.pathways().to_table().to_pylist()[0]
    assert (found["logit"], found["edges"], found["bias"]) == (0, 0, 0)


# --- strengths, budget, routes -----------------------------------------------------------

LITTLE: dict[str, tuple[Target, ...]] = {
    "chain": ((0, 2), gp.at(1, 1), gp.at(2, 0, 0, 0), gp.at(3, 1)),
    "skips": ((1, 0), gp.at(1, 0), gp.at(2, 0, 1, 1)),
    "tied": ((0, 1), gp.at(2, 1)),
}


@pytest.mark.parametrize("method", ("effective_path 0.8", "neuron_mct", "all"))
@pytest.mark.parametrize(("name", "target"), [(n, t) for n, ts in LITTLE.items() for t in ts])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
def test_budgets_and_routes_end_at_the_target(name: str, target: Target, method: str) -> None:
    if name == "tied" and method != "neuron_mct":
        pytest.skip("too many routes to count")
    model, pixels = little(name)
    batch, _ = harness.held(model, pixels, target)
    try:
        selection = SELECTIONS[method](batch)
    except MethodError:
        assert not any(site.activation for site in batch.compiled.sites[: batch.goal.number])
        return
    pair = [twins.take_apart(model, image) for image in pixels]
    asked = questions(batch)
    for count in (1, 7, 3000):
        assert_brute_force_routes(batch, selection, pair, asked, count)
    every = score_pathways(batch, selection, None, 0)
    for image, (edges, twin, q) in enumerate(zip(flows(batch, selection), pair, asked, strict=True)):
        wanted = precedence(twin, q, edges)
        assert set(kept_edges(every, image)) == set(edges)
        for budget in (1, 3, 13):
            assert_budgeted(
                kept_edges(score_pathways(batch, selection, budget, 0), image), wanted, budget, twin, q
            )


# --- the record --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TARGETS["plain"])
def test_the_record_of_a_target_keeps_the_laws(kind: str, tmp_path: Path) -> None:
    model, images = single("plain")
    target = TARGETS["plain"][kind]
    ask = {"method": "activation", "sparsity": 0.0, "max_edges": None, "target": target}
    trace = gp.trace(model, images, **ask, out=tmp_path / "t")
    found = tables(trace)
    last = found["layers"].offset.iloc[-1]
    minus = last + target[1] if isinstance(target, tuple) else -1
    for pathway in found["pathways"].itertuples():
        mine = {t: found[t][found[t].pathway == pathway.pathway] for t in ("edges", "visits", "balance")}
        if pathway.logit == 0:  # a dead neuron: nothing leads to it
            assert (mine["edges"].score == 0).all()
            continue
        for law, off in laws(mine["edges"], mine["visits"], mine["balance"], pathway, minus).items():
            assert off < SINGLE_PRECISION, law
    assert target_of(trace) == [-1] * 3
    assert (found["pathways"].logit != 0).sum() >= 2
    # What the network predicts is recorded whatever was asked.
    logits = model.eval()(images)
    top = found["predictions"][found["predictions"]["rank"] == 1]
    np.testing.assert_allclose(top.logit, logits.amax(1).detach(), rtol=1e-5)
    goal = found["layers"].set_index("layer").loc[found["edges"].layer.max()]
    assert isinstance(target, tuple) or goal["name"] in (target.layer, "2")


def test_what_lies_behind_the_target_has_no_edges(tmp_path: Path) -> None:
    model, images = single("concatenations", seed=7)
    ask = {"method": "random", "sparsity": 0.0, "max_edges": None, "target": gp.at(2, 0)}
    found = tables(gp.trace(model, images, **ask, out=tmp_path / "t"))
    assert found["edges"].layer.max() == 2
    assert found["visits"].layer.max() == 2
    balance = found["balance"]
    behind = balance[balance.layer > 2]
    assert len(behind)
    assert (behind[["edges_all", "abs_all", "bias", "bias_fed"]] == 0).all(axis=None)


def test_run_json_says_what_was_asked(tmp_path: Path) -> None:
    model, images = single("plain")
    asked = {
        "one": ((0, "own"), {"contrast": [0, "own"]}),
        "two": (gp.at("2", 3), {"at": {"layer": "2", "channel": 3, "y": None, "x": None}}),
        "three": (gp.at(2, 3, 1, 4), {"at": {"layer": "2", "channel": 3, "y": 1, "x": 4}}),
        "four": (gp.at("3", 3), {"at": {"layer": "2", "channel": 3, "y": None, "x": None}}),  # its ReLU
        "five": (torch.tensor([0, 1, 0]), [0, 1, 0]),
    }
    ids = {}
    for name, (target, said) in asked.items():
        trace = gp.trace(model, images, target=target, out=tmp_path / name)
        run = json.loads((tmp_path / name / "run.json").read_text())
        assert run["parameters"]["target"] == trace.run["parameters"]["target"] == said
        ids[name] = trace.id
    assert ids["two"] == ids["four"]
    assert len(set(ids.values())) == 4


def test_contrasts_by_name(tmp_path: Path) -> None:
    """A class may be named; where both are the same, f is 0 and the pathway empty."""
    model, images = single("plain")
    logits = model.eval()(images).detach()
    labels = [int(logits[0].argmax()), *((logits[1:].argmax(1) + 1) % 3).tolist()]
    trace = gp.trace(model, images, labels, target=("own", "label"), out=tmp_path / "t")
    found = trace.pathways().to_table().to_pandas()
    wanted = logits.amax(1) - logits[torch.arange(3), labels]
    np.testing.assert_allclose(found.logit, wanted, atol=1e-5)
    assert found.edges.iloc[0] == 0
    assert (found.edges.iloc[1:] > 0).all()


def test_no_class_pathway_is_made_of_other_targets(tmp_path: Path) -> None:
    """Loaded beside a run of classes: nothing of a contrast or place becomes a class's, or resembles one."""
    model, images = single("plain")
    labels = model.eval()(images).argmax(1).tolist()
    targets = {"class": "label", "contrast": (labels[0], "label"), "map": gp.at("2", 1)}
    if len(set(labels)) == 1:
        targets["contrast"] = (labels[0], (labels[0] + 1) % 3)
    store = gp.open(tmp_path / "s.lbdb")
    runs = {}
    for name, target in targets.items():
        trace = gp.trace(model, images, labels, target=target, out=tmp_path / name)
        runs[name] = trace
        store.load(trace, min_support=1)
    made = store.cypher("MATCH (c:ClassPathway) RETURN c.run AS run, count(*) AS n")
    assert dict(zip(made.run, made.n, strict=True)) == {runs["class"].id: len(set(labels))}
    alike = store.cypher("MATCH (p:Pathway)-[r:RESEMBLES]->() RETURN DISTINCT p.run AS run").run
    assert set(alike) == {runs["class"].id}
    sample = int(runs["class"].samples().to_table()["sample"][0].as_py())
    found = store.query("pathways/of_sample", sample=sample).set_index("run")
    assert found.target[runs["map"].id] == -1
    assert pd.isna(found.target_name[runs["map"].id])
    assert found.target_name[runs["class"].id] == str(labels[0])
    store.close()
    described = [comparison_key(trace.run, 0) for trace in runs.values()]
    assert len(set(described)) == 3


# --- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ((0, 0), "difference of a class with itself"),
        ((0, 1, 2), "no contrast; expected two classes"),
        ((0, 1.5), "no contrast; expected two classes"),
        ((0, 7), "one class of 0 to 2"),
        ((0, "best"), "target='best' is unknown"),
        (gp.at("7", 0), None),
        (gp.at("features.0", 0), "no layer 'features.0'; there are"),
        (gp.at(9, 0), "no layer 9; the network has layers 0 to 4"),
        (gp.at(-1, 0), "no layer -1"),
        (gp.at("2", 4), "2 has no channel 4; expected one of 0 to 3"),
        (gp.at("2", 0, 5, 0), "2 has no y 5; expected one of 0 to 4"),
        (gp.at("2", 0, 0, -1), "2 has no x -1"),
        (gp.at("input", 0), "nothing leads to the input"),
    ],
)
def test_targets_that_are_refused(target: Target, message: str | None, tmp_path: Path) -> None:
    model, images = single("plain")
    if message is None:
        assert len(gp.trace(model, images, target=target, out=tmp_path / "t").pathways().to_table()) == 3
        return
    with pytest.raises(MethodError, match=message):
        gp.trace(model, images, target=target, out=tmp_path / "t")


def test_half_a_place_is_refused() -> None:
    with pytest.raises(MethodError, match="both y and x"):
        gp.at("2", 0, y=3)
    assert replace(gp.at("2", 0), y=1, x=2) == gp.at("2", 0, 1, 2)


def test_no_neurons_before_the_first_layer(tmp_path: Path) -> None:
    model, images = single("plain")
    with pytest.raises(MethodError, match="Before 0 there is no activation"):
        gp.trace(model, images, method="neuron_mct", target=gp.at("0", 0), out=tmp_path / "t")
    assert not (tmp_path / "t" / "edges").exists()
