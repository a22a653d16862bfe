"""Asks a store's named queries and remembers what was asked, so that each figure can say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from graphpath.analysis.grouping import group_samples, read_grouping
from graphpath.classes import CLASSES
from graphpath.errors import RunNotFound
from graphpath.queries import find, limits, meeting
from graphpath.queries.units import MAP, NEURON, UNIT, has_units
from graphpath.report.captions import name_class, name_layers
from graphpath.report.pathway.blocks import gather_blocks
from graphpath.report.source import Source, format_command

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from graphpath.stores.base import Store

ALL = -1
"""The layer number that means all layers together."""
MOST_CLASSES = 40
"""Classes that a heat map still shows."""


class RunReader:
    """One run of a store, the *reference*. Everything is compared with its class pathways.

    Args:
        run: an id, a name, how an id begins, or "latest"; by default the complete run with the most original
            samples.
        scheme: of the categories that are compared; "classes": each class is one.

    Raises:
        RunNotFound: the store holds no such run, or none that is complete.
    """

    def __init__(self, store: Store, run: str | None = None, scheme: str = CLASSES) -> None:
        self.store, self.scheme = store, scheme
        self._asked: dict[tuple[str, str], Source] = {}
        self.runs = store.query("runs/all")
        self.run = store.find_run(run) if run else self._choose_reference()

    def ask(self, query: str, **parameters: object) -> Source:
        """The answer of a named query, whole unless a limit is given, with the question; asked once."""
        return self._ask(query, self._add_unit(query, parameters))

    def _ask(self, query: str, given: dict[str, object]) -> Source:
        """The same, between what ``given`` says."""
        parameters = limits.lift_limits(find(query), self._add_scheme(query, given))
        key = (query, repr(sorted(parameters.items())))
        if key not in self._asked:
            frame = self.store.query(query, **parameters)
            note = " ".join([*frame.attrs["notes"], limits.describe_cut(frame.attrs)]).strip()
            self._asked[key] = Source(query, parameters, frame, str(self.store.uri), note)
        return self._asked[key]

    def edges_of(self, query: str, names: Sequence[str], **parameters: object) -> tuple[pd.DataFrame, str]:
        """What ``browse/*`` says of relationships: source, target (their ends' ids) and properties ``names``.

        With it comes a sentence on what a limit cut off. (The graph itself takes several times as long.)
        """
        import pandas as pd

        answer = self.store.query(query, **limits.lift_limits(find(query), parameters))
        cells = {name: answer.r.map(lambda cell, name=name: cell[name]) for name in names}
        ends = {
            end: answer[node].map(lambda cell: cell["id"]) for end, node in (("source", "a"), ("target", "b"))
        }
        return pd.DataFrame({**ends, **cells}), limits.describe_cut(answer.attrs)

    def graph(self, query: str, **parameters: object) -> nx.MultiDiGraph:
        """The graph that a ``browse/*`` query returns."""
        return self.store.graph(query, **self._add_scheme(query, parameters))

    def _add_unit(self, query: str, parameters: dict[str, object]) -> dict[str, object]:
        """``parameters`` with the unit, where it is feature maps and the query asks for one."""
        if not has_units(find(query).parameters) or UNIT in parameters or self.unit == NEURON:
            return parameters
        return {**parameters, UNIT: self.unit}

    @cached_property
    def unit(self) -> str:
        """Between what pathways are compared: feature maps where neurons of different images hardly meet."""
        return MAP if self.apart else NEURON

    @cached_property
    def apart(self) -> str:
        """A sentence where neurons of different images hardly meet."""
        if self._between_neurons is None:  # what class pathways keep says it too
            return " ".join(meeting.describe_classes(self.ask(meeting.CLASSES, run=self.run).frame))
        return " ".join(meeting.describe_pathways(self._between_neurons.frame))

    @cached_property
    def _between_neurons(self) -> Source | None:
        """``consistency`` between neurons, None where the run is too large for the query."""
        from graphpath.errors import QueryParameterError

        try:
            return self._ask(meeting.LEVELS, {"run": self.run})
        except QueryParameterError:
            return None

    def _add_scheme(self, query: str, parameters: dict[str, object]) -> dict[str, object]:
        """``parameters`` with the scheme, where it is another than usual and the query asks for one."""
        if self.scheme == CLASSES or "scheme" not in find(query).parameters:
            return parameters
        return {**parameters, "scheme": self.scheme}

    def describe_call(self, query: str, parameters: Mapping[str, object]) -> str:
        """The command line that asks that."""
        return format_command(query, str(self.store.uri), parameters)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """The network's layers, from the input to the logits."""
        return self.ask("pathways/layers", run=self.run).frame

    @cached_property
    def traced(self) -> pd.DataFrame:
        """The reference run's pathways with their samples and these samples' classes."""
        return self.ask("pathways/of_run", run=self.run).frame

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The same with the samples' categories: label, label_name and correct are of the scheme."""
        if self.scheme == CLASSES:
            return self.traced
        grouped = group_samples(self.store, self.run, self.traced, self.scheme)
        names = read_grouping(self.store, self.scheme).drop_duplicates("key").set_index("key").name
        return grouped.assign(
            label=grouped.label_key,
            label_name=grouped.label_key.map(names),
            correct=(grouped.label_key >= 0) & (grouped.label_key == grouped.predicted_key),
        )

    @cached_property
    def edges(self) -> pd.DataFrame:
        """How many different edges the reference run's pathways take, and how many added up, by layer."""
        return self.ask("pathways/edges", run=self.run).frame

    @cached_property
    def variants(self) -> list[str]:
        """The variants whose class pathways are compared: originals, or the run's only variant."""
        held = set(self.samples.variant)
        return ["original"] if "original" in held else sorted(held)

    @cached_property
    def every_class(self) -> list[str]:
        """Names of the classes that the samples have, by label."""
        known = self.samples[self.samples.label >= 0].drop_duplicates("label").sort_values("label")
        return [str(name) for name in known.label_name]

    @cached_property
    def classes(self) -> list[str]:
        """Those that are drawn: of many, the ``MOST_CLASSES`` in the most alike pairs."""
        if len(self.every_class) <= MOST_CLASSES:
            return self.every_class
        pairs = self.similarity_overall.frame.sort_values("weighted_J", ascending=False, kind="stable")
        alike = dict.fromkeys(
            str(name) for pair in zip(pairs.category1, pairs.category2, strict=True) for name in pair
        )
        chosen = set([*alike][:MOST_CLASSES])
        return [name for name in self.every_class if name in chosen]

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Names of classes by label, of labels and of targets."""
        frame = self.traced
        targets = dict(zip(frame.target, frame.target_name, strict=True))
        named = {**targets, **dict(zip(frame.label, frame.label_name, strict=True))}
        return {label: name_class(str(name)) for label, name in named.items()}

    @cached_property
    def captions(self) -> list[tuple[int, str]]:
        """(number, name) of each layer that edges run into."""
        titles = name_layers([*map(str, self.layers.name)], [*map(str, self.layers.kind)])
        every = zip(map(int, self.layers.layer), titles, strict=True)
        return [(layer, title) for layer, title in every if layer > 0]

    @cached_property
    def block_names(self) -> dict[int, str]:
        """What each layer that edges run into is drawn as: its own name, in a deep network its block's."""
        return {
            layer.number: layer.title if block.single else block.name
            for block in gather_blocks(self.layers)[1:]
            for layer in block.layers
        }

    @cached_property
    def block_ends(self) -> list[tuple[int, str]]:
        """(number, name) of the layer that ends each block between input and logits; shallow: each layer."""
        blocks = gather_blocks(self.layers)[1:-1]
        return [(block.last.number, self.block_names[block.last.number]) for block in blocks]

    @cached_property
    def consistency(self) -> Source | None:
        """Likeness within and between categories, None where the run is too large for the query."""
        if self._between_neurons is None or self.unit == NEURON:
            return self._between_neurons
        return self.ask(meeting.LEVELS, run=self.run)

    @cached_property
    def similarity_within(self) -> float:
        """Weighted likeness of two images of one class, all layers together; 0.5 where it is not known."""
        return self._read_likeness("weighted_J_within", 0.5)

    @cached_property
    def similarity_between(self) -> float:
        """Weighted likeness of two images of two classes, all layers together; 0 where it is not known."""
        return self._read_likeness("weighted_J_between", 0.0)

    def _read_likeness(self, column: str, unknown: float) -> float:
        """A mean of ``consistency`` over all layers together; ``unknown`` where there is none."""
        if self.consistency is None:
            return unknown
        value = self.consistency.frame.set_index("layer")[column].get(ALL, float("nan"))
        return float(value) if value == value else unknown

    @cached_property
    def similarity_overall(self) -> Source:
        """Likeness of every two class pathways, all layers together."""
        if len(self.every_class) <= MOST_CLASSES:
            return self.similarity_by_layer
        return self.ask("categories/similarity", run=self.run, by_layer=False)

    @cached_property
    def similarity_by_layer(self) -> Source:
        """Likeness of every two class pathways of ``classes``, layer by layer."""
        if len(self.every_class) <= MOST_CLASSES:
            return self.ask("categories/similarity", run=self.run)
        nodes = self.graph("browse/categories", run=self.run, limit="all")
        shown = [
            int(data["id"])
            for _, data in nodes.nodes(data=True)
            if data["type"] == "Category" and data["name"] in self.classes
        ]
        return self.ask("categories/similarity", run=self.run, categories=sorted(shown))

    @cached_property
    def comparable(self) -> list[str]:
        """The complete runs of the same network, method and options as the reference."""
        kind = self.runs.set_index("run").comparable[self.run]
        alike = self.runs[self.runs.complete & (self.runs.comparable == kind)]
        return [str(run) for run in alike.run]

    @property
    def comparable_runs(self) -> list[str]:
        """``comparable`` as queries take it: empty where that is every complete run."""
        every = set(self.runs[self.runs.complete].run)
        return [] if every == set(self.comparable) else self.comparable

    def _choose_reference(self) -> str:
        complete = [str(run) for run in self.runs[self.runs.complete].run]
        if not complete:
            raise RunNotFound(f"{self.store.uri} holds no complete run; load a trace first (graphpath load).")
        if len(complete) == 1:
            return complete[0]
        originals = {
            run: int(self.store.query("pathways/samples", run=run, variant="original").samples.sum())
            for run in complete
        }
        return max(complete, key=lambda run: originals[run])
