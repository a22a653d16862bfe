"""``verify`` from a store to a verdict, on small nets without training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import graphpath as gp
from graphpath import queries
from graphpath.data import TensorImages
from graphpath.errors import AnswerError, MethodError, QueryFileError, QueryParameterError
from graphpath.network import Network, masked, take_apart
from graphpath.network.edits import Circuit
from graphpath.progress import as_progress
from graphpath.stores import Store, open_store
from graphpath.tracing.rows import first_neuron
from graphpath.verifying import Verdict, ablation
from graphpath.verifying.ablation import AblationPlan
from graphpath.verifying.answer import AnswerReader
from graphpath.verifying.baselines import make_baseline
from graphpath.verifying.statistics import p_value
from tests.tracing import nets
from tests.verifying.test_controls import possible as edges_into

NEURONS = """
MATCH (p:Pathway)-[:VISITS]->(n:Neuron) WHERE p.run = $run RETURN p.id AS pathway, n.id AS neuron
"""


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    first = nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    second = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*first, *second, nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 4)).eval()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Eight random images of four classes, traced twice; and the same network's trace at another size."""
    root = tmp_path_factory.mktemp("verifier")
    model, images = small(), torch.rand(8, 1, 6, 6)
    labels = torch.arange(8) % 4
    own = model(images).argmax(1)
    traced = {
        "ways": gp.trace(model, images, own, out=root / "ways", theta=0.9),
        "critical": gp.trace(model, images, own, method="neuron_mct", sparsity=0.7, out=root / "critical"),
    }
    other = gp.trace(small(1), images, labels, out=root / "other")
    with open_store(root / "s.lbdb", buffer_bytes=128 << 20) as store:
        for trace in (*traced.values(), other):
            store.load(trace, min_support=1)
        yield SimpleNamespace(
            model=model, images=images, labels=labels, store=store, root=root, traces=traced, other=other
        )


def asked(case: SimpleNamespace, **options: Any) -> Verdict:
    given = {"store": case.store, "draws": 2, "record": False} | options
    return gp.verify(case.model, case.images, case.labels, **given)


def row(verdict: Verdict, which: str = "answer", measure: str = "logit") -> pd.Series[float]:
    table = verdict.table
    return table[(table["set"] == which) & (table.measure == measure)].iloc[0]


def by_hand(case: SimpleNamespace, frame: pd.DataFrame, mode: str, layers: list[int]) -> dict[str, float]:
    """What removing or keeping each image's own neurons changes, by factors, image by image."""
    network = take_apart(case.model, (1, 6, 6))
    first = first_neuron(network, gp.Trace(case.root / "ways").run["model"]["sha256"])
    samples = case.traces["ways"].samples().to_table().to_pandas()
    changes: dict[str, list[float]] = {"logit": [], "confidence": [], "flipped": [], "accuracy": []}
    for number, sample in enumerate(samples.sort_values("index")["sample"]):
        named = set((frame[frame["sample"] == sample].neuron - first).tolist())
        factors = torch.ones(1, network.neurons)
        for layer in layers:
            for neuron in range(network.sites[layer].offset, network.sites[layer].span.stop):
                factors[0, neuron] = float((neuron in named) == (mode == "keep"))
        image, label = case.images[[number]], int(case.labels[number])
        with torch.no_grad():
            before, after = case.model(image)[0], masked(network, image, factors)[0]
        target = int(before.argmax())
        changes["logit"].append(float(after[target] - before[target]))
        changes["confidence"].append(float(after.softmax(0)[target] - before.softmax(0)[target]))
        changes["flipped"].append(float(int(after.argmax()) != target))
        changes["accuracy"].append(float(int(after.argmax()) == label) - float(target == label))
    return {name: float(np.mean(values)) for name, values in changes.items()}


