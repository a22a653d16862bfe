"""Methods that learn from all images first, and the thresholds and depth of effective paths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import graphpath as gp
from graphpath.errors import MethodError
from graphpath.stores.runs import comparison_key
from graphpath.tracing.batch import Batch
from graphpath.tracing.batches import Batches
from graphpath.tracing.fitting import Means, mark_right
from graphpath.tracing.methods import distilled, effective_path
from graphpath.tracing.units import Units
from tests.tracing import harness, nets, twins
from tests.tracing.test_methods import same

SEEDS = (0, 1, 2)
NAMES = ("plain", "residual", "concatenations", "norm_alone", "max_pool_overlapping")
UNLABELLED = -1


@cache
def case(name: str, seed: int) -> tuple[Batch, list[twins.Twin], list[int]]:
    model, shape = nets.made(name, seed=seed)
    batch, classes = harness.held(model, nets.images(shape, 3, seed=seed))
    return batch, [twins.take_apart(model, image) for image in batch.images], classes


def examples(batch: Batch, labels: list[int] | None = None) -> Iterator[tuple[Batch, Tensor]]:
    """A batch in two parts."""
    given = torch.tensor(labels or [UNLABELLED] * len(batch.images))
    for part in (torch.tensor([0]), torch.arange(1, len(batch.images))):
        yield batch.select(part), given[part]


def named(batch: Batch, numbers: dict[int, float]) -> dict[str, float]:
    return {batch.compiled.sites[number].name: value for number, value in numbers.items()}


# --- which images are examples -----------------------------------------------------------


def test_examples_are_rightly_predicted() -> None:
    """Label 0 is a label. Of an image traced for a class, the prediction is that class too."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 3, bias=False), nn.ReLU(), nn.Linear(3, 3, bias=False))
    with torch.no_grad():
        for layer in (model[1], model[3]):
            layer.weight.copy_(torch.eye(3))
    images = torch.eye(3).double().reshape(3, 3, 1, 1)  # predicted 0, 1, 2
    for target, labels, right in (
        ("predicted", [0, 1, 2], [True, True, True]),
        ("predicted", [0, 0, 0], [True, False, False]),
        ("predicted", [-1, -1, 0], [True, True, False]),
        (1, [0, 1, 2], [False, True, False]),
        (1, [-1, -1, -1], [False, True, False]),
        ((0, 1), [0, 1, 1], [True, True, False]),
        (gp.at(1, 0), [0, 2, -1], [True, False, True]),
    ):
        batch, _ = harness.held(model.double(), images, target)
        assert mark_right(batch, torch.tensor(labels)) == right


def test_means_are_of_right_images_where_there_are_any() -> None:
    means = Means()
    for key, value, right in (("a", 1.0, True), ("a", 9.0, False), ("b", 4.0, False), ("a", 2.0, True)):
        means.add(key, torch.tensor(value), right)
    means.add("b", torch.tensor(6.0), False)
    assert {key: (float(mean), count) for key, (mean, count) in means.list_means().items()} == {
        "a": (1.5, 2),
        "b": (5.0, 2),
    }


# --- absolute thresholds -----------------------------------------------------------------


