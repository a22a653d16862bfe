"""The method ``diffusion``: what it selects, against a slow twin; pathways, routes, crosses and refusals."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import graphpath as gp
from graphpath.errors import MethodError
from graphpath.tracing.batch import Batch
from graphpath.tracing.diffusion.pixels import parse_pixels
from graphpath.tracing.diffusion.plan import find_last_maps
from graphpath.tracing.diffusion.units import compute_units
from graphpath.tracing.methods import diffusion
from graphpath.tracing.pathways import Pathways, score_pathways
from tests.tracing import harness, nets
from tests.tracing import twins as whole_network
from tests.tracing.diffusion import twins

SEEDS = (0, 1, 2)
SIGNED = ["plain", "residual", "concatenations", "norm_alone", "max_pool_overlapping", "stride_and_dilation"]
SIGNED += ["groups_and_depthwise", "average_pool_padded", "pool_of_pool", "input_read_by_many"]
PLUS_ONE = ["groups_and_depthwise", "stride_and_dilation", "convolution_added_to_itself", "relu_spellings"]
"""Nets without batch norm and pools, whose dense matrices with 1 + w can be had by adding 1 to weights."""


def case(name: str, seed: int, count: int = 2) -> tuple[nn.Module, Tensor, Batch, list[whole_network.Twin]]:
    model, shape = nets.made(name, seed)
    images = nets.images(shape, count, seed)
    batch, _ = harness.held(model, images)
    return model, images, batch, [whole_network.take_apart(model, image) for image in images]


def plus_one(model: nn.Module, image: Tensor) -> list[np.ndarray]:
    """The dense matrices of a network with 1 added to every weight."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for module in other.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight += 1
    return [site.jacobian for site in whole_network.take_apart(other, image).sites]


def ends_of(batch: Batch) -> dict[int, set[int]]:
    last = find_last_maps(batch.compiled.network)
    return {site.number: set(range(site.offset, site.offset + site.size)) for site in last}


def edges_of(batch: Batch, selection: Any) -> list[set[whole_network.Edge]]:
    return [set(edges.by_ends()) for edges in harness.selected(batch, selection)]


def bright(image: Tensor) -> list[int]:
    return [p for p in range(image[0].numel()) if float(image.flatten(1)[:, p].max()) > 0.1]


# --- what is selected --------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SIGNED)
def test_the_edges_that_carry_most_between_large_maps(name: str, seed: int) -> None:
    _, images, batch, pair = case(name, seed)
    for top, limit in ((1, 10_000), (2, 25), (5, 10_000)):
        ours = edges_of(batch, diffusion.select(batch, top=top, per_layer=limit))
        for image, twin, edges in zip(images, pair, ours, strict=True):
            weights = [site.jacobian for site in twin.sites]
            sections = twins.spread(twin, weights, image, bright(image), unit=False)
            mass = twins.mass(twin, sections, True, top, {0})
            assert edges == twins.carriers(twin, weights, mass, ends_of(batch), limit)
    assert any(ours)  # with five maps a layer; with one, large maps of neighbouring layers may not meet


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", PLUS_ONE)
@pytest.mark.parametrize("init", ["intensity", "unit"])
def test_plus_one_selects_by_its_own_kernel(name: str, seed: int, init: str) -> None:
    model, images, batch, pair = case(name, seed)
    pixels = [3, 7, 11]
    found = diffusion.select(batch, kernel="plus_one", init=init, pixels=pixels, top=2, per_layer=60)
    for image, twin, edges in zip(images, pair, edges_of(batch, found), strict=True):
        weights = plus_one(model, image)
        sections = twins.spread(twin, weights, image, pixels, unit=init == "unit")
        mass = twins.mass(twin, sections, False, 2, {0})
        assert edges == twins.carriers(twin, weights, mass, ends_of(batch), 60)


@pytest.mark.parametrize("name", ["plain", "residual", "concatenations"])
def test_through_the_logits(name: str) -> None:
    _, images, batch, pair = case(name, 1)
    found = diffusion.select(batch, through="logits", pixels="all", top=2)
    goal = batch.compiled.sites[-1]
    for row, (image, twin, edges) in enumerate(zip(images, pair, edges_of(batch, found), strict=True)):
        weights = [site.jacobian for site in twin.sites]
        sections = twins.spread(twin, weights, image, list(range(image[0].numel())), unit=False)
        mass = twins.mass(twin, sections, True, 2, {0, goal.number})
        ends = {goal.number: {goal.offset + int(batch.held.seed[row].argmax())}}
        assert edges == twins.carriers(twin, weights, mass, ends, 10_000)


