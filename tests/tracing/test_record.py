"""A trace: conservation checks to 1e-5 from its tables alone, and what asks for which record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import graphpath as gp
from graphpath.attacks import attack
from graphpath.data import TensorImages, open_images
from graphpath.errors import DataError, MethodError, RecordError, UnsupportedOperation
from graphpath.models import LoadedModel, digest_weights
from tests.tracing import harness, nets
from tests.tracing.harness import residual

NAMES = (
    "plain",
    "norm_folded",
    "norm_alone",
    "residual",
    "concatenations",
    "max_pool_overlapping",
    "average_pool_padded",
    "channel_shuffle",
    "input_read_by_many",
    "logits_of_an_average",
    "activation_alone",
)
SINGLE_PRECISION = 1e-5


def tables(trace: gp.Trace) -> dict[str, pd.DataFrame]:
    names = (
        "layers",
        "samples",
        "categories",
        "predictions",
        "pathways",
        "balance",
        "visits",
        "edges",
        "routes",
        "steps",
    )
    return {name: trace.dataset(name).to_table().to_pandas() for name in names}


def single(name: str, seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    model, shape = nets.made(name, seed)
    return model.float(), nets.images(shape, 3, seed).float()


# --- the laws ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_record_keeps_the_laws(name: str, tmp_path: Path) -> None:
    """All live neurons selected, nothing cut: the laws from ``balance``, ``edges``, ``visits``."""
    model, images = single(name)
    trace = gp.trace(model, images, method="activation", sparsity=0.0, max_edges=None, out=tmp_path / "t")
    found = tables(trace)
    assert len(found["pathways"]) == 3
    for pathway in found["pathways"].itertuples():
        mine = {t: found[t][found[t].pathway == pathway.pathway] for t in ("edges", "visits", "balance")}
        for law, off in laws(mine["edges"], mine["visits"], mine["balance"], pathway).items():
            assert off < SINGLE_PRECISION, law
        assert pathway.coverage == 1


def laws(
    edges: pd.DataFrame, visits: pd.DataFrame, balance: pd.DataFrame, pathway: tuple, minus: int = -1
) -> dict[str, float]:
    """The residuals; in f every neuron of the last layer counts once, ``minus`` negatively."""
    balance = balance.sort_values("layer")
    layers = len(balance)
    neuron = visits.sort_values("neuron")
    order = neuron.neuron.to_numpy()
    source, target = (np.searchsorted(order, edges[end].to_numpy()) for end in ("source", "target"))
    score, size = edges.score.to_numpy(np.float64), np.abs(edges.score.to_numpy(np.float64))
    layer_of = neuron.layer.to_numpy()
    assert (layer_of[target] == edges.layer).all()

    def out_of(values: np.ndarray) -> np.ndarray:
        return np.bincount(source, values, len(order))

    goal = layer_of.max()
    inner = layer_of < goal
    bias = balance.bias.to_numpy()
    found = {
        "scores over targets": residual(
            out_of(score)[inner], neuron.score.to_numpy(np.float64)[inner], out_of(size)[inner]
        ),
        "constants": residual(bias.sum(), pathway.bias, np.abs(bias).sum()),
    }
    # Everything that flows into a layer's neurons, and the layer's constants, is what they pass on.
    passed = np.bincount(layer_of, neuron.score.to_numpy(np.float64), layers)
    passed[goal] = pathway.logit  # a neuron of the goal that only its bias feeds has no edge, so no visit
    entering = np.bincount(edges.layer, score, layers) + bias
    terms = np.bincount(edges.layer, size, layers) + np.abs(bias)
    found["layers"] = residual(entering[1:], passed[1:], terms[1:])
    for cut in range(1, goal + 1):
        crossing = (layer_of[source] < cut) & (layer_of[target] >= cut)
        total = score[crossing].sum() + bias[cut:].sum()
        off = residual(total, pathway.logit, size[crossing].sum() + np.abs(bias[cut:]).sum())
        found["cuts"] = max(off, found.get("cuts", 0.0))
    found["routes"] = routes(edges, neuron, source, target, pathway, np.where(order == minus, -1, 1))
    np.testing.assert_array_equal(np.bincount(edges.layer, minlength=layers), balance.edges_all)
    np.testing.assert_array_equal(balance.edges_all, balance.edges_kept)
    np.testing.assert_allclose(np.bincount(edges.layer, size, layers), balance.abs_all, rtol=SINGLE_PRECISION)
    return found


def routes(
    edges: pd.DataFrame,
    neuron: pd.DataFrame,
    source: np.ndarray,
    target: np.ndarray,
    pathway: tuple,
    weights: np.ndarray,
) -> float:
    """All routes from pixels to the goal, by dynamic programming, and ``pathways.bias``: f."""
    a, layer = neuron.activation.to_numpy(np.float64), neuron.layer.to_numpy()
    weight = edges.flow.to_numpy(np.float64) / a[source]  # gates of live ReLUs are 1
    arriving = np.where(layer == 0, a, 0.0)
    size = np.abs(arriving)
    for number in range(1, layer.max() + 1):
        here = layer[target] == number
        arriving += np.bincount(target[here], weight[here] * arriving[source[here]], len(a))
        size += np.bincount(target[here], np.abs(weight[here]) * size[source[here]], len(a))
    last = layer == layer.max()
    total = (arriving * weights)[last].sum()
    return residual(total + pathway.bias, pathway.logit, size[last].sum() + abs(pathway.bias))


@pytest.mark.parametrize("method", ("effective_path", "neuron_mct", "random"))
@pytest.mark.parametrize("budget", (None, 40))
def test_the_tables_fit_together(method: str, budget: int | None, tmp_path: Path) -> None:
    model, images = single("residual", seed=5)
    trace = gp.trace(model, images, method=method, max_edges=budget, routes=7, batch=2, out=tmp_path / "t")
    found = tables(trace)
    layers, edges, visits = found["layers"], found["edges"], found["visits"]
    assert layers.layer.tolist() == list(range(len(layers)))
    assert layers.kind.iloc[0] == "input"
    assert layers.kind.iloc[-1] == "logits"
    size = layers.channels * layers.height * layers.width
    assert (np.diff(layers.offset) == size[:-1]).all()
    # Visits: every end and every step, each once, in its own layer.
    assert not visits.duplicated(["pathway", "neuron"]).any()
    steps = found["steps"].merge(found["routes"][["route", "pathway"]], on="route")
    wanted = pd.concat(
        [
            edges[["pathway", "source"]].set_axis(["pathway", "neuron"], axis=1),
            edges[["pathway", "target"]].set_axis(["pathway", "neuron"], axis=1),
            steps[["pathway", "neuron"]],
        ]
    ).drop_duplicates()
    assert len(wanted) == len(visits) == len(wanted.merge(visits, on=["pathway", "neuron"]))
    assert (visits.layer == np.searchsorted(layers.offset, visits.neuron, side="right") - 1).all()
    # Edges: once each, forward, ranked 1..n, within the budget.
    assert not edges.duplicated(["pathway", "source", "target"]).any()
    assert (edges.flow != 0).all()
    assert (np.searchsorted(layers.offset, edges.source, side="right") - 1 < edges.layer).all()
    for pathway, mine in edges.groupby("pathway"):
        assert sorted(mine["rank"]) == list(range(1, len(mine) + 1))
        assert budget is None or len(mine) <= budget
        row = found["pathways"].set_index("pathway").loc[pathway]
        assert row.edges == len(mine)
        assert row.neurons == (visits.pathway == pathway).sum()
        balance = found["balance"][found["balance"].pathway == pathway].sort_values("layer")
        assert balance.layer.tolist() == layers.layer.tolist()
        assert balance.edges_all.iloc[0] == 0
        assert balance.edges_kept.tolist() == np.bincount(mine.layer, minlength=len(layers)).tolist()
        assert row.coverage == pytest.approx(balance.abs_kept.sum() / balance.abs_all.sum(), rel=1e-6)
        assert balance.edges_all.sum() >= len(mine)
    # Routes: ranked, ordered, from a pixel to the logit along selected edges.
    for _, mine in found["routes"].groupby("pathway"):
        assert mine["rank"].tolist() == list(range(1, len(mine) + 1))
        assert (np.diff(mine.log10_abs) <= 1e-12).all()
    for _, mine in found["steps"].groupby("route"):
        assert mine.position.tolist() == list(range(len(mine)))
        assert mine.neuron.iloc[0] < layers.offset.iloc[1]
        assert mine.neuron.iloc[-1] >= layers.offset.iloc[-1]
        assert (np.diff(mine.neuron) > 0).all()
    assert len(found["routes"]) <= 7 * 3


def test_the_record_says_what_the_model_says(tmp_path: Path) -> None:
    model, images = single("norm_folded")
    labels = [2, 0, 1]
    trace = gp.trace(
        model,
        images,
        labels,
        target="label",
        dataset="mine",
        classes=["a", "b", "c"],
        out=tmp_path / "t",
        batch=2,
    )
    found = tables(trace)
    with torch.no_grad():
        logits = model.eval()(images).double()
    assert found["samples"].label.tolist() == labels == found["pathways"].target.tolist()
    assert (found["pathways"]["sample"] == found["samples"]["sample"]).all()
    np.testing.assert_allclose(found["pathways"].logit, logits[[0, 1, 2], labels], rtol=1e-4, atol=1e-5)
    top = found["predictions"].groupby("sample", sort=False)
    names = found["categories"].set_index("category")
    for place, (_, rows) in enumerate(top):
        order = logits[place].argsort(descending=True)
        assert rows["rank"].tolist() == [1, 2, 3]
        assert names.loc[rows.category].label.tolist() == order.tolist()
        assert names.loc[rows.category].name.tolist() == ["abc"[i] for i in order]
        np.testing.assert_allclose(rows.logit, logits[place, order], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(rows.confidence, logits[place].softmax(0)[order], rtol=1e-4, atol=1e-6)
    assert trace.run["method"] == "effective_path"
    assert trace.run["parameters"]["theta"] == 0.5
    assert trace.run["model"]["sha256"] == digest_weights(model)
    counts = {name: len(table) for name, table in found.items()}
    assert {name: trace.run["counts"][name] for name in counts} == counts


# --- the same again ----------------------------------------------------------------------


def files(path: Path) -> dict[str, bytes]:
    """Every file of a record by its name, run.json without what was measured."""
    found = {}
    for file in sorted(path.rglob("*")):
        if file.name == "run.json":
            run = json.loads(file.read_text())
            run.pop("seconds")
            run.pop("digest")
            found["run.json"] = json.dumps(run, sort_keys=True).encode()
        elif file.is_file():
            found[str(file.relative_to(path))] = file.read_bytes()
    return found


@pytest.mark.parametrize("method", sorted(gp.METHODS))
def test_the_same_trace_twice_has_the_same_files(method: str, tmp_path: Path) -> None:
    model, images = single("residual", seed=5)
    for name in ("one", "two"):
        quick = harness.QUICK.get(method, {})
        gp.trace(model, images, method=method, batch=2, max_edges=60, out=tmp_path / name, **quick)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_finished_trace_is_returned_untouched(tmp_path: Path) -> None:
    model, images = single("plain")
    first = gp.trace(model, images, out=tmp_path / "t")
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "t").rglob("*")}
    again = gp.trace(model, images, out=tmp_path / "t")
    assert again.run == first.run
    assert stamps == {file: file.stat().st_mtime_ns for file in (tmp_path / "t").rglob("*")}
    with pytest.raises(RecordError, match="holds the trace of run"):
        gp.trace(model, images, theta=0.7, out=tmp_path / "t")
    with pytest.raises(RecordError, match="holds the trace of run"):
        gp.trace(model, images + 0.01, out=tmp_path / "t")


class Killed(BaseException):
    """Stands for a kill: not an Exception, so nothing may catch it."""


@pytest.mark.parametrize("after", (0, 1, 2, 3))
@pytest.mark.parametrize("method", ("effective_path", "random", "distilled"))
def test_an_interrupted_trace_goes_on(
    after: int, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before part ``after`` is written, then asked for again, with another batch size."""
    model, shape = nets.made("plain")
    images = nets.images(shape, 7, 0)
    ask = {"method": method, "max_edges": 50, "routes": 3}
    gp.trace(model, images, batch=2, out=tmp_path / "whole", **ask)

    from graphpath.record import TraceWriter

    write = TraceWriter.write_part

    def broken(self: TraceWriter, part: int, rows: object) -> None:
        if part == after:
            raise Killed
        write(self, part, rows)

    with monkeypatch.context() as patch:
        patch.setattr(TraceWriter, "write_part", broken)
        with pytest.raises(Killed):
            gp.trace(model, images, batch=2, out=tmp_path / "broken", **ask)
    with pytest.raises(gp.GraphpathError):
        gp.Trace(tmp_path / "broken")
    gp.trace(model, images, batch=5, out=tmp_path / "broken", **ask)
    assert files(tmp_path / "broken") == files(tmp_path / "whole")


