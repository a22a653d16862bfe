"""The method ``channels``: its record, its budget, and the roll-up that it fills."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import graphpath as gp
from graphpath.tracing.batch import Batch
from graphpath.tracing.maps import score_map_pathways
from graphpath.tracing.methods import channels
from graphpath.tracing.targets import Target
from tests.tracing import harness, nets
from tests.tracing.harness import residual
from tests.tracing.test_record import SINGLE_PRECISION, files, single, tables

SOME = ("plain", "norm_folded", "residual", "concatenations", "max_pool_overlapping", "logits_of_an_average")
Ends = tuple[int, int]


def frame(trace: gp.Trace, name: str) -> pd.DataFrame:
    return trace.dataset(name).to_table().to_pandas()


# --- the record --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_edges_between_maps_sum_an_unbudgeted_traces_neuron_edges(name: str, tmp_path: Path) -> None:
    """Scores; flows into neurons that are dead or of no account are in no neuron's pathway."""
    model, images = single(name, seed=3)
    ask = {"max_edges": None, "dataset": "d"}
    neurons = gp.trace(model, images, method="activation", sparsity=0.0, **ask, out=tmp_path / "neurons")
    maps = gp.trace(model, images, method="channels", **ask, out=tmp_path / "maps")
    layers, edges, ours = frame(neurons, "layers"), frame(neurons, "edges"), frame(maps, "channels")
    for end in ("source", "target"):
        layer = np.searchsorted(layers.offset, edges[end], side="right") - 1
        plane = (layers.height * layers.width).to_numpy()[layer]
        edges[end] -= (edges[end] - layers.offset.to_numpy()[layer]) % plane
    names = [dict(zip(frame(t, "pathways").pathway, range(3), strict=True)) for t in (neurons, maps)]
    edges["pathway"], ours["pathway"] = edges.pathway.map(names[0]), ours.pathway.map(names[1])
    keys = ["pathway", "source", "target", "layer"]
    wanted = edges.astype({"score": float}).groupby(keys).score.agg(["sum", lambda s: s.abs().sum()])
    wanted.columns = ["sum", "size"]
    both = wanted.join(ours.set_index(keys).score, how="outer").fillna(0)
    scale = both["size"].groupby("pathway").max().reindex(both.index, level=0)
    assert ((both["sum"] - both.score).abs() <= SINGLE_PRECISION * scale).all()
    assert len(ours) > 0


@pytest.mark.parametrize(
    "target", ["predicted", (0, 2), gp.at("2", 1), gp.at("6", 3)], ids=["class", "contrast", "map", "neuron"]
)
def test_the_record_keeps_the_laws(target: Target, tmp_path: Path) -> None:
    """Edges and constants that cross a cut sum to f."""
    model, images = single("plain")
    trace = gp.trace(model, images, method="channels", target=target, max_edges=None, out=tmp_path / "t")
    edges, layers, balance = (frame(trace, name) for name in ("channels", "layers", "balance"))
    edges["from"] = np.searchsorted(layers.offset, edges.source, side="right") - 1
    last = int(edges.layer.max())
    for pathway in frame(trace, "pathways").itertuples():
        mine = edges[edges.pathway == pathway.pathway].astype({"score": float})
        rows = balance[balance.pathway == pathway.pathway].sort_values("layer")
        for cut in range(1, last + 1):
            crossing = mine[(mine["from"] < cut) & (mine.layer >= cut)].score
            total = crossing.sum() + rows.bias[cut:].sum()
            terms = crossing.abs().sum() + rows.bias[cut:].abs().sum()
            assert residual(total, pathway.logit, terms) < SINGLE_PRECISION
        counted = mine.groupby("layer").score.agg(["size", lambda s: s.abs().sum()])
        for table in ("all", "kept"):
            ours = rows.set_index("layer")[[f"edges_{table}", f"abs_{table}"]].loc[counted.index]
            np.testing.assert_allclose(ours, counted, rtol=SINGLE_PRECISION)
        assert (pathway.edges, pathway.neurons, pathway.coverage) == (len(mine), 0, 1)


def test_there_are_no_neurons_in_it(tmp_path: Path) -> None:
    model, images = single("residual")
    trace = gp.trace(model, images, method="channels", routes=5, out=tmp_path / "t")
    found = tables(trace)
    assert all(len(found[name]) == 0 for name in ("edges", "visits", "routes", "steps"))
    edges, layers = frame(trace, "channels"), found["layers"]
    assert trace.counts["channels"] == len(edges) > 0
    for end in ("source", "target"):
        layer = np.searchsorted(layers.offset, edges[end], side="right") - 1
        plane = (layers.height * layers.width).to_numpy()[layer]
        assert ((edges[end] - layers.offset.to_numpy()[layer]) % plane == 0).all()  # the maps' first neurons
    assert (layer == edges.layer).all()
    assert not edges.duplicated(["pathway", "source", "target"]).any()
    assert (edges.score != 0).all()
    for _, mine in edges.groupby("pathway"):
        assert sorted(mine["rank"]) == list(range(1, len(mine) + 1))