def test_flow_and_score_are_those_of_every_method() -> None:
    _, _, batch, pair = case("plain", 0)
    selection = diffusion.select(batch, kernel="plus_one")
    found = score_pathways(batch, selection, None, 0).edges
    for image, twin in enumerate(pair):
        before = harness.numbers(batch, image).before
        flows = twin.flows()
        mine = found.sample == image
        columns = (found.source[mine], found.target[mine], found.flow[mine], found.score[mine])
        for source, target, flow, score in zip(*columns, strict=True):
            assert flow == pytest.approx(flows[source, target], rel=1e-12)
            assert score == pytest.approx(flows[source, target] * before[target], rel=1e-12)


def test_what_there_was_is_told_beside_what_was_kept() -> None:
    _, _, batch, _ = case("plain", 0)
    every = score_pathways(batch, diffusion.select(batch), None, 0).balance
    some = score_pathways(batch, diffusion.select(batch, per_layer=20), None, 0).balance
    assert (some.edges_kept <= 20).all() and (every.edges_all[:, 1] > 20).all()
    assert (some.edges_all[:, 1] == every.edges_all[:, 1]).all()
    assert some.abs_all[:, 1] == pytest.approx(every.abs_all[:, 1])
    assert (some.abs_kept <= some.abs_all + 1e-12).all()


# --- routes and budgets ------------------------------------------------------------------


def every_route(
    twin: whole_network.Twin, edges: set[whole_network.Edge], ends: set[int]
) -> dict[tuple[int, ...], float]:
    """Every route of the edges from a pixel to an end, with its contribution to the end's output."""
    gate = np.concatenate([site.gate for site in twin.sites])
    weight, before = twin.weights(), {}
    for source, target in sorted(edges):
        before.setdefault(target, []).append(source)
    found: dict[tuple[int, ...], float] = {}

    def back(neuron: int, after: tuple[int, ...], product: float) -> None:
        chain = (neuron, *after)
        if neuron < twin.sites[0].size:
            found[chain] = product * float(twin.a[neuron])
            return
        for source in before.get(neuron, []):
            back(source, chain, product * float(gate[neuron]) * weight[source, neuron])

    for end in ends:
        back(end, (), 1.0)
    return {chain: value for chain, value in found.items() if len(chain) > 1}


