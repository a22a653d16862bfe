"""Pathways as rows of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from graphpath.ids import block, category_id
from graphpath.network import Network
from graphpath.tracing.batch import Batch
from graphpath.tracing.pathways import Edges, Pathways
from graphpath.tracing.taking import Crosses, Extraction

Rows = Mapping[str, npt.NDArray[np.generic] | list[object]]
Ints = npt.NDArray[np.int64]
Traced = Sequence[tuple[Extraction, Pathways]]
"""The pathways of a batch, some at a time."""

TOP = 5
"""Predictions recorded a sample."""


def first_neuron(network: Network, weights: str) -> int:
    """The id of the first neuron of a network whose weights have the digest ``weights``: the model's id."""
    sites = network.sites
    return block(weights, [site.name for site in sites], [list(site.shape) for site in sites])


@dataclass(frozen=True)
class Numbering:
    """The ids of one run: where its neurons', pathways' and routes' begin, and its class scheme.

    Numbers are kept for ``each`` pathways of an image and ``routes`` routes of a pathway.
    """

    network: Network
    weights: str
    run: str
    scheme: str
    routes: int
    each: int = 1

    @property
    def neurons(self) -> int:
        """The id of the network's first neuron."""
        return first_neuron(self.network, self.weights)

    def make_layers(self) -> Rows:
        """The layers table."""
        sites = self.network.sites
        channels, height, width = (
            np.array(column, np.int32) for column in zip(*(s.shape for s in sites), strict=True)
        )
        return {
            "layer": np.arange(len(sites), dtype=np.int32),
            "name": [site.name for site in sites],
            "kind": [site.kind for site in sites],
            "channels": channels,
            "height": height,
            "width": width,
            "offset": self.neurons + np.array([site.offset for site in sites]),
        }

    def make_categories(self, names: Mapping[int, str]) -> Rows:
        """The categories table, for the classes by label."""
        labels = np.array(list(names), dtype=np.int32)
        return {
            "category": [category_id(self.scheme, int(label)) for label in labels],
            "scheme": [self.scheme] * len(names),
            "label": labels,
            "name": list(names.values()),
        }

    def make_part(
        self, batch: Batch, traced: Traced, samples: pa.Table, targets: Ints, first: int
    ) -> dict[str, Rows | pa.Table]:
        """All tables of the images ``samples``, the run's ``first`` and following."""
        sample = samples["sample"].to_numpy()
        tables = [self._make_tables(taken, found, sample, targets, first) for taken, found in traced]
        return {
            "samples": samples,
            "predictions": self._make_predictions(batch, sample),
            **{name: _stack([part[name] for part in tables]) for name in (tables[0] if tables else ())},
        }

    def _make_tables(
        self, taken: Extraction, found: Pathways, sample: Ints, targets: Ints, first: int
    ) -> dict[str, Rows]:
        """The tables of some pathways; ``sample`` and ``targets`` are those of the batch's images."""
        position = (first + taken.image) * self.each + taken.number
        pathway = block(self.run) + position
        visits = self._make_visits(taken.batch, found, pathway)
        tables: dict[str, Rows] = {
            "pathways": self._make_pathways(taken, found, visits, pathway, sample, targets),
            "balance": self._make_balance(found, pathway),
            "visits": visits,
            "edges": self._make_edges(found.edges, pathway),
            **self._make_routes(found, pathway, position),
        }
        if taken.crosses is not None:
            tables["crosses"] = self._make_crosses(taken.crosses, pathway)
        if found.maps is not None:
            tables["channels"] = self._make_edges(found.maps, pathway)
        return tables

    def _make_predictions(self, batch: Batch, sample: Ints) -> Rows:
        logits = batch.held.logits.double()
        top = logits.topk(min(TOP, logits.shape[1]), 1)
        share = logits.softmax(1).gather(1, top.indices)
        count = top.indices.shape[1]
        labels = top.indices.cpu().numpy().ravel()
        return {
            "sample": np.repeat(sample, count),
            "rank": np.tile(np.arange(1, count + 1), len(sample)),
            "category": labels + category_id(self.scheme, 0),
            "logit": top.values.cpu().numpy().ravel().astype(np.float32),
            "confidence": share.cpu().numpy().ravel().astype(np.float32),
        }

    def _make_pathways(
        self, taken: Extraction, found: Pathways, visits: Rows, pathway: Ints, sample: Ints, targets: Ints
    ) -> Rows:
        balance = found.balance
        there, kept = balance.abs_all.sum(1), balance.abs_kept.sum(1)
        visited = np.searchsorted(pathway, np.asarray(visits["pathway"]))
        return {
            "pathway": pathway,
            "sample": sample[taken.image],
            "target": targets[taken.image],
            "origin": [None] * len(pathway) if taken.origin is None else list(self.neurons + taken.origin),
            "neurons": np.bincount(visited, minlength=len(pathway)),
            "edges": balance.edges_kept.sum(1),
            "coverage": np.divide(kept, there, out=np.ones_like(kept), where=there > 0).astype(np.float32),
            "logit": taken.batch.held.value.double().cpu().numpy(),
            "bias": balance.bias.sum(1),
        }

    def _make_balance(self, found: Pathways, pathway: Ints) -> Rows:
        balance = found.balance
        layers = balance.bias.shape[1]
        return {
            "pathway": np.repeat(pathway, layers),
            "layer": np.tile(np.arange(layers), len(pathway)),
            "edges_all": balance.edges_all.ravel(),
            "edges_kept": balance.edges_kept.ravel(),
            "abs_all": balance.abs_all.ravel(),
            "abs_kept": balance.abs_kept.ravel(),
            "bias": balance.bias.ravel(),
            "bias_fed": balance.bias_fed.ravel(),
        }

    def _make_visits(self, batch: Batch, found: Pathways, pathway: Ints) -> Rows:
        edges, routes, width = found.edges, found.routes, self.network.neurons
        at_ends = [edges.sample * width + edges.source, edges.sample * width + edges.target]
        on_routes = routes.sample[routes.route] * width + routes.neuron
        key = np.unique(np.concatenate([*at_ends, on_routes]))
        sample, neuron = key // width, key % width
        where = (torch.from_numpy(sample), torch.from_numpy(neuron))
        output, gradient = batch.held.output.cpu()[where], batch.held.gradient.cpu()[where]
        starts = np.array([site.offset for site in self.network.sites])
        return {
            "pathway": pathway[sample],
            "neuron": self.neurons + neuron,
            "layer": np.searchsorted(starts, neuron, side="right") - 1,
            "activation": output.float().numpy(),
            "score": (output.double() * gradient.double()).numpy().astype(np.float32),
        }

    def _make_edges(self, edges: Edges, pathway: Ints) -> Rows:
        return {
            "source": self.neurons + edges.source,
            "target": self.neurons + edges.target,
            "pathway": pathway[edges.sample],
            "layer": edges.layer,
            "flow": edges.flow.astype(np.float32),
            "score": edges.score.astype(np.float32),
            "rank": edges.rank,
        }

    def _make_crosses(self, crosses: Crosses, pathway: Ints) -> Rows:
        return {
            "pathway": pathway[crosses.pathway],
            "pixel": self.neurons + crosses.pixel.astype(np.int64),
            "layer": crosses.layer,
            "channel": crosses.channel,
            "size": crosses.size,
            "signed": crosses.signed,
            "rank": crosses.rank,
        }

    def _make_routes(self, found: Pathways, pathway: Ints, position: Ints) -> dict[str, Rows]:
        routes = found.routes
        number = block(self.run) + position[routes.sample] * self.routes + routes.rank - 1
        return {
            "routes": {
                "route": number,
                "pathway": pathway[routes.sample],
                "rank": routes.rank,
                "sign": routes.sign.astype(np.int8),
                "log10_abs": routes.log10_abs,
            },
            "steps": {
                "route": number[routes.route],
                "neuron": self.neurons + routes.neuron,
                "position": routes.position,
            },
        }


def _stack(parts: Sequence[Rows]) -> Rows:
    """The rows of several tables of one kind, one behind the other."""
    if len(parts) == 1:
        return parts[0]
    return {name: _make_column([part[name] for part in parts]) for name in parts[0]}


def _make_column(
    parts: Sequence[npt.NDArray[np.generic] | list[object]],
) -> npt.NDArray[np.generic] | list[object]:
    if isinstance(parts[0], list):
        return [value for part in parts for value in part]
    return np.concatenate([np.asarray(part) for part in parts])
