"""The roll-ups of graphpath/README.md, "Class pathways", in plain pandas, straight from the Parquet."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection

import numpy as np
import pandas as pd

from graphpath import ids
from graphpath.record import Trace


class Run:
    """One run's tables, and which of its pathways are members of which class pathway."""

    def __init__(self, trace: Trace) -> None:
        read = {name: trace.dataset(name).to_table().to_pandas() for name in trace.counts}
        self.id = trace.id
        self.layers, self.edges, self.visits = read["layers"], read["edges"], read["visits"]
        self.edges["weight"] = self.edges.score.abs().astype(float)
        self.crosses = read.get("crosses")
        category = read["categories"].set_index("label").category
        self.predictions = read["predictions"]
        first = self.predictions[self.predictions["rank"] == 1].set_index("sample").category
        pathways = read["pathways"].merge(read["samples"], on="sample")
        pathways["category"] = pathways.target.map(category)
        pathways["correct"] = pathways["sample"].map(first) == pathways.label.map(category)
        self.pathways = pathways
        self.members = pathways[pathways.correct & (pathways.target == pathways.label)]
        keys = sorted(set(zip(self.members.category, self.members.variant, strict=True)))
        self.classes = {ids.block(self.id) + position: key for position, key in enumerate(keys)}

    def between_maps(self) -> Run:
        """The same, whose edges are between feature maps, and class pathways complete."""
        found, maps = copy.copy(self), self.maps()
        ends = {end: self.edges[end].map(maps) for end in ("source", "target")}
        edges = self.edges.assign(**ends).astype({"flow": float, "score": float})
        groups = edges.groupby(["pathway", "source", "target"])
        sums = groups[["flow", "score", "weight"]].sum()
        found.edges = sums.assign(layer=groups.layer.first()).reset_index()
        found.min_support = lambda key: 1
        return found

    def members_of(self, key: int) -> pd.DataFrame:
        category, variant = self.classes[key]
        return self.members[(self.members.category == category) & (self.members.variant == variant)]

    def min_support(self, key: int) -> int:
        return max(2, math.ceil(0.05 * self.members_of(key)["sample"].nunique()))

    def class_edges(self, key: int, without: Collection[int] = ()) -> pd.DataFrame:
        """All edges of a class pathway by (source, target), whatever their support."""
        members = self.members_of(key)
        members = members[~members["sample"].isin([*without])]
        edges = self.edges.merge(members[["pathway", "sample"]], on="pathway")
        edges = edges.astype({"flow": float, "score": float})
        groups = edges.groupby(["source", "target"])
        sums = groups[["flow", "score", "weight"]].sum()
        return sums.assign(support=groups["sample"].nunique(), layer=groups.layer.first()).reset_index()

    def maps(self) -> pd.Series:
        """The feature map of each visited neuron."""
        neurons = self.visits[["neuron", "layer"]].drop_duplicates().merge(self.layers, on="layer")
        local = neurons.neuron - neurons.offset
        plane = neurons.height * neurons.width
        return pd.Series((neurons.offset + local // plane * plane).to_numpy(), index=neurons.neuron)


def class_flows(run: Run) -> pd.DataFrame:
    kept = []
    for key, (category, _) in run.classes.items():
        edges = run.class_edges(key)
        edges = edges[edges.support >= run.min_support(key)]
        kept.append(edges.assign(class_pathway=key, category=category))
    return pd.concat(kept)


def map_flows(run: Run) -> pd.DataFrame:
    maps, rows = run.maps(), []
    for key, (category, _) in run.classes.items():
        edges = run.edges.merge(run.members_of(key)[["pathway", "sample"]], on="pathway")
        edges = edges.astype({"flow": float, "score": float})
        edges["source"], edges["target"] = edges.source.map(maps), edges.target.map(maps)
        groups = edges.groupby(["source", "target"])
        sums = groups[["flow", "score", "weight"]].sum()
        sums = sums.assign(support=groups["sample"].nunique(), layer=groups.layer.first()).reset_index()
        rows.append(sums.assign(class_pathway=key, category=category))
    return pd.concat(rows)


def class_pathways(run: Run) -> pd.DataFrame:
    rows = []
    for key, (category, variant) in run.classes.items():
        edges = run.class_edges(key)
        kept = edges[edges.support >= run.min_support(key)]
        samples = run.members_of(key)["sample"].nunique()
        share = kept.weight.sum() / edges.weight.sum()
        rows.append((key, run.id, category, variant, samples, len(kept), run.min_support(key), share))
    names = ["id", "run", "category", "variant", "samples", "edges", "min_support", "coverage"]
    return pd.DataFrame(rows, columns=names)


def resembles(runs: list[Run]) -> pd.DataFrame:
    """Every pathway of ``runs``, which are comparable, beside the classes of its first two predictions.

    Without what derives from one original with its sample.
    """
    rows = []
    derived = pd.concat([run.pathways[["sample", "parent"]].dropna() for run in runs])
    parents = dict(zip(derived["sample"], derived.parent.astype(int), strict=True))
    family = {sample: _oldest(sample, parents) for run in runs for sample in run.pathways["sample"]}
    for run in runs:
        predicted = run.predictions[run.predictions["rank"] <= 2]
        for pathway in run.pathways.itertuples():
            mine = run.edges[run.edges.pathway == pathway.pathway]
            relatives = [one for one, of in family.items() if of == family[pathway.sample]]
            for guess in predicted[predicted["sample"] == pathway.sample].itertuples():
                for other in runs:
                    for key, (category, variant) in other.classes.items():
                        if category == guess.category and variant == "original":
                            compared = _layers(mine, _left_out(other, key, relatives))
                            ends = (pathway.pathway, key, guess.rank)
                            rows += [(*ends, *values) for values in compared]
    names = ["pathway", "class_pathway", "prediction", "layer", "shared", "edges", "least", "most"]
    return pd.DataFrame(rows, columns=names)


def _oldest(sample: int, parents: dict[int, int]) -> int:
    while sample in parents:
        sample = parents[sample]
    return sample


def _left_out(run: Run, key: int, relatives: Collection[int]) -> pd.DataFrame:
    edges = run.class_edges(key, without=relatives)
    return edges[edges.support >= run.min_support(key)]


def _layers(mine: pd.DataFrame, theirs: pd.DataFrame) -> list[tuple[object, ...]]:
    rows = []
    for layer in sorted({*mine.layer, *theirs.layer}):
        left = mine[mine.layer == layer].set_index(["source", "target"]).weight
        right = theirs[theirs.layer == layer].set_index(["source", "target"]).weight
        both = pd.concat([_shares(left), _shares(right)], axis=1, keys=["a", "b"]).fillna(0.0)
        shared = len(left.index.intersection(right.index))
        rows.append((layer, shared, len(left), both.min(axis=1).sum(), both.max(axis=1).sum()))
    return rows


def _shares(weights: pd.Series) -> pd.Series:
    return weights / weights.sum() if len(weights) else weights.astype(float)


def sorted_rows(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sorted by ``keys``, with plain int64 and float64 columns."""
    frame = frame.sort_values(keys).reset_index(drop=True)
    return frame.astype(dict.fromkeys(frame.select_dtypes("integer"), np.int64)).astype(
        dict.fromkeys(frame.select_dtypes("floating"), np.float64)
    )