def test_batches_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, shape = nets.made("residual", 2)
    images = nets.images(shape, 5, 1)
    ask = {"method": "channels", "max_edges": 40}
    whole = frame(gp.trace(model, images, batch=5, **ask, out=tmp_path / "a"), "channels")
    parts = frame(gp.trace(model, images, batch=2, **ask, out=tmp_path / "b"), "channels")
    order = ["pathway", "rank"]
    pd.testing.assert_frame_equal(
        parts.sort_values(order, ignore_index=True), whole.sort_values(order, ignore_index=True), rtol=1e-6
    )
    monkeypatch.setattr(channels, "MEMORY", 1)  # image by image within the batch
    gp.trace(model, images, batch=5, **ask, out=tmp_path / "c")
    alone = frame(gp.Trace(tmp_path / "c"), "channels")
    pd.testing.assert_frame_equal(
        alone.sort_values(order, ignore_index=True), whole.sort_values(order, ignore_index=True), rtol=1e-6
    )


def test_twice_the_same(tmp_path: Path) -> None:
    model, images = single("concatenations")
    for name in ("one", "two"):
        gp.trace(model, images, method="channels", max_edges=30, out=tmp_path / name)
    assert files(tmp_path / "one") == files(tmp_path / "two")


# --- the budget --------------------------------------------------------------------------


def little(name: str) -> tuple[nn.Module, Tensor]:
    if name == "chain":
        layers = [
            nn.Conv2d(1, 3, 2),
            nn.ReLU(),
            nn.Conv2d(3, 3, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12, 3),
        ]
        return nets.randomised(nn.Sequential(*layers), 3), nets.images((1, 4, 4), 4, 5)
    model, shape = nets.made(name, 6)
    return model, nets.images(shape, 2, 8)


@cache
def case(
    name: str, target: Target = "predicted"
) -> tuple[Batch, list[dict[Ends, float]], list[dict[Ends, float]]]:
    """A batch, and for each image the |score| of its edges between maps, and the strength of each."""
    model, images = little(name)
    batch, _ = harness.held(model, images, target)
    selection = channels.select(batch)
    maps, scores = selection.planes, []
    for image in range(batch.held.images):
        mine: dict[Ends, float] = {}
        for part in selection.edges:
            here = part.sample == image
            ends = zip(part.source[here].tolist(), part.target[here].tolist(), strict=True)
            mine |= dict(zip(ends, part.score[here].abs().tolist(), strict=True))
        scores.append({ends: score for ends, score in mine.items() if score > 0})
    pixels = set(range(maps.count)[maps.of_site(batch.compiled.sites[0])])
    goal = set(range(maps.count)[maps.of_site(batch.goal)])
    strengths = []
    for image, mine in enumerate(scores):
        given = constants(batch, image)
        starts = dict.fromkeys(pixels, np.inf) | {m: g for m, g in given.items() if m not in pixels}
        strengths.append(by_routes(mine, starts, goal))
    return batch, scores, strengths


def constants(batch: Batch, image: int) -> dict[int, float]:
    """What each map's constants give to f, summed by loops."""
    found, number = {}, 0
    ours = harness.numbers(batch, image)
    for site in batch.compiled.sites:
        plane = site.shape[1] * site.shape[2]
        for channel in range(site.shape[0]):
            neurons = range(site.offset + channel * plane, site.offset + (channel + 1) * plane)
            found[number] = abs(sum(float(ours.b[n] * ours.before[n]) for n in neurons))
            number += 1
    return found


def by_routes(edges: dict[Ends, float], starts: dict[int, float], goal: set[int]) -> dict[Ends, float]:
    """Every route enumerated: an edge's strength is the best, over routes, of the weakest on the way."""
    best = dict.fromkeys(edges, 0.0)

    def onward(at: int, weakest: float, taken: list[Ends]) -> None:
        if at in goal:
            for edge in taken:
                best[edge] = max(best[edge], weakest)
            return
        for edge in edges:
            if edge[0] == at:
                onward(edge[1], min(weakest, edges[edge]), [*taken, edge])

    for start, given in starts.items():
        if given > 0:
            onward(start, given, [])
    return best