@pytest.mark.parametrize("mode", ("remove", "keep"))
def test_figures_are_those_of_the_network_run_by_hand(case: SimpleNamespace, mode: str) -> None:
    run = case.traces["critical"].id
    verdict = asked(case, cypher=NEURONS, parameters={"run": run}, mode=mode)
    visits = case.traces["critical"].visits().to_table().to_pandas()
    owner = case.traces["critical"].pathways().to_table().to_pandas().set_index("pathway")["sample"]
    frame = visits.assign(sample=visits.pathway.map(owner))
    assert verdict.by == "sample" and verdict.layers == (1, 2, 3)
    for measure, change in by_hand(case, frame, mode, [1, 2, 3]).items():
        assert row(verdict, "answer", measure).change == pytest.approx(change, abs=1e-6), measure
    few = asked(case, cypher=NEURONS, parameters={"run": run}, mode=mode, layers=[2])
    assert few.layers == (2,)
    for measure, change in by_hand(case, frame, mode, [2]).items():
        assert row(few, "answer", measure).change == pytest.approx(change, abs=1e-6), measure


def test_a_named_query_is_asked_with_its_parameters_and_kept_with_them(case: SimpleNamespace) -> None:
    run = case.traces["ways"].id
    options = {"query": "categories/shared_edges", "parameters": {"run": run, "min_categories": 1}}
    verdict = asked(case, **options, record=True)
    edges = case.store.query("categories/shared_edges", run=run, min_categories=1)
    assert verdict.kind == "edges" and verdict.by == "answer"
    assert row(verdict)["size"] == len(edges)
    assert verdict.parameters == {
        "run": run, "variant": "original", "scheme": "classes", "min_categories": 1, "layers": [],
        "unit": "neuron", "limit": "all",
    }  # fmt: skip
    assert verdict.runs == (run,)
    kept = case.store.query("verdicts/all", query="categories/shared_edges")
    assert kept.verdict.tolist() == [verdict.id] and kept.words.tolist() == [verdict.words]
    assert kept.runs.tolist() == [[run]]
    asked(case, **options, record=True)
    assert len(case.store.query("verdicts/all")) == 1
    text = f"MATCH (v:Verdict) WHERE v.id = {verdict.id} RETURN v.figures AS figures, v.sha256 AS sha256"
    stored = case.store.execute(text).to_pylist()[0]
    assert stored["sha256"] == verdict.sha256

    figures = pd.DataFrame(json.loads(stored["figures"])).astype(verdict.table.dtypes)
    pd.testing.assert_frame_equal(figures, verdict.table, atol=1e-9)


def test_by_sample_asks_for_each_image(case: SimpleNamespace) -> None:
    """A query of one pathway, and Cypher of one sample: as the rows of all, told apart by a column."""
    run = case.traces["critical"].id
    known = case.store.query("pathways/of_run", run=run)
    whole = asked(case, cypher=NEURONS, parameters={"run": run})
    one = NEURONS.replace("WHERE", "WHERE p.sample = $sample AND").replace("p.id AS pathway, ", "")
    each = asked(case, cypher=one, parameters={"run": run}, by="sample")
    assert each.answer == whole.answer and each.by == "sample" and each.runs == (run,)
    pd.testing.assert_frame_equal(each.table, whole.table)
    shared = asked(case, cypher=NEURONS, parameters={"run": run}, by="answer")
    assert shared.by == "answer" and row(shared)["size"] > row(whole)["size"]
    first = int(known.pathway[0])
    some = asked(case, query="pathways/neurons", parameters={"pathway": first})
    assert some.by == "answer" and some.runs == (run,) and some.images == 8
    with pytest.raises(QueryParameterError, match="several runs"):
        asked(case, query="pathways/neurons", by="sample")
    with pytest.raises(AnswerError, match="by='sample' needs rows that say whose they are"):
        asked(case, query="pathways/hubs", parameters={"run": run}, by="sample")


def test_images_without_rows_are_left_out(case: SimpleNamespace) -> None:
    run = case.traces["critical"].id
    some = case.store.cypher(NEURONS, run=run)
    kept = some[some.pathway.isin(sorted(some.pathway.unique())[:3])]
    text = NEURONS.replace("p.run = $run", "p.run = $run AND p.id IN $some")
    verdict = asked(case, cypher=text, parameters={"run": run, "some": np.unique(kept.pathway)}, record=True)
    assert verdict.images == 3
    assert verdict.decision == "cannot tell" and "3 images are too few" in verdict.words