@pytest.mark.parametrize("theta", (0.3, 0.9))
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "norm_alone"])  # equal neurons: ties
def test_thresholds_are_fitted_as_ptolemy_does(name: str, seed: int, theta: float) -> None:
    batch, trio, classes = case(name, seed)
    phi, psi = twins.fitted(list(zip(trio, classes, strict=True)), theta)
    found = effective_path.fit(examples(batch), theta=theta, phi="fitted")
    assert found["phi"] == pytest.approx(named(batch, phi), rel=1e-9)
    assert found["psi"] == pytest.approx(named(batch, psi), rel=1e-9)
    assert found["images"] == 3
    # A layer's one important neuron may lie on its threshold: a hair below it, both sides see it alike.
    phi, psi = ({number: v * (1 - 1e-9) for number, v in given.items()} for given in (phi, psi))
    found = {"phi": named(batch, phi), "psi": named(batch, psi)}
    for options, knobs in (
        ({"phi": "fitted"}, {"phi": phi}),
        ({"direction": "forward"}, {"psi": psi}),
        ({"phi": "fitted", "direction": "forward"}, {"phi": phi, "psi": psi}),
    ):
        ours = effective_path.select(batch, found, theta=theta, **options)
        unseen = {site.number: np.inf for site in trio[0].sites}
        filled = {knob: unseen | numbers for knob, numbers in knobs.items()}
        wanted = [twins.effective_path(t, c, theta, **filled) for t, c in zip(trio, classes, strict=True)]
        assert any(want.flow for want in wanted)
        same(batch, ours, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_one_threshold_for_all_layers(name: str) -> None:
    batch, trio, classes = case(name, 0)
    for phi, psi in ((0.0, 0.0), (0.05, 0.2), (0.3, 0.5), (5.0, 50.0)):
        everywhere = [dict.fromkeys(range(len(trio[0].sites)), value) for value in (phi, psi)]
        wanted = [twins.effective_path(t, c, 0.5, everywhere[0]) for t, c in zip(trio, classes, strict=True)]
        same(batch, effective_path.select(batch, phi=phi), wanted)
        wanted = [twins.effective_path(t, c, 0.5, *everywhere) for t, c in zip(trio, classes, strict=True)]
        same(batch, effective_path.select(batch, phi=phi, direction="forward", psi=psi), wanted)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_depth_stops_after_so_many_layers(name: str, seed: int) -> None:
    batch, trio, classes = case(name, seed)
    sizes = []
    for depth in range(1, 6):
        wanted = [twins.effective_path(t, c, 0.7, depth=depth) for t, c in zip(trio, classes, strict=True)]
        same(batch, effective_path.select(batch, theta=0.7, depth=depth), wanted)
        sizes.append(sum(len(want.flow) for want in wanted))
    assert sizes == sorted(sizes)
    whole = effective_path.select(batch, theta=0.7)
    deep = effective_path.select(batch, theta=0.7, depth=99)
    assert [len(block) for block in deep.blocks] == [len(block) for block in whole.blocks]
    assert (deep.first, effective_path.select(batch, depth=1).first) == (1, len(batch.compiled.sites) - 1)


def test_routes_of_a_part_start_at_the_outputs_before_it(tmp_path: Path) -> None:
    """The edges of the last layers, all within the budget on whole routes, and routes over them alone."""
    model, shape = nets.made("plain", seed=0)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.zero_()  # no constant that a route could start at
    images = nets.images(shape, 2, seed=0)
    part = gp.trace(model, images, theta=0.9, depth=2, max_edges=100_000, out=tmp_path / "part")
    free = gp.trace(model, images, theta=0.9, depth=2, max_edges=None, out=tmp_path / "free")
    assert part.counts["edges"] == free.counts["edges"] > 0
    layers = free.edges().to_table(columns=["layer"])["layer"].to_numpy()
    assert set(layers.tolist()) == {3, 4}
    steps = part.steps().to_table().to_pandas()
    assert part.counts["routes"] > 2
    assert set(steps.groupby("route").size()) == {3}
    offsets = part.layers().to_table().to_pandas()["offset"]
    starts = steps[steps.position == 0].neuron
    assert ((starts >= offsets[2]) & (starts < offsets[3])).all()
    # The contribution of a route is a_n times the weights: that of an edge into the logit's neurons.
    edges = part.edges().to_table().to_pandas()
    best = part.routes().to_table().to_pandas()
    assert np.isfinite(best.log10_abs).all()
    strongest = best[best["rank"] == 1].set_index("pathway").log10_abs
    assert (strongest <= np.log10(edges.groupby("pathway").score.apply(lambda s: s.abs().max())) + 1e-6).all()


@pytest.mark.parametrize(
    ("options", "wrong"),
    (
        ({"phi": -0.1}, "phi=-0.1 is out of range"),
        ({"phi": float("nan")}, "phi=nan is out of range"),
        ({"psi": -1.0}, "psi=-1.0 is out of range"),
        ({"depth": 0}, "depth=0 is out of range"),
        ({"phi": "fitted"}, "phi='fitted' needs a fit over all images first"),
        ({"direction": "forward"}, "psi='fitted' needs a fit over all images first"),
    ),
)
def test_thresholds_out_of_range_are_refused(options: dict, wrong: str) -> None:
    with pytest.raises(MethodError, match=wrong):
        effective_path.select(case("plain", 0)[0], **options)


def test_options_are_of_their_types(tmp_path: Path) -> None:
    method = gp.METHODS["effective_path"]
    assert method.resolve_options({"phi": 1, "depth": 2})["phi"] == 1.0
    assert method.resolve_options({"phi": "fitted"})["depth"] is None
    for options, expected in (
        ({"phi": "fit"}, r"phi='fit' of 'effective_path' must be of type float or 'fitted' or null"),
        ({"direction": "sideways"}, r"direction='sideways'.*type 'backward', 'forward'\."),
        ({"depth": 2.5}, r"depth=2.5.*type int or null"),
        ({"depth": True}, r"depth=True.*type int or null"),
        ({"psi": None}, r"psi=None.*type float or 'fitted'\."),
    ):
        with pytest.raises(MethodError, match=expected):
            method.resolve_options(options)


def test_nothing_is_fitted_where_nothing_is_asked() -> None:
    def none() -> Iterator[tuple[Batch, Tensor]]:
        raise AssertionError("a pass over the images")
        yield

    assert effective_path.fit(none()) == {}
    assert effective_path.fit(none(), phi=0.5, direction="forward", psi=1.0) == {}


def test_fitted_thresholds_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, shape = nets.made("plain", seed=0)
    images = nets.images(shape, 5, seed=0)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gp.trace(model, images, phi="fitted", batch=2, out=tmp_path / "t", progress=stop)
    begun = json.loads((tmp_path / "t" / "run.json").read_text())["fitted"]
    assert set(begun) == {"phi", "psi", "images"}
    assert begun["images"] == 5
    with monkeypatch.context() as patch:
        patch.setattr(Batches, "learn", None)  # nothing is learned twice
        trace = gp.trace(model, images, phi="fitted", batch=2, out=tmp_path / "t")
    assert trace.run["fitted"] == begun
    assert "fitted" not in gp.trace(model, images, out=tmp_path / "plain").run


# --- what another trace learned ----------------------------------------------------------


def test_other_images_are_held_against_what_was_learned(tmp_path: Path) -> None:
    model, shape = nets.made("plain", seed=0)
    clean, other = nets.images(shape, 4, seed=0), nets.images(shape, 3, seed=1)
    ask = {"method": "distilled", "sparsity": 0.5, "target": 0}
    first = gp.trace(model, clean, out=tmp_path / "clean", **ask)
    held = gp.trace(model, other, out=tmp_path / "held", fitted_on=tmp_path / "clean", **ask)
    alone = gp.trace(model, other, out=tmp_path / "alone", **ask)
    assert held.run["fitted"] == first.run["fitted"] != alone.run["fitted"]
    assert held.run["fitted_on"] == first.id
    assert len({first.id, held.id, alone.id}) == 3
    alike = [comparison_key(trace.run, 1) for trace in (first, held, alone)]
    assert alike[0] == alike[1] != alike[2]
    with pytest.raises(MethodError, match=r"fitted_on=.*the option sparsity is 0\.5 there and 0\.9 here"):
        gp.trace(model, other, out=tmp_path / "x", fitted_on=first, method="distilled")
    with pytest.raises(MethodError, match="the method is 'distilled' there and 'neuron_mct' here"):
        gp.trace(model, other, out=tmp_path / "x", fitted_on=first, method="neuron_mct")
    changed, _ = nets.made("plain", seed=1)
    with pytest.raises(MethodError, match="the model is"):
        gp.trace(changed, other, out=tmp_path / "x", fitted_on=first, **ask)
    plain = gp.trace(model, clean, out=tmp_path / "plain")
    with pytest.raises(MethodError, match="'effective_path' learned nothing there"):
        gp.trace(model, other, out=tmp_path / "x", fitted_on=plain)


# --- distilled ---------------------------------------------------------------------------


@pytest.mark.parametrize("sparsity", (0.0, 0.5, 0.8))
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_distilled_selects_the_maps_of_a_class(name: str, seed: int, sparsity: float) -> None:
    """Three images traced for two classes: the first alone, the others together."""
    model, shape = nets.made(name, seed=seed)
    images = nets.images(shape, 3, seed=seed)
    classes = [1, 0, 0]
    batch, _ = harness.held(model, images, torch.tensor(classes))
    trio = [twins.take_apart(model, image) for image in images]
    fitted = distilled.fit(examples(batch), sparsity=sparsity)
    predicted = [int(twin.logits.argmax()) for twin in trio]
    chosen = []
    for question in (0, 1):
        members = [t for t, c in zip(trio, classes, strict=True) if c == question]
        right = [t for t, c, p in zip(trio, classes, predicted, strict=True) if c == question == p]
        scores = [twins.evidence(twin, question) for twin in right or members]
        mean = {place: np.mean([score[place] for score in scores]) for place in scores[0]}
        cut = np.percentile(list(mean.values()), 100 * sparsity) if sparsity else -np.inf
        chosen.append({place for place, value in mean.items() if value > cut and value > 0})
        maps = fitted[str(question)]["maps"]
        names = {site.name: site.number for site in batch.compiled.sites}
        assert {(names[n], channel) for n, channels in maps.items() for channel in channels} == chosen[-1]
        assert fitted[str(question)]["images"] == len(scores)
    wanted = []
    for twin, question in zip(trio, classes, strict=True):
        neurons = set()
        for number, channel in chosen[question]:
            site = twin.sites[number]
            area = site.size // site.shape[0]
            neurons |= set(range(site.offset + channel * area, site.offset + (channel + 1) * area))
        wanted.append(twins.joined(twin, question, neurons))
    same(batch, distilled.select(batch, fitted, sparsity=sparsity), wanted)


def test_distilled_evidence_is_the_score_of_mct_by_map() -> None:
    batch, _, _ = case("residual", 0)
    found, units = distilled.sum_by_map(batch), Units.from_batch(batch)
    score = units.compute_contributions(torch.ones((3, units.count), dtype=torch.bool))
    for place in range(found.shape[1]):
        torch.testing.assert_close(found[:, place], score[:, units.channels == place].sum(1))


def test_distilled_of_other_questions() -> None:
    """A contrast and a neuron inside are classes of their own."""
    model, shape = nets.made("plain", seed=0)
    images = nets.images(shape, 3, seed=0)
    for target, question in (((0, 2), "+1*0 -1*2"), (gp.at(3, 1), "1")):
        batch, _ = harness.held(model, images, target)
        fitted = distilled.fit(examples(batch))
        assert set(fitted) == {question}
        assert distilled.select(batch, fitted).sparsity.isfinite().all()
    wide, _ = harness.held(model, images, gp.at(2, 0))
    assert len(set(distilled.name_classes(wide))) == 1
    with pytest.raises(MethodError, match="no maps were fitted for the class"):
        distilled.select(wide, fitted)


def test_distilled_of_label_0(tmp_path: Path) -> None:
    model, shape = nets.made("plain", seed=0)
    images = nets.images(shape, 4, seed=0)
    trace = gp.trace(model, images, [0, 0, 1, 0], method="distilled", target="label", out=tmp_path / "t")
    assert set(trace.run["fitted"]) == {"0", "1"}
    assert trace.counts["pathways"] == 4