CASES = [("chain", "predicted"), ("chain", (0, 2)), ("chain", gp.at(2, 1)), ("sums", "predicted")]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_strengths_are_those_of_the_best_route(name: str, target: Target) -> None:
    batch, scores, wanted = case(name, target)
    found = score_map_pathways(batch, channels.select(batch), None).maps
    first = channels.select(batch).planes.first.tolist()
    for image, (mine, strength) in enumerate(zip(scores, wanted, strict=True)):
        here = found.sample == image
        ends = list(zip(found.source[here].tolist(), found.target[here].tolist(), strict=True))
        assert sorted(ends) == sorted((first[s], first[t]) for s, t in mine)
        by_ends = {(first[s], first[t]): value for (s, t), value in strength.items()}
        ranked = [by_ends[edge] for edge in ends]
        assert all(a >= b - 1e-12 for a, b in pairwise(ranked))


@pytest.mark.parametrize("budget", (1, 2, 3, 5, 8, 13, 1000))
@pytest.mark.parametrize(("name", "target"), CASES)
def test_a_budget_keeps_the_strongest_on_whole_routes(name: str, target: Target, budget: int) -> None:
    batch, _, wanted = case(name, target)
    selection = channels.select(batch)
    found = score_map_pathways(batch, selection, budget).maps
    number = {n: m for m, n in enumerate(selection.planes.first.tolist())}
    goal = set(range(selection.planes.count)[selection.planes.of_site(batch.goal)])
    pixels = batch.compiled.sites[0].shape[0]
    for image, strength in enumerate(wanted):
        here = found.sample == image
        ends = zip(found.source[here].tolist(), found.target[here].tolist(), strict=True)
        kept = [(number[s], number[t]) for s, t in ends]
        assert len(kept) == len(set(kept)) <= budget
        live = sorted((value for value in strength.values() if value > 0), reverse=True)
        if len(live) <= budget:
            assert len(kept) == len(live)
        elif live:
            # Nothing stronger than what does not fit is missing, nothing weaker is there.
            assert {e for e, v in strength.items() if v > live[budget] + 1e-12} <= set(kept)
            assert all(strength[edge] >= live[budget - 1] - 1e-12 for edge in kept)
        given = constants(batch, image)
        entered, left = {t for _, t in kept}, {s for s, _ in kept}
        for source, target_map in kept:
            assert (
                source < pixels or source in entered or given[source] >= strength[source, target_map] - 1e-12
            )
            assert target_map in goal or target_map in left


def test_the_budget_is_told(tmp_path: Path) -> None:
    model, images = single("residual")
    trace = gp.trace(model, images, method="channels", max_edges=9, out=tmp_path / "t")
    balance, pathways = frame(trace, "balance"), frame(trace, "pathways").set_index("pathway")
    kept = frame(trace, "channels").groupby("pathway").size()
    assert (kept <= 9).all()
    sums = balance.groupby("pathway")[["edges_all", "edges_kept", "abs_all", "abs_kept"]].sum()
    assert (sums.edges_kept == kept).all()
    assert (sums.edges_all > kept).all()
    np.testing.assert_allclose(pathways.coverage, sums.abs_kept / sums.abs_all, rtol=1e-6)


# --- a store -----------------------------------------------------------------------------


def test_it_fills_map_flows_without_neurons(tmp_path: Path) -> None:
    model, images = single("residual", seed=5)
    labels = model.eval()(images).argmax(1)
    trace = gp.trace(model, images, labels, method="channels", target="label", out=tmp_path / "t")
    store = gp.open(tmp_path / "s.lbdb")
    store.load(trace)
    assert store.cypher("MATCH (n:Neuron) RETURN count(*) AS n").n[0] == 0
    classes = store.cypher("MATCH (c:ClassPathway) RETURN c.id AS id, c.samples AS samples ORDER BY id")
    assert classes.samples.sum() == 3
    flows = store.cypher(
        """MATCH (a:FeatureMap)-[r:MAP_FLOWS_TO]->(b:FeatureMap)
        RETURN a.id AS source, b.id AS target, r.score AS score, r.support AS support"""
    )
    wanted = frame(trace, "channels").astype({"score": float}).groupby(["source", "target"])
    assert flows.support.sum() == wanted.size().sum()
    total = flows.groupby(["source", "target"]).score.sum()
    np.testing.assert_allclose(total, wanted.score.sum(), rtol=1e-6, atol=1e-9)
    drawn = store.graph("browse/class_maps", class_pathway=int(classes.id[0]), limit=7)
    assert drawn.number_of_edges() == 7
    store.close()


def test_no_network_is_too_deep_for_it() -> None:
    """Twenty layers: scores of one cut still sum to f."""
    layers: list[nn.Module] = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()]
    for _ in range(18):
        layers += [nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.ReLU()]
    model = nets.randomised(nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 3, bias=False)), 0)
    batch, _ = harness.held(model, nets.images((1, 4, 4), 2, 0))
    for part in channels.select(batch).edges[1:]:
        total = torch.zeros(2, dtype=torch.float64).index_add_(0, part.sample, part.score)
        torch.testing.assert_close(total, batch.held.value, rtol=1e-10, atol=0)