def test_progress_is_told(tmp_path: Path) -> None:
    model, images = single("plain")
    seen: list[tuple[int, int]] = []
    gp.trace(
        model, images, batch=2, out=tmp_path / "t", progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.parametrize("method", ("effective_path", "neuron_mct", "random", "greedy", "distilled"))
def test_batches_do_not_matter(method: str, tmp_path: Path) -> None:
    model, shape = nets.made("residual", 2)
    images = nets.images(shape, 5, 1)
    traces = [gp.trace(model, images, method=method, batch=n, out=tmp_path / str(n)) for n in (1, 2, 5)]
    kept = [
        trace.edges().to_table().to_pandas().sort_values(["pathway", "rank"]).reset_index(drop=True)
        for trace in traces
    ]
    assert len(kept[0]) > 0
    for other in kept[1:]:
        pd.testing.assert_frame_equal(kept[0], other, rtol=1e-6)


# --- inputs and targets ------------------------------------------------------------------


def test_inputs_of_every_kind_agree(tmp_path: Path) -> None:
    """A tensor, a DataLoader and a set of images give one and the same record."""
    model, images = single("plain")
    labels = torch.tensor([0, 2, 1])
    loader = DataLoader(TensorDataset(images, labels), batch_size=2)
    inputs: dict[str, Callable[[Path], gp.Trace]] = {
        "tensor": lambda out: gp.trace(model, images, labels, dataset="d", out=out),
        "list": lambda out: gp.trace(model, images, labels.tolist(), dataset="d", out=out),
        "loader": lambda out: gp.trace(model, loader, dataset="d", out=out),
        "images": lambda out: gp.trace(model, TensorImages(images, labels, dataset="d"), out=out),
    }
    for name, ask in inputs.items():
        ask(tmp_path / name)
    first = files(tmp_path / "tensor")
    assert all(files(tmp_path / name) == first for name in inputs)
    with pytest.raises(DataError, match="labels= is for a tensor"):
        gp.trace(model, loader, labels, out=tmp_path / "none")


def test_a_loaded_model_is_its_module(tmp_path: Path) -> None:
    model, images = single("plain")
    loaded = LoadedModel(model.eval(), "plain", digest_weights(model), classes=("x", "y", "z"))
    traces = [gp.trace(m, images, out=tmp_path / n) for n, m in (("loaded", loaded), ("module", model))]
    assert traces[0].id == traces[1].id
    assert traces[0].run["model"]["name"] == "plain"
    assert traces[0].categories().to_table()["name"].to_pylist() == ["x", "y", "z"]


def target_of(trace: gp.Trace) -> list[int]:
    return trace.pathways().to_table()["target"].to_pylist()


def test_targets(tmp_path: Path) -> None:
    model, images = single("plain")
    own = model.eval()(images).argmax(1).tolist()
    labels = [(c + 1) % 3 for c in own]
    asked = {
        "predicted": own,
        "own": own,
        "label": labels,
        2: [2, 2, 2],
    }
    for target, wanted in asked.items():
        trace = gp.trace(model, images, labels, target=target, out=tmp_path / str(target), batch=2)
        assert target_of(trace) == wanted
    chosen = torch.tensor([1, 0, 2])
    assert target_of(gp.trace(model, images, target=chosen, out=tmp_path / "tensor", batch=2)) == [1, 0, 2]


def test_derived_images_are_traced_for_their_originals_prediction(tmp_path: Path) -> None:
    model, images = single("plain")
    own = model.eval()(images).argmax(1).tolist()
    first = (own[0] + 1) % 3
    derived = TensorImages(
        images,
        [0, 0, 0],
        variant="adversarial",
        parents=[11, 12, None],
        details=[{"predicted": first}, {}, {}],
    )
    assert target_of(gp.trace(model, derived, out=tmp_path / "a")) == [first, own[1], own[2]]
    assert target_of(gp.trace(model, derived, target="own", out=tmp_path / "b")) == own


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"target": "best"},
            MethodError,
            "target='best' is unknown; expected one of predicted, own, label",
        ),
        ({"target": "label"}, MethodError, "needs a label for every image"),
        ({"target": 3}, MethodError, "one class of 0 to 2"),
        ({"target": -1}, MethodError, "one class of 0 to 2"),
        ({"target": torch.tensor([0, 1])}, MethodError, "expected a class for each of 3 images"),
        ({"target": torch.tensor([0, 1, 5])}, MethodError, "one class of 0 to 2"),
        ({"method": "magic"}, MethodError, "no method 'magic'"),
        ({"theta": 2.0}, MethodError, "theta=2.0"),
        ({"sparsity": 0.5}, MethodError, "takes no option 'sparsity'"),
        ({"routes": -1}, MethodError, "routes=-1 is negative"),
        ({"max_edges": 0}, MethodError, "max_edges=0 keeps nothing"),
        ({"batch": 0}, MethodError, "batch=0 is not a number of images"),
        ({"batch": -2}, MethodError, "batch=-2 is not a number of images"),
    ],
)
def test_questions_that_cannot_be_asked(options: dict, error: type, message: str, tmp_path: Path) -> None:
    model, images = single("plain")
    with pytest.raises(error, match=message):
        gp.trace(model, images, out=tmp_path / "t", **options)


