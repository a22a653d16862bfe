"""Random traces that look lawful: what a tracer would write, without a network, in milliseconds.

Classes prefer some neurons, so class pathways overlap as real ones do; an adversarial sample begins on its
original's class's neurons and ends on those of the class that it is mistaken for. The same arguments give
the same trace.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from graphpath import ids
from graphpath.record import PARTED, TABLES, Trace, TraceWriter
from graphpath.record.description import FILE, FILES, write_run
from graphpath.record.files import digest_file
from graphpath.record.schema import STAGED

Rows = dict[str, np.ndarray | pa.Array]


@dataclass(frozen=True)
class Net:
    """The made-up network: one row per layer, as in layers.parquet."""

    weights: str
    layers: pd.DataFrame

    @property
    def sizes(self) -> np.ndarray:
        return (self.layers.channels * self.layers.height * self.layers.width).to_numpy(np.int64)

    @property
    def wired(self) -> list[tuple[int, int]]:
        """The pairs of layers that edges join."""
        count = len(self.layers)
        return sorted([*((n - 1, n) for n in range(1, count)), *([(1, 3)] if count > 3 else [])])

    def reach(self) -> pd.DataFrame:
        """The table of that name: whole layers."""
        rows = []
        for source, target in self.wired:
            for axis, column in (("channel", "channels"), ("y", "height"), ("x", "width")):
                to, back = (int(self.layers[column][layer]) for layer in (target, source))
                rows.append((target, source, 0, axis, 0, to, 0, back))
        return pd.DataFrame(rows, columns=TABLES["reach"].names)

    def fields(self) -> pd.DataFrame:
        """The table of that name: n places on each side in layer n, and everything for the logits."""
        high, wide = (int(self.layers[column][0]) for column in ("height", "width"))
        rows = []
        for layer, kind in enumerate(self.layers.kind):
            for axis, size in (("y", high), ("x", wide)):
                if kind == "logits":
                    rows.append((layer, axis, 0, 0, size - 1))
                    continue
                ends = ((max(0, place - layer), min(size - 1, place + layer)) for place in range(size))
                rows += [(layer, axis, place, *end) for place, end in enumerate(ends)]
        return pd.DataFrame(rows, columns=TABLES["fields"].names)


def network(layers: int = 5, classes: int = 4, side: int = 6, weights: str = "weights") -> Net:
    """An input of ``side`` x ``side``, convolutions, and logits: ``layers`` sites in all."""
    shapes = [(1, side, side), *((4 + i, side, side) for i in range(layers - 2)), (classes, 1, 1)]
    names = ["input", *(f"features.{i}" for i in range(layers - 2)), "classifier"]
    kinds = ["input", *("conv" for _ in range(layers - 2)), "logits"]
    frame = pd.DataFrame(shapes, columns=["channels", "height", "width"])
    frame.insert(0, "kind", kinds)
    frame.insert(0, "name", names)
    frame.insert(0, "layer", range(layers))
    sizes = frame.channels * frame.height * frame.width
    frame["offset"] = ids.block(weights, names, shapes) + np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return Net(weights, frame)


def write_trace(
    path: str | Path,
    *,
    run: str = "run",
    name: str | None = None,
    seed: int = 0,
    samples: int = 12,
    classes: int = 4,
    layers: int = 5,
    side: int = 6,
    edges_per_pathway: int = 60,
    routes: int = 3,
    adversarial_of: Trace | None = None,
    pathways_per_sample: int = 1,
    part_size: int = 5,
    weights: str = "weights",
    method: str = "effective_path",
    parameters: dict[str, object] | None = None,
    crosses: bool = False,
    reach: bool = True,
) -> Trace:
    """Write a consistent random trace to ``path`` and open it.

    Every end of an edge and every step is in visits; ranks are 1..n; edges run to later layers (some skip
    one); about four samples in five are predicted correctly. With ``adversarial_of`` the samples are
    derived from that trace's, and traced for the originals' predictions. ``reach`` says that every neuron can
    reach every one of the next layer, and those of layer 1 of layer 3, and that a neuron of layer n sees the
    pixels up to n places from its own; without it nothing is said.
    """
    net = network(layers, classes, side, weights)
    maker = _Maker(net, np.random.default_rng(seed), run, classes, edges_per_pathway, routes)
    frame = maker.derived(adversarial_of) if adversarial_of else maker.originals(samples)
    writer = TraceWriter.open(
        path,
        {
            "id": run,
            **({"name": name} if name else {}),
            "method": method,
            "parameters": parameters or {"theta": 0.5},
            "model": {"name": "toy", "sha256": weights},
            "dataset": "synthetic",
            "seeds": {"trace": seed},
            "versions": {},
            "device": "cpu",
        },
    )
    for part, start in enumerate(range(0, len(frame), part_size)):
        rows = frame.iloc[start : start + part_size]
        tables = maker.part(rows, start * pathways_per_sample, pathways_per_sample, crosses)
        if part not in writer.done:
            writer.write_part(part, tables)
    known = {"reach": arrow("reach", net.reach()), "fields": arrow("fields", net.fields())} if reach else {}
    return writer.finish(layers=arrow("layers", net.layers), categories=maker.categories(), **known)


def write_map_trace(path: str | Path, trace: Trace, run: str) -> Trace:
    """``trace`` as the method ``channels`` writes it: its edges summed by feature map, and no neurons."""
    frames = {name: trace.dataset(name).to_table().to_pandas() for name in trace.counts}
    layers, edges, moved = frames["layers"], frames["edges"], ids.block(run) - ids.block(trace.id)
    for end in ("source", "target"):
        layer = np.searchsorted(layers.offset, edges[end], side="right") - 1
        plane = (layers.height * layers.width).to_numpy()[layer]
        edges[end] -= (edges[end] - layers.offset.to_numpy()[layer]) % plane
    sums = edges.groupby(["source", "target", "pathway", "layer"], as_index=False)[["flow", "score"]].sum()
    sums["rank"] = sums.groupby("pathway").cumcount() + 1
    pathways = frames["pathways"].assign(neurons=0, edges=sums.groupby("pathway").size().to_numpy())
    part = {"channels": sums, "pathways": pathways, "balance": frames["balance"]}
    for table in part.values():
        table["pathway"] += moved
    pathways["origin"] = pathways["origin"].astype("Int64")
    part |= {name: frames[name] for name in ("samples", "predictions")}
    part["samples"]["parent"] = part["samples"]["parent"].astype("Int64")
    writer = TraceWriter.open(path, {**trace.run, "id": run, "method": "channels", "complete": False})
    writer.write_part(0, {name: arrow(name, frame) for name, frame in part.items()})
    single = {
        name: arrow(name, frames[name])
        for name in ("layers", "categories", "reach", "fields")
        if name in frames
    }
    return writer.finish(**single)


def write_named_trace(path: str | Path, trace: Trace, run: str) -> Trace:
    """``trace`` with names for the feature maps of its layer 1, as an imported one has them."""
    parts = {name: trace.dataset(name).to_table() for name in trace.counts if name in (*PARTED, *STAGED)}
    layers, categories = (trace.dataset(name).to_table() for name in ("layers", "categories"))
    layer = layers.to_pylist()[1]
    first = layer["offset"] + np.arange(layer["channels"]) * layer["height"] * layer["width"]
    named = [f"kind {number}" for number in range(layer["channels"])]
    parts["maps"] = {"map": first, "name": named, "detail": ["{}"] * len(named)}
    writer = TraceWriter.open(path, {**trace.run, "id": run, "complete": False})
    writer.write_part(0, parts)
    return writer.finish(layers=layers, categories=categories)


def describe_anew(path: Path, **changes: object) -> None:
    """Give the trace in ``path`` other entries in run.json, and the digests that its files have now."""
    run = json.loads((path / FILE).read_text(encoding="utf-8")) | changes
    files = run.get(FILES, {})
    run[FILES] = {file: digest_file(path / file) for file in files if (path / file).is_file()}
    write_run(path, run)


def arrow(name: str, frame: pd.DataFrame) -> pa.Table:
    """A data frame as record table ``name`` (its columns, in order)."""
    return pa.Table.from_pandas(frame[TABLES[name].names], schema=TABLES[name], preserve_index=False)


class _Maker:
    def __init__(
        self, net: Net, random: np.random.Generator, run: str, classes: int, budget: int, routes: int
    ) -> None:
        self.net, self.random, self.run, self.classes = net, random, run, classes
        self.budget, self.routes = budget, routes
        fixed = np.random.default_rng(12345)  # of the network, not of the run
        self.taste = [[fixed.permutation(size) for size in net.sizes] for _ in range(classes + 1)]

    def categories(self) -> pa.Table:
        labels = range(self.classes)
        columns = {
            "category": [ids.category_id("toy", label) for label in labels],
            "scheme": ["toy"] * self.classes,
            "label": list(labels),
            "name": [f"class {label}" for label in labels],
        }
        return arrow("categories", pd.DataFrame(columns))

    def originals(self, samples: int) -> pd.DataFrame:
        label = np.arange(samples) % self.classes
        wrong = self.random.random(samples) < 0.2
        frame = pd.DataFrame({"index": np.arange(samples), "label": label})
        frame["variant"], frame["detail"] = "original", "{}"
        frame["parent"] = pd.array([None] * samples, dtype="Int64")
        frame["first"] = np.where(wrong, self.random.integers(0, self.classes, samples), label)
        frame["target"] = frame["first"]
        return self._with_ids(frame)

    def derived(self, trace: Trace) -> pd.DataFrame:
        originals = trace.samples().to_table().to_pandas()
        targets = trace.pathways().to_table().to_pandas().drop_duplicates("sample").set_index("sample").target
        frame = originals[["index", "label"]].copy()
        frame["variant"] = "adversarial"
        frame["parent"] = originals["sample"].astype("Int64")
        frame["target"] = targets.loc[originals["sample"]].to_numpy()
        shift = self.random.integers(1, self.classes, len(frame))
        held = self.random.random(len(frame)) < 0.1  # attacks that failed
        frame["first"] = (frame["target"] + np.where(held, 0, shift)) % self.classes
        detail = {"attack": "pgd", "epsilon": 0.1, "steps": 10}
        frame["detail"] = [json.dumps({**detail, "predicted": int(t)}) for t in frame["target"]]
        return self._with_ids(frame)

    def _with_ids(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame["dataset"], frame["split"] = "synthetic", "test"
        columns = zip(frame["index"], frame.variant, frame.detail, strict=True)
        frame["sample"] = [ids.sample_id("synthetic", "test", int(i), v, d) for i, v, d in columns]
        return frame

    def part(self, samples: pd.DataFrame, position: int, each: int, crosses: bool) -> dict[str, pa.Table]:
        tables: dict[str, list[pd.DataFrame]] = {name: [] for name in ("visits", "edges", "routes", "steps")}
        pathways: list[dict[str, object]] = []
        balance: list[pd.DataFrame] = []
        for _, sample in samples.iterrows():
            for _ in range(each):
                pathway = ids.block(self.run) + position
                made = self._pathway(pathway, position, sample)
                for name, rows in tables.items():
                    rows.append(made[name])
                balance.append(self._balance(pathway, made["edges"]))
                pathways.append(self._summary(pathway, sample, made, balance[-1], each > 1))
                position += 1
        frames = {name: pd.concat(rows) for name, rows in tables.items()}
        frames |= {"samples": samples, "predictions": self._predictions(samples)}
        frames |= {"pathways": pd.DataFrame(pathways), "balance": pd.concat(balance)}
        frames["pathways"]["origin"] = frames["pathways"]["origin"].astype("Int64")
        if crosses:
            frames["crosses"] = self._crosses(frames["pathways"].pathway.to_numpy())
        return {name: arrow(name, frame) for name, frame in frames.items()}

    def _chains(self, sample: pd.Series, many: int) -> np.ndarray:
        """(many, layers) neuron ids, -1 where a chain skips a layer."""
        sizes, offsets = self.net.sizes, self.net.layers.offset.to_numpy()
        chains = np.empty((many, len(sizes)), np.int64)
        for layer, size in enumerate(sizes):
            late = layer > len(sizes) // 2
            taste = np.where(
                self.random.random(many) < 0.3, self.classes, sample["first"] if late else sample["target"]
            )
            drawn = (size * self.random.random(many) ** 6).astype(np.int64)
            chains[:, layer] = offsets[layer] + np.stack([t[layer] for t in self.taste])[taste, drawn]
        chains[:, -1] = offsets[-1] + sample["target"]
        if len(sizes) > 3:
            chains[self.random.random(many) < 0.2, 2] = -1
        return chains

    def _pathway(self, pathway: int, position: int, sample: pd.Series) -> dict[str, pd.DataFrame]:
        chains = self._chains(sample, max(self.budget, self.routes))
        edges = self._edges(pathway, chains)
        steps, routes = self._routes(pathway, position, chains[: self.routes])
        neurons = np.unique(np.concatenate([edges.source, edges.target, steps.neuron]))
        offsets = self.net.layers.offset.to_numpy()
        visits = pd.DataFrame({"pathway": pathway, "neuron": neurons})
        visits["layer"] = (np.searchsorted(offsets, neurons, side="right") - 1).astype(np.int32)
        visits["activation"] = self.random.random(len(neurons)).astype(np.float32)
        visits["score"] = self.random.normal(size=len(neurons)).astype(np.float32)
        return {"visits": visits, "edges": edges, "routes": routes, "steps": steps}

    def _edges(self, pathway: int, chains: np.ndarray) -> pd.DataFrame:
        """The edges of the first chains, within the budget (but all of the routes')."""
        pairs = []
        for layer in range(1, chains.shape[1]):
            before = chains[:, layer - 1]
            source = np.where(before < 0, chains[:, layer - 2], before)
            pairs.append(np.stack([source, chains[:, layer], np.arange(len(chains))], axis=1))
        edges = pd.DataFrame(np.concatenate(pairs), columns=["source", "target", "chain"])
        edges = edges[edges.target >= 0].sort_values(["chain", "target"])
        edges = edges.drop_duplicates(["source", "target"])
        full = edges.chain.iloc[self.budget] if len(edges) > self.budget else len(chains)
        edges = edges[edges.chain < max(full, self.routes)]
        offsets = self.net.layers.offset.to_numpy()
        count = len(edges)
        edges = edges.assign(
            pathway=pathway,
            layer=(np.searchsorted(offsets, edges.target.to_numpy(), side="right") - 1).astype(np.int32),
            flow=self.random.normal(size=count).astype(np.float32),
            score=self.random.standard_t(3, size=count).astype(np.float32),
            rank=np.arange(1, count + 1, dtype=np.int32),
        )
        return edges.drop(columns="chain")

    def _routes(self, pathway: int, position: int, chains: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        count = len(chains)
        first = ids.block(self.run) + position * self.routes
        routes = pd.DataFrame({"route": first + np.arange(count), "pathway": pathway})
        routes["rank"] = np.arange(1, count + 1, dtype=np.int32)
        routes["sign"] = self.random.choice(np.array([-1, 1], np.int8), count)
        routes["log10_abs"] = -np.sort(self.random.random(count) * 18)
        route, layer = np.nonzero(chains >= 0)
        steps = pd.DataFrame({"route": first + route, "neuron": chains[route, layer]})
        steps["position"] = steps.groupby("route").cumcount().astype(np.int32)
        return steps, routes

    def _balance(self, pathway: int, edges: pd.DataFrame) -> pd.DataFrame:
        layers = len(self.net.sizes)
        kept = np.bincount(edges.layer, minlength=layers)
        weight = np.bincount(edges.layer, weights=edges.score.abs(), minlength=layers)
        frame = pd.DataFrame({"pathway": pathway, "layer": np.arange(layers), "edges_kept": kept})
        frame["edges_all"] = kept + self.random.integers(0, 9, layers) * (kept > 0)
        frame["abs_kept"] = weight
        frame["abs_all"] = weight + (frame.edges_all - kept) * 0.01
        frame["bias"] = self.random.normal(size=layers)
        frame["bias_fed"] = self.random.integers(0, 3, layers)
        return frame

    def _summary(
        self,
        pathway: int,
        sample: pd.Series,
        made: dict[str, pd.DataFrame],
        balance: pd.DataFrame,
        has_origin: bool,
    ) -> dict[str, object]:
        pixel = int(self.net.layers.offset.iloc[0] + pathway % self.net.sizes[0])
        return {
            "pathway": pathway,
            "sample": sample["sample"],
            "target": sample["target"],
            "origin": pixel if has_origin else None,
            "neurons": len(made["visits"]),
            "edges": len(made["edges"]),
            "coverage": np.float32(balance.abs_kept.sum() / balance.abs_all.sum()),
            "logit": float(self.random.normal() + 5),
            "bias": float(self.random.normal()),
        }

    def _predictions(self, samples: pd.DataFrame) -> pd.DataFrame:
        shown = min(5, self.classes)
        rows = []
        for _, sample in samples.iterrows():
            others = np.setdiff1d(np.arange(self.classes), [sample["first"]])
            labels = [sample["first"], *self.random.permutation(others)[: shown - 1]]
            logits = np.sort(self.random.normal(size=self.classes) * 2)[::-1].astype(np.float32)
            confidence = np.exp(logits) / np.exp(logits).sum()
            for rank, label in enumerate(labels, start=1):
                category = ids.category_id("toy", int(label))
                rows.append((sample["sample"], rank, category, logits[rank - 1], confidence[rank - 1]))
        return pd.DataFrame(rows, columns=TABLES["predictions"].names)

    def _crosses(self, pathways: np.ndarray) -> pd.DataFrame:
        pixels = self.net.layers.offset.iloc[0] + np.arange(3)
        convs = self.net.layers[self.net.layers.kind == "conv"]
        grid = [(p, x, c.layer) for p in pathways for x in pixels for c in convs.itertuples()]
        frame = pd.DataFrame(grid, columns=["pathway", "pixel", "layer"])
        frame["channel"] = self.random.integers(0, 3, len(frame))
        frame["size"] = self.random.random(len(frame)).astype(np.float32)
        frame["signed"] = self.random.normal(size=len(frame)).astype(np.float32)
        frame["rank"] = 1
        return frame