def test_maps_are_all_their_neurons(case: SimpleNamespace) -> None:
    text = "MATCH (m:FeatureMap) WHERE m.layer = 1 AND m.channel < 2 AND m.model = $model RETURN m.id AS map"
    model = first_neuron(take_apart(case.model, (1, 6, 6)), case.traces["ways"].run["model"]["sha256"])
    verdict = asked(case, cypher=text, parameters={"model": model})
    assert verdict.kind == "neurons" and row(verdict)["size"] == 2 * 36
    assert set(verdict.runs) == {trace.id for trace in case.traces.values()}


def test_nothing_kept_and_all_kept(case: SimpleNamespace) -> None:
    network = take_apart(case.model, (1, 6, 6))
    first = first_neuron(network, case.traces["ways"].run["model"]["sha256"])
    site = network.sites[2]
    every = pd.DataFrame({"neuron": np.arange(site.offset, site.span.stop) + first})
    all_kept = asked(case, answer=every, mode="keep", store=None)
    assert row(all_kept).change == 0 and row(all_kept, measure="flipped").change == 0
    assert row(all_kept, "random").p == 1  # every draw is the same set
    gone = asked(case, answer=every, store=None)
    with torch.no_grad():
        rest = case.model[5:](torch.zeros(8, 4, 3, 3))
        before = case.model(case.images)
    target = before.argmax(1, keepdim=True)
    wanted = (rest.gather(1, target) - before.gather(1, target)).mean()
    assert row(gone).change == pytest.approx(float(wanted), abs=1e-6)


def test_the_mean_of_the_images_stands_in(case: SimpleNamespace) -> None:
    """All of the first layer set to what it is on average, by hand."""
    verdict = asked(case, answer=first_layer(case), baseline="mean", store=None, batch=3)
    with torch.no_grad():
        outputs, before = case.model[:2](case.images), case.model(case.images)
        after = case.model[2:](outputs.mean(0, keepdim=True).expand_as(outputs))
    target = before.argmax(1, keepdim=True)
    wanted = (after.gather(1, target) - before.gather(1, target)).mean()
    assert row(verdict).change == pytest.approx(float(wanted), abs=1e-5)


def test_another_image_stands_in(case: SimpleNamespace) -> None:
    """Each image is another one's stand-in, and none its own; which, the seed says."""
    circuit, everyone = Circuit(take_apart(case.model, (1, 6, 6))), np.arange(8)
    own = circuit.run(case.images, recorded=True).values[:, : circuit.network.neurons]
    others = []
    for seed in (5, 5, 6):
        of = make_baseline("resample", circuit, lambda chosen: case.images[chosen], 8, 3, seed)
        parts = [of(everyone[:3]), of(everyone[3:])]
        values = torch.cat([part for part in parts if part is not None])
        alike = torch.cdist(values, own) < 1e-4
        assert (alike.sum(0) == 1).all() and (alike.sum(1) == 1).all() and not alike.diagonal().any()
        others.append(alike.int().argmax(1).tolist())
    assert others[0] == others[1] != others[2]
    options = {"answer": first_layer(case), "store": None, "baseline": "resample"}
    seeds = [asked(case, **options, seed=seed, batch=batch) for seed, batch in ((5, 3), (5, 8), (6, 8))]
    pd.testing.assert_frame_equal(seeds[0].table, seeds[1].table, atol=1e-5)
    assert seeds[0].id == seeds[1].id != seeds[2].id
    assert row(seeds[0]).high > row(seeds[0]).low
    with pytest.raises(MethodError, match="at least two images"):
        gp.verify(case.model, case.images[:1], answer=first_layer(case), baseline="resample")


def first_layer(case: SimpleNamespace) -> pd.DataFrame:
    """All neurons of the first convolution."""
    network = take_apart(case.model, (1, 6, 6))
    site = network.sites[1]
    first = first_neuron(network, case.traces["ways"].run["model"]["sha256"])
    return pd.DataFrame({"neuron": np.arange(site.offset, site.span.stop) + first})