@pytest.mark.parametrize("name", ["plain", "residual"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_largest_routes_run_from_a_pixel_to_a_feature_map(name: str, seed: int) -> None:
    _, _, batch, pair = case(name, seed)
    selection = diffusion.select(batch, top=2, per_layer=40)
    found = score_pathways(batch, selection, 15, 12)
    for image, (twin, edges) in enumerate(zip(pair, edges_of(batch, selection), strict=True)):
        ends = set().union(*ends_of(batch).values())
        routes = every_route(twin, edges, ends)
        best = sorted((abs(value) for value in routes.values()), reverse=True)[:12]
        assert logs(found, image) == pytest.approx(np.log10(best), abs=1e-9)
        for chain, sign in chains(found, image):
            assert np.sign(routes[chain]) == sign
        kept = set(zip(*(c[found.edges.sample == image].tolist() for c in columns(found)), strict=True))
        assert 0 < len(kept) <= 15
        whole = every_route(twin, kept, ends)
        assert set().union(*(itertools.pairwise(chain) for chain in whole)) == kept


def columns(found: Pathways) -> tuple[np.ndarray, np.ndarray]:
    return found.edges.source, found.edges.target


def logs(found: Pathways, image: int) -> np.ndarray:
    return found.routes.log10_abs[found.routes.sample == image]


def chains(found: Pathways, image: int) -> list[tuple[tuple[int, ...], int]]:
    routes = found.routes
    return [
        (tuple(routes.neuron[routes.route == route].tolist()), int(routes.sign[route]))
        for route in np.flatnonzero(routes.sample == image)
    ]


# --- the record --------------------------------------------------------------------------


def traced(path: Path, model: nn.Module, images: Tensor, **options: Any) -> gp.Trace:
    return gp.trace(model, images, method="diffusion", out=path, **options)


def frame(trace: gp.Trace, name: str) -> pd.DataFrame:
    return trace.dataset(name).to_table().to_pandas()


@pytest.mark.parametrize("kernel", ["signed", "plus_one"])
def test_crosses_hold_the_largest_maps_of_each_pixel(kernel: str, tmp_path: Path) -> None:
    model, images, batch, pair = case("groups_and_depthwise", 0)
    trace = traced(tmp_path / "t", model, images, kernel=kernel, top=2, pixels=[[1, 2], [4, 4], [0, 5]])
    crosses, layers = frame(trace, "crosses"), frame(trace, "layers")
    unit = trace.run["crosses"]["log2_unit"] if kernel == "plus_one" else [0] * len(layers)
    assert list(unit) == list(compute_units(batch.compiled.network, kernel))
    start = int(layers.offset[0])
    wanted = []
    for image, twin, pathway in zip(images, pair, frame(trace, "pathways").pathway, strict=True):
        weights = [s.jacobian for s in twin.sites] if kernel == "signed" else plus_one(model, image)
        places = [5, 8, 28]
        for place, section in zip(places, twins.spread(twin, weights, image, places, False), strict=True):
            for site in twin.sites[: find_last_maps(batch.compiled.network)[0].number + 1]:
                found = twins.sizes(site, section, kernel == "signed")
                for rank, channel in enumerate(twins.large(found, 2 if site.number else 4), start=1):
                    wanted.append((pathway, start + place, site.number, channel, rank, found[channel]))
    key = ["pathway", "pixel", "layer", "channel", "rank"]
    assert [tuple(row) for row in crosses[key].to_numpy()] == [row[:5] for row in sorted(wanted, key=ordered)]
    told = np.array([row[5] / 2.0 ** unit[row[2]] for row in sorted(wanted, key=ordered)])
    assert crosses["size"].to_numpy() == pytest.approx(told, rel=1e-5)
    assert crosses["signed"].abs().le(crosses["size"] * (1 + 1e-5)).all()


def ordered(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[0], row[1], row[2], row[4]


def test_every_map_that_is_reached_on_request(tmp_path: Path) -> None:
    model, images, _, _ = case("plain", 2)
    some = frame(traced(tmp_path / "some", model, images, top=1), "crosses")
    every = frame(traced(tmp_path / "every", model, images, top=1, every_map=True), "crosses")
    key = ["pixel", "layer", "channel", "size", "rank"]
    large = every[(every["rank"] == 1) | (every.layer == 0)]
    assert large[key].reset_index(drop=True).equals(some[key].reset_index(drop=True))
    assert len(every) > len(some) and (every["size"] > 0).all()
    assert every.groupby(["pathway", "pixel", "layer"])["rank"].max().max() == 4


def test_a_pathway_for_each_pixel(tmp_path: Path) -> None:
    model, images, _, _ = case("plain", 1, count=3)
    images[1, :, 2, 2] = 0.0
    options: dict[str, Any] = {"top": 2, "max_edges": None, "routes": 3}
    single = {}
    for place in ([1, 1], [2, 2]):
        trace = traced(tmp_path / f"{place}", model, images, pixels=[place], **options)
        single[tuple(place)] = trace
    both = traced(tmp_path / "both", model, images, pixels=[[1, 1], [2, 2]], per_pixel=True, **options)
    start = int(frame(both, "layers").offset[0])
    paths, samples = frame(both, "pathways"), frame(both, "samples")["sample"].tolist()
    assert paths["sample"].tolist() == [s for s in samples for _ in range(2)]
    assert paths["origin"].tolist() == [start + 6, start + 12] * 3
    assert (paths.edges[paths.origin == start + 6] > 0).all()
    assert int(paths.edges.iloc[3]) == 0  # a black pixel
    for (y, x), trace in single.items():
        mine = paths[paths.origin == start + y * 5 + x]
        renamed = dict(zip(frame(trace, "pathways").pathway, mine.pathway, strict=True))
        for name in ("edges", "visits", "crosses", "balance"):
            ours, theirs = frame(both, name), frame(trace, name)
            ours = ours[ours.pathway.isin(mine.pathway)].reset_index(drop=True)
            pd.testing.assert_frame_equal(ours, theirs.assign(pathway=theirs.pathway.map(renamed)))
    routes = frame(both, "routes")
    assert routes.route.is_unique
    assert set(routes.pathway) == set(paths.pathway[paths.edges > 0])


def test_the_record_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    model, images, _, _ = case("residual", 0, count=4)
    images[2] = 0.05  # no foreground: no pathway
    options: dict[str, Any] = {"per_pixel": True, "threshold": 0.7}
    one, many = (traced(tmp_path / str(n), model, images, batch=n, **options) for n in (1, 4))
    for name in ("pathways", "edges", "visits", "crosses", "routes", "steps", "balance"):
        key = list(frame(one, name).columns)
        ours, theirs = (frame(t, name).sort_values(key[:3]).reset_index(drop=True) for t in (one, many))
        pd.testing.assert_frame_equal(ours, theirs)
    assert len(frame(one, "samples")) == 4
    assert frame(one, "pathways")["sample"].nunique() == 3


def test_a_target_inside_the_network_ends_there(tmp_path: Path) -> None:
    model, images, batch, _ = case("plain", 0)
    first = batch.compiled.sites[1]
    live = int(batch.held.output[:, first.span].view(2, 3, -1).sum((0, 2)).argmax())
    trace = traced(tmp_path / "t", model, images, target=gp.at(first.name, live), pixels="all", top=1)
    edges, layers = frame(trace, "edges"), frame(trace, "layers")
    assert set(edges.layer) == {1}
    size = first.shape[1] * first.shape[2]
    assert set((edges.target - int(layers.offset[1])) // size) == {live}
    assert set(frame(trace, "crosses").layer) == {0, 1}


# --- options -----------------------------------------------------------------------------


def test_pixels_as_they_may_be_written() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = mask[2, 0] = True
    assert parse_pixels(mask) == parse_pixels(torch.from_numpy(mask)) == [[1, 2], [2, 0]]
    assert parse_pixels(((2, 0), (1, 2), (1, 2))) == [[1, 2], [2, 0]]
    assert parse_pixels(np.array([7, 3])) == parse_pixels([7, 3, 3]) == [3, 7]
    assert parse_pixels("all") == "all"


@pytest.mark.parametrize(
    "pixels", [[], [[1, 2], 3], [[1, 2, 3]], [1.5], [True], np.zeros((2, 2, 2), bool), 4, np.zeros((3, 3))]
)
def test_what_is_no_pixels_is_refused(pixels: Any) -> None:
    with pytest.raises(MethodError, match="pixels"):
        parse_pixels(pixels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixels": "bright"}, "pixels='bright'"),
        ({"pixels": [[5, 0]]}, r"\[5, 0\] lies outside the images of 5 x 5"),
        ({"pixels": [25]}, "25 lies outside"),
        ({"kernel": "absolute"}, "kernel='absolute' is unknown; expected one of signed, plus_one"),
        ({"init": "zero"}, "init='zero'"),
        ({"through": "all"}, "through='all'"),
        ({"top": 0}, "top=0"),
        ({"per_layer": 0}, "per_layer=0"),
        ({"top": 2.5}, "top=2.5"),
        ({"brightness": 1}, "takes no option 'brightness'"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    model, images, _, _ = case("plain", 0)
    with pytest.raises(MethodError, match=message):
        traced(tmp_path / "t", model, images, **options)
    assert not (tmp_path / "t").exists()


def test_more_than_64_pathways_of_an_image_are_refused(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(98, 2))
    with pytest.raises(MethodError, match="at most 64 pixels of an image, and 81 are chosen"):
        traced(tmp_path / "t", model, torch.ones(1, 1, 9, 9), per_pixel=True)
    with pytest.raises(MethodError, match="and 65 are chosen"):
        traced(tmp_path / "u", model, torch.ones(1, 1, 9, 9), per_pixel=True, pixels=list(range(65)))
    assert not (tmp_path / "u").exists()


def test_a_network_without_feature_maps_is_refused_unless_by_its_logits(tmp_path: Path) -> None:
    model, images, _, _ = case("linear_only", 0)
    with pytest.raises(MethodError, match="no feature maps"):
        traced(tmp_path / "t", model, images)
    trace = traced(tmp_path / "u", model, images, through="logits")
    assert trace.counts["edges"] > 0 and frame(trace, "steps").position.max() == 3