def test_images_and_networks_that_cannot_be_traced_leave_nothing(tmp_path: Path) -> None:
    model, images = single("plain")
    with pytest.raises(DataError, match="no images"):
        gp.trace(model, images[:0], out=tmp_path / "t")
    with pytest.raises(UnsupportedOperation, match=r"^1\.fft_fft "):
        gp.trace(
            nn.Sequential(nn.Conv2d(2, 2, 1), nets.Refused(), nn.Flatten(), nn.Linear(50, 3)),
            images,
            out=tmp_path / "t",
        )
    assert list(tmp_path.iterdir()) == []


def test_zero_routes_and_no_budget(tmp_path: Path) -> None:
    model, images = single("plain")
    trace = gp.trace(model, images, routes=0, max_edges=None, out=tmp_path / "t")
    assert trace.run["counts"]["routes"] == trace.run["counts"]["steps"] == 0
    assert trace.run["counts"]["edges"] > 0


@pytest.mark.parametrize("dtype", (torch.float64, torch.float32, torch.bfloat16, torch.float16))
def test_any_floating_type(dtype: torch.dtype, tmp_path: Path) -> None:
    """The record is the same kind of thing whatever the model computes in; its laws as good as the type."""
    model, images = single("plain")
    model = model.to(dtype)
    trace = gp.trace(model, images, method="activation", sparsity=0.0, max_edges=None, out=tmp_path / "t")
    found = tables(trace)
    bound = {torch.float64: 1e-6, torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.02}[dtype]
    for pathway in found["pathways"].itertuples():
        mine = {t: found[t][found[t].pathway == pathway.pathway] for t in ("edges", "visits", "balance")}
        assert max(laws(mine["edges"], mine["visits"], mine["balance"], pathway).values()) < bound


