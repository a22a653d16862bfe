"""The record of several traces as plain data frames, from which the answers are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from graphpath import ids
from graphpath.record import Trace
from graphpath.stores import Scheme
from graphpath.titles import name_layers
from tests import verdicts

EDGE = ["source", "target"]
P = ParamSpec("P")
R = TypeVar("R")
CLASSES, GROUPED = "classes", "grouped"
NUMBERS = {"high": 0, "low": 1}
"""The categories of the scheme ``grouped``, in the order of their names."""


def group_of(label: int) -> str | None:
    """The category of a class in the scheme ``grouped``: every fourth class is in none."""
    return (None, "low", "high", "low")[label % 4]


def grouping(labels: int = 10) -> Scheme:
    """The same as it is given to a store."""
    rows = [{"label": str(label), "category": name} for label in range(labels) if (name := group_of(label))]
    return Scheme(GROUPED, "a test", tuple(rows))


def kept(method: Callable[Concatenate[Facts, P], R]) -> Callable[Concatenate[Facts, P], R]:
    """What ``method`` gives for the same arguments is computed once for each facts."""

    @wraps(method)
    def once(self: Facts, *args: P.args, **kwargs: P.kwargs) -> R:
        known = self.__dict__.setdefault("_known", {})
        key = method, args, tuple(kwargs.items())
        if key not in known:
            known[key] = method(self, *args, **kwargs)
        found: R = known[key]
        return found

    return once


@dataclass(frozen=True)
class Facts:
    """Every table of the traces, one below the other, with a ``run`` column."""

    traces: tuple[Trace, ...]
    min_support: int
    scheme: str = "toy"

    @kept
    def between_maps(self) -> Facts:
        """The same, whose edges are between feature maps."""
        return MapFacts(self.traces, 1, self.scheme)

    def _table(self, name: str) -> pd.DataFrame:
        frames = [getattr(trace, name)().to_table().to_pandas().assign(run=trace.id) for trace in self.traces]
        return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)

    @cached_property
    def samples(self) -> pd.DataFrame:
        return self._table("samples").drop(columns="run").drop_duplicates("sample").set_index("sample")

    @cached_property
    def oldest(self) -> dict[int, int]:
        """For each sample the one that it derives from in the end: itself where it is an original."""
        parents = self.samples.parent.dropna().astype(int).to_dict()
        found = {}
        for sample in self.samples.index:
            found[sample] = sample
            while found[sample] in parents:
                found[sample] = parents[found[sample]]
        return found

    @property
    def verdicts(self) -> list[tuple[dict[str, object], list[str]]]:
        """Verdicts, each with the runs that it is of: in no trace, but recorded by the fixtures."""
        return verdicts.of([trace.id for trace in self.traces])

    @cached_property
    def categories(self) -> pd.Series:
        """Category names by id, of classes and of the scheme ``grouped``."""
        classes = self._table("categories").drop_duplicates("category").set_index("category").name
        groups = pd.Series({ids.category_id(GROUPED, n): name for name, n in NUMBERS.items()})
        return pd.concat([classes, groups])

    @cached_property
    def layers(self) -> pd.DataFrame:
        return self._table("layers").drop(columns="run").drop_duplicates("layer").set_index("layer")

    @cached_property
    def possible(self) -> pd.Series:
        """How many edges each layer can have, counted from the record's relations of channels, y and x."""
        frame = self.traces[0].reach().to_table().to_pandas()
        frame["cells"] = frame.to_count.astype("int64") * frame.from_count
        axes = frame.groupby(["layer", "source_layer", "term", "axis"]).cells.sum()
        counts = axes.groupby(["layer", "source_layer", "term"]).prod().groupby("layer").sum()
        return counts.reindex(self.layers.index, fill_value=0)

    @cached_property
    def fields(self) -> pd.DataFrame:
        """The first and last row or column of the image, by layer, axis and place."""
        return self.traces[0].fields().to_table().to_pandas().set_index(["layer", "axis", "place"])

    @cached_property
    def titles(self) -> pd.Series:
        """Of the layers."""
        return pd.Series(name_layers(list(self.layers.name), list(self.layers.kind)), self.layers.index)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        return self._table("predictions")

    @cached_property
    def pathways(self) -> pd.DataFrame:
        """With label, variant, category (of the target) and correct."""
        frame = self._table("pathways").join(self.samples[["label", "variant"]], on="sample")
        first = self.predictions[self.predictions["rank"] == 1].set_index(["run", "sample"]).category
        predicted = first.loc[list(zip(frame.run, frame["sample"], strict=True))].to_numpy()
        frame["category"] = [ids.category_id(self.scheme, target) for target in frame.target]
        frame["correct"] = predicted == [ids.category_id(self.scheme, label) for label in frame.label]
        return frame

    @cached_property
    def edges(self) -> pd.DataFrame:
        """With what is known of their pathways, and weight = abs(score), in double precision."""
        frame = self._table("edges").drop(columns="run")
        frame[["flow", "score"]] = frame[["flow", "score"]].astype(float)
        known = self.pathways.set_index("pathway")[
            ["run", "sample", "label", "variant", "category", "correct"]
        ]
        return frame.join(known, on="pathway").assign(weight=frame.score.abs())

    @cached_property
    def visits(self) -> pd.DataFrame:
        frame = self._table("visits").drop(columns="run")
        known = self.pathways.set_index("pathway")[["run", "sample", "label", "variant", "target"]]
        frame[["activation", "score"]] = frame[["activation", "score"]].astype(float)
        return frame.join(known, on="pathway")

    @cached_property
    def steps(self) -> pd.DataFrame:
        """Steps of routes with the routes' columns and what is known of their pathways."""
        routes = self._table("routes").drop(columns="run").set_index("route")
        known = self.pathways.set_index("pathway")[["run", "sample", "label", "variant", "target"]]
        return self._table("steps").drop(columns="run").join(routes, on="route").join(known, on="pathway")

    @cached_property
    def crosses(self) -> pd.DataFrame:
        known = self.pathways.set_index("pathway")[["run", "sample", "label", "variant"]]
        return self._table("crosses").drop(columns="run").join(known, on="pathway")

    def to_group(self, classes: pd.Series, scheme: str) -> pd.Series:
        """The category in ``scheme`` of classes (ids); -1 for none."""
        if scheme == CLASSES:
            return classes
        labels = classes - ids.category_id(self.scheme, 0)
        return labels.map(
            lambda label: ids.category_id(GROUPED, NUMBERS[name]) if (name := group_of(int(label))) else -1
        )

    @kept
    def grouped(self, scheme: str) -> pd.DataFrame:
        """The pathways that belong to a class pathway, by its category."""
        p = self.pathways
        first = self.predictions[self.predictions["rank"] == 1].set_index(["run", "sample"]).category
        predicted = pd.Series(first.loc[list(zip(p.run, p["sample"], strict=True))].to_numpy(), index=p.index)
        label = self.to_group(self.category_of(p.label), scheme)
        target = self.to_group(p.category, scheme)
        mine = (target >= 0) & (target == label) & (target == self.to_group(predicted, scheme))
        return p.assign(category=target)[mine]

    @kept
    def members(self, scheme: str = CLASSES) -> pd.DataFrame:
        """The edges of the pathways that belong to a class pathway."""
        category = self.grouped(scheme).set_index("pathway").category
        return self.edges.drop(columns="category").join(category, on="pathway", how="inner")

    @kept
    def class_sizes(self, run: str, variant: str = "original", scheme: str = CLASSES) -> pd.Series:
        """Samples of each class pathway, by category."""
        mine = self.grouped(scheme)
        mine = mine[(mine.run == run) & (mine.variant == variant)]
        return mine.groupby("category")["sample"].nunique()

    @kept
    def class_without(self, run: str, category: int, oldest: int, scheme: str) -> pd.DataFrame:
        """The edges of a class pathway of originals, without what derives from the sample ``oldest``."""
        every = self.members(scheme)
        family = {sample for sample, first in self.oldest.items() if first == oldest}
        mine = every[(every.run == run) & (every.variant == "original") & (every.category == category)]
        grouped = mine[~mine["sample"].isin(family)].groupby(["layer", *EDGE])
        found = grouped[["weight"]].sum().assign(support=grouped["sample"].nunique())
        return found[found.support >= self.min_support].reset_index()

    @kept
    def edges_of(self, pathway: int) -> pd.DataFrame:
        """The edges of one pathway."""
        return self.edges[self.edges.pathway == pathway]

    @kept
    def class_edges(self, run: str, variant: str = "original", scheme: str = CLASSES) -> pd.DataFrame:
        """Edges of class pathways: support, and flow, score and weight per sample of the class."""
        every = self.members(scheme)
        mine = every[(every.run == run) & (every.variant == variant)]
        grouped = mine.groupby(["category", "layer", *EDGE])
        frame = grouped[["flow", "score", "weight"]].sum()
        frame["support"] = grouped["sample"].nunique()
        frame = frame[frame.support >= self.min_support].reset_index()
        size = frame.category.map(self.class_sizes(run, variant, scheme))
        frame[["flow", "score", "weight"]] = frame[["flow", "score", "weight"]].div(size, axis=0)
        return frame.assign(share=frame.support / size)

    def category_of(self, labels: pd.Series) -> pd.Series:
        return labels.map(lambda label: ids.category_id(self.scheme, int(label))).astype("int64")

    def name(self, neurons: pd.Series) -> pd.Series:
        """The captions of neurons: "features.0 [3] 1,2", "classifier [4]"."""
        frame = self.place(neurons)
        plane = frame.height * frame.width
        caption = frame.layer_name + " [" + frame.channel.astype(str) + "]"
        return caption.where(plane == 1, caption + " " + frame.y.astype(str) + "," + frame.x.astype(str))

    def place(self, neurons: pd.Series) -> pd.DataFrame:
        """layer, channel, y, x, map of neurons, by position."""
        neurons = pd.Series(neurons).reset_index(drop=True)
        offsets = self.layers.offset.to_numpy()
        number = np.searchsorted(offsets, neurons.to_numpy(), side="right") - 1
        frame = self.layers.iloc[number].reset_index()[["layer", "name", "height", "width", "offset"]]
        frame = frame.rename(columns={"name": "layer_name"})
        rest = neurons - frame.offset
        plane = frame.height * frame.width
        frame["channel"] = rest // plane
        frame["y"], frame["x"] = rest % plane // frame.width, rest % frame.width
        frame["map"] = frame.offset + frame.channel * plane
        return frame


