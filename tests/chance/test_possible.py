"""Which edges a trace says are possible: counted, tested and drawn from, and every traced edge is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphpath as gp
from graphpath.chance.possible import PossibleEdges, read_possible_edges
from graphpath.errors import RecordError
from tests.synthetic import write_trace
from tests.tracing import harness, nets

NAMES = ("plain", "groups_and_depthwise", "residual", "concatenations", "max_pool_overlapping", "moves")


def traced(name: str, folder: Path, **options: object) -> gp.Trace:
    model, shape = nets.made(name)
    return gp.trace(model.float(), nets.images(shape, 2, 0).float(), out=folder, **options)


@pytest.mark.parametrize("method", sorted(gp.METHODS))
@pytest.mark.parametrize("name", NAMES)
def test_every_traced_edge_is_possible(name: str, method: str, tmp_path: Path) -> None:
    options = {**harness.QUICK.get(method, {}), "labels": [0, 1]}
    trace = traced(name, tmp_path / "trace", method=method, max_edges=None, **options)
    reach, edges = read_possible_edges(trace), trace.edges().to_table().to_pandas()
    for layer, rows in edges.groupby("layer"):
        assert reach[layer].has(rows.source.to_numpy(), rows.target.to_numpy()).all()


@pytest.mark.parametrize("name", NAMES)
def test_drawn_edges_are_different_and_possible_and_uniform(name: str, tmp_path: Path) -> None:
    reach, random = read_possible_edges(traced(name, tmp_path / "trace")), np.random.default_rng(0)
    for layer in reach.values():
        source, target = layer.list_all()
        assert len(np.unique(layer.encode(source, target))) == len(source) == layer.count
        assert layer.has(source, target).all()
        if not layer.count:
            continue
        order = np.sort(layer.encode(source, target))
        for count in {1, layer.count // 3, layer.count}:
            drawn = layer.encode(*layer.draw(count, random))
            assert len(np.unique(drawn)) == count
            assert np.isin(drawn, order).all()
        few = max(1, layer.count // 4)
        hits = np.concatenate(
            [np.searchsorted(order, layer.encode(*layer.draw(few, random))) for _ in range(200)]
        )
        seen = np.bincount(hits, minlength=layer.count)
        mean, spread = 200 * few / layer.count, np.sqrt(200 * few / layer.count * (1 - few / layer.count))
        assert (abs(seen - mean) <= 6 * spread + 1e-9).all()


def test_what_is_impossible_is_not_there(tmp_path: Path) -> None:
    for reach in read_possible_edges(traced("groups_and_depthwise", tmp_path / "trace")).values():
        layer: PossibleEdges = reach
        for source in {term.source.number: term.source for term in layer.terms}.values():
            ends = np.meshgrid(
                source.offset + np.arange(source.size), layer.layer.offset + np.arange(layer.layer.size)
            )
            assert layer.has(*ends).sum() == sum(t.count for t in layer.terms if t.source is source)


def test_the_graph_holds_the_counts(tmp_path: Path) -> None:
    trace = traced("residual", tmp_path / "trace")
    with gp.open(tmp_path / "store.lbdb") as store:
        store.load(trace)
        layers = store.cypher("MATCH (l:Layer) RETURN l.number AS layer, l.possible AS possible")
    assert dict(zip(layers.layer, layers.possible, strict=True)) == {
        number: layer.count for number, layer in read_possible_edges(trace).items()
    }


def test_a_trace_that_does_not_say_is_refused(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "old", reach=False)
    assert "reach" not in trace.counts and trace.reach().count_rows() == 0
    with pytest.raises(RecordError, match="trace again"):
        read_possible_edges(trace)
    with gp.open(tmp_path / "store.lbdb") as store:
        store.load(trace)
        assert store.query("categories/similarity").expected_J.isna().all()


def test_a_reach_that_is_gone_is_missed(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace")
    trace.files("reach")[0].unlink()
    with pytest.raises(RecordError, match="missing"):
        gp.Trace(trace.path)