def test_schema_of_every_file(tmp_path: Path) -> None:
    model, images = single("plain")
    trace = gp.trace(model, images, out=tmp_path / "t")
    written = list(Path(trace.path).rglob("*.parquet"))
    assert len(written) == 12
    assert all(pq.read_schema(file).metadata[b"graphpath.schema"] == b"1" for file in written)
    assert not (Path(trace.path) / ".staging").exists()


def test_the_digits_as_they_come(tmp_path: Path, digits_model: Callable[[int], LoadedModel]) -> None:
    """The bundled images by name: real data, a trained network, the laws on every pathway."""
    images = open_images("digits", limit=2)
    trace = gp.trace(
        digits_model(0), images, method="activation", sparsity=0.0, max_edges=None, out=tmp_path / "t"
    )
    found = tables(trace)
    assert len(found["pathways"]) == 2
    for pathway in found["pathways"].itertuples():
        mine = {t: found[t][found[t].pathway == pathway.pathway] for t in ("edges", "visits", "balance")}
        for law, off in laws(mine["edges"], mine["visits"], mine["balance"], pathway).items():
            assert off < SINGLE_PRECISION, law


def test_what_an_attack_made_is_traced_as_it_is(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    originals = TensorImages(torch.rand(6, 1, 8, 8), [0, 1, 2] * 2, classes=("a", "b", "c"))
    made = attack(module, originals, "fgsm", 0.1, out=tmp_path / "images")
    clean = gp.trace(module, originals, out=tmp_path / "clean")
    attacked = gp.trace(module, made, out=tmp_path / "attacked")
    parents = attacked.samples().to_table()["parent"].to_pylist()
    assert parents == clean.samples().to_table()["sample"].to_pylist()
    asked = [trace.pathways().to_table()["target"].to_pylist() for trace in (clean, attacked)]
    assert asked[0] == asked[1]


def test_a_damaged_part_is_refused_by_name_and_the_same_trace_writes_it_anew(tmp_path: Path) -> None:
    model, images = single("plain")
    gp.trace(model, images, batch=2, out=tmp_path / "t")
    whole = files(tmp_path / "t")
    for name in ("edges/part-00001.parquet", "pathways.parquet", "layers.parquet"):
        data = bytearray((tmp_path / "t" / name).read_bytes())
        data[len(data) // 2] ^= 16
        (tmp_path / "t" / name).write_bytes(data)
        with pytest.raises(RecordError, match=name):
            trace = gp.Trace(tmp_path / "t")
            trace.files(name.split("/")[0].removesuffix(".parquet"))
        gp.trace(model, images, batch=3, out=tmp_path / "t")
        assert files(tmp_path / "t") == whole


def test_a_trace_that_fails_in_its_first_part_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphpath.record import TraceWriter

    def full(*_: object) -> None:
        raise RecordError("no space left")

    model, images = single("plain")
    monkeypatch.setattr(TraceWriter, "write_part", full)
    with pytest.raises(RecordError, match="no space left"):
        gp.trace(model, images, out=tmp_path / "new" / "t")
    assert not list(tmp_path.iterdir())


def test_the_same_trace_twice_at_once_is_refused_the_second_time(tmp_path: Path) -> None:
    model, images = single("plain")

    def again(done: int, total: int) -> None:
        with pytest.raises(RecordError, match=r"being written by process \d+"):
            gp.trace(model, images, batch=2, out=tmp_path / "t")

    made = gp.trace(model, images, batch=2, out=tmp_path / "t", progress=again)
    assert made.counts["samples"] == len(images)
    assert not (tmp_path / "t" / ".lock").exists()


def test_finish_refuses_a_trace_that_lacks_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one whose marker another process took away."""
    from graphpath.record import TraceWriter

    model, images = single("plain")
    monkeypatch.setattr(TraceWriter, "refresh", lambda self: self._marks.pop(1, None))
    with pytest.raises(RecordError, match=r"lacks 1 of 2 parts \(1\)"):
        gp.trace(model, images, batch=2, out=tmp_path / "t")
