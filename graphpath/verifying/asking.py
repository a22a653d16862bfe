"""Asking a store for what is to be ablated, and what it says of where the answer came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from graphpath import ids
from graphpath.errors import AnswerError, QueryParameterError
from graphpath.network import Network
from graphpath.queries import find, limits, runner
from graphpath.queries.text import bare, parameters
from graphpath.stores import models
from graphpath.stores.given import plain
from graphpath.verifying.answer import OWNERS, Ints, integers, kind_of

if TYPE_CHECKING:
    from graphpath.stores import Store

BY = ("answer", "sample")


@dataclass(frozen=True)
class Question:
    """A named query, or Cypher of one's own, with its parameters.

    ``by`` is "sample" where each image is to have rows of its own: those with its ``sample`` or ``pathway``,
    or the answer for its ``$sample`` or ``$pathway``; "answer" where all rows are of all images; None for
    what the answer's columns say.
    """

    query: str | None = None
    cypher: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    by: str | None = None

    def takes(self, store: Store) -> frozenset[str]:
        """The parameters that it has. Raises QueryFileError where the store knows no such query."""
        if self.query:
            return frozenset(find(self.query, store.queries).parameters)
        return frozenset(parameters(self.cypher or ""))


@dataclass(frozen=True)
class Told:
    """An answer as it was given: its rows, the Cypher, the parameters that it was given for, and the runs
    that it is of. ``pathways`` says by id which sample a pathway is of, ``models`` which others the store
    holds, by their first neuron.
    """

    frame: pd.DataFrame
    text: str
    parameters: dict[str, Any]
    runs: tuple[str, ...]
    pathways: pd.Series[int]
    models: dict[int, str]
    query: str = ""
    cut: str = ""
    """What a limit has kept from it, in a sentence."""


def ask(store: Store, question: Question, model: int, samples: Ints) -> Told:
    """The answer to a question about the model whose first neuron is ``model``, for images ``samples``.

    Raises QueryFileError, QueryParameterError, QueryFailed or RunNotFound as queries do, and AnswerError
    where the query returns edges between feature maps.
    """
    if (question.query is None) == (question.cypher is None):
        raise QueryParameterError(
            "Verify takes either a named query or Cypher: give one of query= and cypher=."
        )
    runs = models.runs(store, model)
    known = models.pathways(store, runs)
    own = next((name for name in OWNERS if name in question.takes(store) - set(question.parameters)), None)
    if question.by == "sample" and own is not None:
        frame, bound = _one_by_one(store, question, own, known[known["sample"].isin(samples)])
    else:
        frame, bound = _once(store, question, question.parameters)
    text = _text(store, question)
    if kind_of(frame) == "edges" and "MAP_FLOWS_TO" in bare(text):
        raise AnswerError(
            "The query returns edges between feature maps, which cannot be cut: return edges between "
            "neurons, or the maps themselves as map."
        )
    if question.by == "sample" and not set(OWNERS) & set(frame.columns):
        raise AnswerError(
            "by='sample' needs rows that say whose they are (a column sample or pathway), or a query that "
            "takes a parameter sample or pathway."
        )
    named = {int(row["id"]): str(row["name"]) for row in models.models(store) if row["id"] != model}
    samples_of = known.set_index("pathway")["sample"]
    return Told(
        frame,
        text,
        bound,
        _runs(bound, frame, known, runs),
        samples_of,
        named,
        question.query or "",
        limits.said(frame.attrs),
    )


def _once(
    store: Store, question: Question, given: Mapping[str, object]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    if question.query is not None:
        asked = limits.unlimited(find(question.query, store.queries), given)
        frame = store.query(question.query, **asked)
        return frame, dict(runner.settled(store, question.query, **asked))
    assert question.cypher is not None
    named: dict[str, Any] = plain(given)
    return store.cypher(question.cypher, **named), named


def _one_by_one(
    store: Store, question: Question, own: str, known: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The answers for each sample, or each pathway of one, one below the other."""
    keys = np.unique(known[own].to_numpy())
    if not len(keys):
        raise AnswerError("The store has no pathway of the images given: verify with the images traced.")
    if own == "pathway" and known["run"].nunique() > 1 and "run" not in question.parameters:
        raise QueryParameterError(
            f"The images have pathways in several runs ({', '.join(known['run'].unique())}); ask with a "
            "query that returns a column pathway for one of them."
        )
    asked = [_once(store, question, {**question.parameters, own: int(key)}) for key in keys]
    frames = [frame.assign(**{own: key}) for (frame, _), key in zip(asked, keys, strict=True)]
    bound = {name: value for name, value in asked[0][1].items() if name != own}
    whole = pd.concat(frames, ignore_index=True)
    whole.attrs = next((frame.attrs for frame in frames if limits.said(frame.attrs)), {})
    return whole, bound


def _text(store: Store, question: Question) -> str:
    if question.query is None:
        return str(question.cypher)
    return find(question.query, store.queries).text_for(store.dialect)


def _runs(
    bound: Mapping[str, Any], frame: pd.DataFrame, known: pd.DataFrame, runs: list[str]
) -> tuple[str, ...]:
    """The runs that an answer is of: those that its parameters name, or whose pathways; else all of the
    model.
    """
    named: set[str] = set()
    for value in bound.values():
        named |= {item for item in (value if isinstance(value, list) else [value]) if item in set(runs)}
    anchors = {int(bound[name]) // ids.BLOCK for name in ("pathway", "class_pathway") if name in bound}
    named |= {run for run in runs if ids.key20(run) in anchors}
    if "pathway" in frame.columns:
        named |= set(known[known.pathway.isin(integers(frame, "pathway"))]["run"])
    return tuple(sorted(named or runs))


def check_model(store: Store, network: Network, model: int, name: str) -> None:
    """Refuse a store that holds no trace of this network. Raises AnswerError naming those that it holds."""
    held = models.models(store)
    if model in [row["id"] for row in held]:
        found = models.layers(store, model)
        if found == [(site.name, site.shape) for site in network.sites]:
            return
    others = ", ".join(f"{row['name']} ({row['sha256'][:8]})" for row in held) or "none"
    raise AnswerError(
        f"The store holds no trace of {name} with these weights at this input size; it holds: {others}. "
        "Verify with the network and image size that were traced."
    )
