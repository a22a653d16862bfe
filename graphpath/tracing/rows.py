"""Pathways as rows of the record (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from graphpath.ids import block, category_id
from graphpath.network import Network
from graphpath.tracing.batch import Batch
from graphpath.tracing.pathways import Pathways

Rows = Mapping[str, npt.NDArray[np.generic] | list[object]]
TOP = 5
"""Predictions recorded a sample."""


@dataclass(frozen=True)
class Numbering:
    """The ids of one run: where its neurons', pathways' and routes' begin, and its class scheme."""

    network: Network
    weights: str
    run: str
    scheme: str
    routes: int

    @property
    def neurons(self) -> int:
        """The id of the network's first neuron."""
        sites = self.network.sites
        return block(self.weights, [site.name for site in sites], [list(site.shape) for site in sites])

    def layers(self) -> Rows:
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

    def categories(self, names: list[str]) -> Rows:
        """The categories table, for the classes by label."""
        labels = np.arange(len(names), dtype=np.int32)
        return {
            "category": [category_id(self.scheme, int(label)) for label in labels],
            "scheme": [self.scheme] * len(names),
            "label": labels,
            "name": list(names),
        }

    def part(
        self, batch: Batch, found: Pathways, samples: pa.Table, targets: npt.NDArray[np.int64], first: int
    ) -> dict[str, Rows | pa.Table]:
        """All tables of the images ``samples``, the run's ``first`` and following."""
        pathway = block(self.run) + first + np.arange(batch.held.images)
        sample = samples["sample"].to_numpy()
        visits = self._visits(batch, found, pathway)
        return {
            "samples": samples,
            "predictions": self._predictions(batch, sample),
            "pathways": self._pathways(batch, found, visits, pathway, sample, targets),
            "balance": self._balance(found, pathway),
            "visits": visits,
            "edges": self._edges(found, pathway),
            **self._routes(found, pathway, first),
        }

    def _predictions(self, batch: Batch, sample: npt.NDArray[np.int64]) -> Rows:
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

    def _pathways(
        self,
        batch: Batch,
        found: Pathways,
        visits: Rows,
        pathway: npt.NDArray[np.int64],
        sample: npt.NDArray[np.int64],
        targets: npt.NDArray[np.int64],
    ) -> Rows:
        balance = found.balance
        there, kept = balance.abs_all.sum(1), balance.abs_kept.sum(1)
        visited = np.searchsorted(pathway, np.asarray(visits["pathway"]))
        return {
            "pathway": pathway,
            "sample": sample,
            "target": targets,
            "origin": [None] * len(pathway),
            "neurons": np.bincount(visited, minlength=len(pathway)),
            "edges": balance.edges_kept.sum(1),
            "coverage": np.divide(kept, there, out=np.ones_like(kept), where=there > 0).astype(np.float32),
            "logit": batch.held.value.double().cpu().numpy(),
            "bias": balance.bias.sum(1),
        }

    def _balance(self, found: Pathways, pathway: npt.NDArray[np.int64]) -> Rows:
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

    def _visits(self, batch: Batch, found: Pathways, pathway: npt.NDArray[np.int64]) -> Rows:
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

    def _edges(self, found: Pathways, pathway: npt.NDArray[np.int64]) -> Rows:
        edges = found.edges
        return {
            "source": self.neurons + edges.source,
            "target": self.neurons + edges.target,
            "pathway": pathway[edges.sample],
            "layer": edges.layer,
            "flow": edges.flow.astype(np.float32),
            "score": edges.score.astype(np.float32),
            "rank": edges.rank,
        }

    def _routes(self, found: Pathways, pathway: npt.NDArray[np.int64], first: int) -> dict[str, Rows]:
        routes = found.routes
        number = block(self.run) + (first + routes.sample) * self.routes + routes.rank - 1
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
