"""Asking a store for the answer to ablate, with its provenance: query, parameters, runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from graphpath import ids
from graphpath.errors import AnswerError, QueryParameterError
from graphpath.network import Network
from graphpath.queries import find, limits, runner
from graphpath.queries.text import blank_out, find_parameters
from graphpath.queries.units import MAP, NEURON, UNIT
from graphpath.stores import models
from graphpath.stores.values import to_plain
from graphpath.verifying.answer import OWNERS, Ints, find_kind, read_integers

if TYPE_CHECKING:
    from graphpath.stores import Store

BY = ("answer", "sample")


@dataclass(frozen=True)
class AnswerQuery:
    """A named query, or Cypher of one's own, with its parameters.

    With ``by`` "sample" each image has rows of its own: those with its ``sample`` or ``pathway``, or the
    answer for its ``$sample`` or ``$pathway``. With "answer" all rows are of all images. None decides by the
    answer's columns.
    """

    name: str | None = None
    cypher: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    by: str | None = None

    def list_parameters(self, store: Store) -> frozenset[str]:
        """The names of its parameters. Raises QueryFileError where the store knows no such query."""
        if self.name:
            return frozenset(find(self.name, store.queries).parameters)
        return frozenset(find_parameters(self.cypher or ""))


@dataclass(frozen=True)
class StoreAnswer:
    """An answer with its provenance: its rows, the Cypher, the parameters, and the runs that it is of.

    ``pathways`` maps a pathway's id to its sample. ``models`` are the names of the store's other models, by
    their first neuron.
    """

    frame: pd.DataFrame
    text: str
    parameters: dict[str, Any]
    runs: tuple[str, ...]
    pathways: pd.Series[int]
    models: dict[int, str]
    query: str = ""
    cut: str = ""
    """Which limit cut it, in a sentence."""


def ask_store(store: Store, query: AnswerQuery, model: int, samples: Ints) -> StoreAnswer:
    """The store's answer about the model whose first neuron is ``model``, for images ``samples``.

    Raises QueryFileError, QueryParameterError, QueryFailed or RunNotFound as queries do, and AnswerError
    where the query returns edges between feature maps.
    """
    if (query.name is None) == (query.cypher is None):
        raise QueryParameterError(
            "Verify takes either a named query or Cypher: give one of query= and cypher=."
        )
    runs = models.read_runs(store, model)
    known = models.read_pathways(store, runs)
    own = next(
        (name for name in OWNERS if name in query.list_parameters(store) - set(query.parameters)), None
    )
    if query.by == "sample" and own is not None:
        frame, bound = _ask_for_each(store, query, own, known[known["sample"].isin(samples)])
    else:
        frame, bound = _ask_once(store, query, query.parameters)
    text = _query_text(store, query, str(bound.get(UNIT, NEURON)))
    if find_kind(frame) == "edges" and re.search(r"\b(MAP_FLOWS_TO|FLOWS_TO_MAP)\b", blank_out(text)):
        raise AnswerError(
            "The query returns edges between feature maps, which cannot be cut: ask for edges between "
            "neurons, or for the maps themselves (a column map, or categories/shared_neurons with unit=map)."
        )
    if bound.get(UNIT) == MAP:  # there a column of neurons holds maps
        frame = frame.rename(columns={"neuron": "map"})
    if query.by == "sample" and not set(OWNERS) & set(frame.columns):
        raise AnswerError(
            "by='sample' needs rows that say whose they are (a column sample or pathway), or a query that "
            "takes a parameter sample or pathway."
        )
    named = {int(row["id"]): str(row["name"]) for row in models.read_models(store) if row["id"] != model}
    samples_of = known.set_index("pathway")["sample"]
    return StoreAnswer(
        frame,
        text,
        bound,
        _find_runs(bound, frame, known, runs),
        samples_of,
        named,
        query.name or "",
        limits.describe_cut(frame.attrs),
    )


def _ask_once(
    store: Store, query: AnswerQuery, given: Mapping[str, object]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    if query.name is not None:
        arguments = limits.lift_limits(find(query.name, store.queries), given)
        frame = store.query(query.name, **arguments)
        return frame, dict(runner.bind_parameters(store, query.name, **arguments))
    assert query.cypher is not None
    named: dict[str, Any] = to_plain(given)
    return store.cypher(query.cypher, **named), named


def _ask_for_each(
    store: Store, query: AnswerQuery, own: str, known: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The answers for each sample, or for each pathway of one, concatenated."""
    keys = np.unique(known[own].to_numpy())
    if not len(keys):
        raise AnswerError("The store has no pathway of the images given: verify with the images traced.")
    if own == "pathway" and known["run"].nunique() > 1 and "run" not in query.parameters:
        raise QueryParameterError(
            f"The images have pathways in several runs ({', '.join(known['run'].unique())}); ask with a "
            "query that returns a column pathway for one of them."
        )
    arguments = [_ask_once(store, query, {**query.parameters, own: int(key)}) for key in keys]
    frames = [frame.assign(**{own: key}) for (frame, _), key in zip(arguments, keys, strict=True)]
    bound = {name: value for name, value in arguments[0][1].items() if name != own}
    whole = pd.concat(frames, ignore_index=True)
    whole.attrs = next((frame.attrs for frame in frames if limits.describe_cut(frame.attrs)), {})
    return whole, bound


def _query_text(store: Store, query: AnswerQuery, unit: str) -> str:
    if query.name is None:
        return str(query.cypher)
    return find(query.name, store.queries).text_for(store.dialect, unit)


def _find_runs(
    bound: Mapping[str, Any], frame: pd.DataFrame, known: pd.DataFrame, runs: list[str]
) -> tuple[str, ...]:
    """The runs that an answer is of: those named by its parameters or its pathways, else all of the model."""
    named: set[str] = set()
    for value in bound.values():
        named |= {item for item in (value if isinstance(value, list) else [value]) if item in set(runs)}
    anchors = {int(bound[name]) // ids.BLOCK for name in ("pathway", "class_pathway") if name in bound}
    named |= {run for run in runs if ids.key20(run) in anchors}
    if "pathway" in frame.columns:
        named |= set(known[known.pathway.isin(read_integers(frame, "pathway"))]["run"])
    return tuple(sorted(named or runs))


def check_model(store: Store, network: Network, model: int, name: str) -> None:
    """Refuse a store that holds no trace of this network. Raises AnswerError naming those that it holds."""
    known = models.read_models(store)
    if model in [row["id"] for row in known]:
        found = models.read_layers(store, model)
        if found == [(site.name, site.shape) for site in network.sites]:
            return
    others = ", ".join(f"{row['name']} ({row['sha256'][:8]})" for row in known) or "none"
    raise AnswerError(
        f"The store holds no trace of {name} with these weights at this input size; it holds: {others}. "
        "Verify with the network and image size that were traced."
    )