class MapFacts(Facts):
    """Edges between feature maps: the sums of those between neurons, and what ``channels`` recorded."""

    @cached_property
    def edges(self) -> pd.DataFrame:
        found = [super().edges]
        found[0] = found[0].assign(**{end: self.place(found[0][end])["map"].to_numpy() for end in EDGE})
        if any(trace.files("channels") for trace in self.traces):
            found.append(self._whole_edges())
        edges = pd.concat(found)
        known = ["pathway", "layer", "run", "sample", "label", "variant", "category", "correct"]
        return edges.groupby([*EDGE, *known])[["flow", "score", "weight"]].sum().reset_index()

    def _whole_edges(self) -> pd.DataFrame:
        frames = [trace.channels().to_table().to_pandas() for trace in self.traces if trace.files("channels")]
        frame = pd.concat(frames)
        frame[["flow", "score"]] = frame[["flow", "score"]].astype(float)
        known = self.pathways.set_index("pathway")[
            ["run", "sample", "label", "variant", "category", "correct"]
        ]
        return frame.join(known, on="pathway").assign(weight=frame.score.abs())

    @cached_property
    def possible(self) -> pd.Series:
        """Pairs of maps, each counted once, one by one."""
        frame = self.traces[0].reach().to_table().to_pandas()
        pairs: dict[int, set[tuple[int, int, int]]] = {layer: set() for layer in self.layers.index}
        for row in frame[frame.axis == "channel"].itertuples():
            for to in range(row.to_first, row.to_first + row.to_count):
                for source in range(row.from_first, row.from_first + row.from_count):
                    pairs[row.layer].add((row.source_layer, source, to))
        return pd.Series({layer: len(found) for layer, found in pairs.items()})

    def name(self, neurons: pd.Series) -> pd.Series:
        """The captions of feature maps: "features.0 [3]"."""
        frame = self.place(neurons)
        return frame.layer_name + " [" + frame.channel.astype(str) + "]"