@pytest.mark.parametrize("target", ("label", 2, torch.arange(8) % 3))
def test_the_target_is_watched(case: SimpleNamespace, target: object) -> None:
    network = take_apart(case.model, (1, 6, 6))
    first = first_neuron(network, case.traces["ways"].run["model"]["sha256"])
    every = pd.DataFrame({"neuron": np.arange(network.sites[3].offset, network.sites[3].span.stop) + first})
    verdict = asked(case, answer=every, target=target, store=None)
    with torch.no_grad():
        before = case.model(case.images)
        after = case.model[8:](torch.zeros(8, 8))
    chosen = case.labels if isinstance(target, str) else torch.as_tensor(target).expand(8)
    wanted = (after - before).gather(1, chosen[:, None].long()).mean()
    assert row(verdict).change == pytest.approx(float(wanted), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"query": "categories/none"}, QueryFileError, "categories/none"),
        ({"query": "runs/all"}, AnswerError, "expected source and target"),
        ({"query": "pathways/hubs", "cypher": "RETURN 1"}, QueryParameterError, "give one of"),
        ({}, QueryParameterError, "give one of"),
        ({"query": "pathways/hubs", "store": None}, QueryParameterError, "needs a store"),
        ({"cypher": "MATCH (n:Neuron) WHERE n.id < 0 RETURN n.id AS neuron"}, AnswerError, "is empty"),
        ({"query": "categories/shared_maps", "parameters": {"run": "$ways", "min_categories": 1}},
         AnswerError, "edges between feature maps"),
        ({"query": "pathways/hubs", "parameters": {"run": "$other"}}, AnswerError, "of the model Sequential"),
        ({"query": "pathways/hubs", "mode": "drop"}, MethodError, "mode='drop' is unknown; expected one of"),
        ({"query": "pathways/hubs", "baseline": "noise"}, MethodError, "baseline='noise'"),
        ({"query": "pathways/hubs", "measure": "loss"}, MethodError, "measure='loss'"),
        ({"query": "pathways/hubs", "by": "class"}, MethodError, "by='class'"),
        ({"query": "pathways/hubs", "draws": 0}, MethodError, "draws=0"),
        ({"query": "pathways/hubs", "batch": 0}, MethodError, "batch=0"),
        ({"query": "pathways/hubs", "target": (1, 2)}, MethodError, "logit of a class"),
        ({"query": "pathways/hubs", "target": 9, "parameters": {"run": "$ways"}}, MethodError, "0 to 3"),
    ],
)  # fmt: skip
def test_what_is_refused(
    case: SimpleNamespace, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    known = {"$ways": case.traces["ways"].id, "$other": case.other.id}
    if "parameters" in options:
        options = options | {
            "parameters": {key: known.get(value, value) for key, value in options["parameters"].items()}
        }
    with pytest.raises(error, match=said):
        asked(case, **options)


def test_a_store_of_another_network_is_refused_by_name(case: SimpleNamespace) -> None:
    for model, images in ((small(7), case.images), (case.model, torch.rand(8, 1, 6, 6))):
        if model is case.model:
            model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 4))
        with pytest.raises(AnswerError, match=r"holds no trace of Sequential.*it holds: Sequential \("):
            gp.verify(model, images, store=case.store, query="pathways/hubs")


def test_accuracy_needs_labels_and_is_left_out_without(case: SimpleNamespace) -> None:
    options = {"store": case.store, "query": "pathways/hubs", "parameters": {"run": case.traces["ways"].id}}
    with pytest.raises(MethodError, match="needs a label"):
        gp.verify(case.model, case.images, **options, measure="accuracy")
    verdict = gp.verify(case.model, case.images, **options, draws=1, record=False)
    assert "accuracy" not in set(verdict.table.measure)
    single = gp.trace(case.model, case.images[:1], out=case.root / "single")
    assert single.counts["samples"] == 1


def test_the_model_is_left_as_it_was(case: SimpleNamespace) -> None:
    case.model.train()
    before = {name: value.clone() for name, value in case.model.state_dict().items()}
    asked(case, query="pathways/hubs", parameters={"run": case.traces["ways"].id})
    assert case.model.training
    case.model.eval()
    assert all(torch.equal(value, before[name]) for name, value in case.model.state_dict().items())
    assert all(parameter.grad is None for parameter in case.model.parameters())


def test_progress_counts_every_pass(case: SimpleNamespace) -> None:
    seen: list[tuple[int, int]] = []
    run = case.traces["ways"].id
    asked(
        case,
        query="pathways/hubs",
        parameters={"run": run},
        batch=3,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (8 * 8, 8 * 8)  # untouched, the answer, and two draws of each control
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.slow
@pytest.mark.parametrize("owned", (False, True))
@pytest.mark.parametrize("kind", ("neurons", "edges"))
def test_p_values_hold_for_answers_that_are_draws(
    kind: str, owned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 150 random answers a tenth have p <= .1 and half p <= .5, within three standard deviations."""
    monkeypatch.setattr(ablation, "CONTROLS", ("random",))
    model, shape = nets.made("plain", seed=3)
    network, images = take_apart(model, shape), TensorImages(nets.images(shape, 6, seed=0).float())
    possible = sorted(edges_into(Circuit(network), 2, nets.images(shape, 1, seed=1)))
    random = np.random.default_rng(0)
    found = []
    for number in range(150):
        rows = [drawn(network, possible, kind, random) for _ in range(6 if owned else 1)]
        frame = pd.concat(rows, keys=images.rows()["sample"].to_pylist()[: len(rows)], names=["sample"])
        frame = frame.reset_index("sample") if owned else frame
        answer = AnswerReader(network, 0, images.rows()["sample"].to_numpy(), pd.Series()).read(
            frame, None, shared=False
        )
        run = ablation.Ablation(
            network, images, answer, AblationPlan("remove", "zero", "own", 9, number), None
        )
        outcomes = run.run(as_progress(None))
        change = [np.abs(outcomes.change(one, "logit")).mean() for one in outcomes.controls["random"]]
        own = float(np.abs(outcomes.change(outcomes.answer, "logit")).mean())
        found.append(p_value(own, np.array(change), less=False))
    for level in (0.1, 0.5):
        wrong = 3 * (level * (1 - level) / 150) ** 0.5
        assert np.mean(np.array(found) <= level + 1e-9) == pytest.approx(level, abs=wrong)


def drawn(
    network: Network, possible: list[tuple[int, int]], kind: str, random: np.random.Generator
) -> pd.DataFrame:
    """Three neurons of the first layer, or six edges into the second, by hand."""
    one, two = network.sites[1:3]
    if kind == "neurons":
        return pd.DataFrame({"neuron": random.choice(one.size, 3, replace=False) + one.offset})
    rows = np.array(possible)[random.choice(len(possible), 6, replace=False)]
    return pd.DataFrame({"source": rows[:, 0], "target": rows[:, 1] + two.offset})


def test_an_open_store_stays_open_and_a_path_is_opened(case: SimpleNamespace) -> None:
    options = {"query": "pathways/hubs", "parameters": {"run": case.traces["ways"].id}}
    one = asked(case, **options)
    two = asked(case, **options, store=case.store.path)
    assert one.id == two.id and isinstance(case.store, Store)
    assert str(one) == one.words


def test_all_of_a_query_is_ablated_and_a_limit_of_the_user_is_told(
    case: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header's default of 1,000 rows is for reading a page: it once decided what was ablated."""
    given = {"run": case.traces["ways"].id, "min_categories": 1}
    query = "categories/shared_edges"
    every = case.store.query(query, **given, limit="all")
    whole = asked(case, query=query, parameters=given)
    monkeypatch.setitem(queries.find(query).parameters["limit"].__dict__, "default", 5)
    assert len(every) > 5 and row(asked(case, query=query, parameters=given))["size"] == row(whole)["size"]
    assert row(whole)["size"] == len(every) and "part" not in whole.words
    assert whole.parameters["limit"] == "all" and whole.table.attrs["limit_reached"] is False
    cut = asked(case, query=query, parameters={**given, "limit": 7})
    assert row(cut)["size"] == 7 and cut.table.attrs["limit_reached"] is True
    assert cut.words.startswith("Of the query's answer only a part was ablated: limit=7 was reached")
    ranked = {"k": 1, "runs": [case.traces["ways"].id]}
    each = asked(case, query="pathways/largest", by="sample", parameters=ranked)
    assert "k=1 was reached" in each.words and each.by == "sample"
