"""``significance``: a named query's answer with, beside each overlap, its null distribution and p-value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from graphpath.chance.correction import CORRECTIONS, correct
from graphpath.chance.hubs import Hubs
from graphpath.chance.overlap import NullDistribution
from graphpath.chance.rows import (
    ComparedRows,
    RowResults,
    compare_by_draws,
    compare_by_formula,
    compare_shared_edges,
)
from graphpath.chance.sets import SETS, EdgeSets, RunTraces, count_passing
from graphpath.chance.shuffles import SWEEPS
from graphpath.errors import QueryParameterError
from graphpath.progress import AnyProgress, as_progress
from graphpath.queries import bind_parameters, find, query_all
from graphpath.record import Trace

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores import Store

NULLS = ("degree", "independent")
HUBS = ("drop", "divide")
EDGES, SIMILARITY = "categories/shared_edges", "categories/similarity"


def significance(
    source: Store | Trace,
    name: str,
    /,
    *,
    null: str = "degree",
    draws: int = 200,
    sweeps: int = SWEEPS,
    hubs: str | None = None,
    hub_share: float = 0.9,
    correction: str = "bh",
    seed: int = 0,
    progress: AnyProgress | None = None,
    **parameters: object,
) -> pd.DataFrame:
    """The answer of the named query ``name``, with columns that compare each row with chance.

    ``expected`` is the mean under the null of the row's J (of ``categories`` in ``categories/shared_edges``,
    of ``J_within`` in ``categories/consistency``). ``z`` is how many standard deviations of the null the row
    lies above it, ``p`` the probability under the null of at least so much. ``q`` is p corrected for the
    number of rows. Where a threshold chose the rows, it is corrected for all comparisons: the possible edges
    in ``categories/shared_edges``, every pair in ``categories/similarity``. Rows of neurons and feature maps,
    and rows where nothing is compared, are null.

    Args:
        source: a store, or a trace, which is then loaded into a temporary one. The edges are read from the
            record of the runs.
        null: "degree" shuffles each set's edges so that every neuron keeps its degree, within the edges that
            the network can have; p = (1 + draws at least as large) / (1 + draws). "independent" draws sets
            of the same sizes from these; p is exact for pairs of sets and for edges.
        draws, sweeps, seed: of the shuffles; ``sweeps`` are how often switches are proposed to all edges.
            p is right whatever their number; more find more.
        hubs: "drop" leaves out, in the overlap and in the null, edges at neurons that the class pathways of
            at least ``hub_share`` of the categories pass; "divide" lets an edge count one over the number of
            categories that pass its busier end. The column ``overlap`` is what is then tested.
        correction: of q: "bh" (Benjamini and Hochberg, the false discovery rate), "holm" (any false one).
        progress: called with ("drawing", draws done, draws of all layers), where any are drawn.
        parameters: the query's own. All of the answer is taken unless ``limit`` is given; ``attrs`` says
            whether it was reached, as of ``store.query``.

    Raises:
        QueryParameterError: the query compares no sets of edges, or an option is unknown.
        RecordError: a run's trace is gone, or does not say which edges are possible.
        QueryFileError, RunNotFound, QueryFailed: as ``store.query``.
    """
    chosen = find(name, None if isinstance(source, Trace) else source.queries).name
    _check_options(chosen, null, draws, sweeps, hubs, hub_share, correction)
    distribution = NullDistribution(null, draws, sweeps, seed, as_progress(progress))
    with _open_store(source) as store:
        table = query_all(store, chosen, **parameters)
        if table.empty:
            tested, comparisons = RowResults.untested(0), 0
        else:
            bound = bind_parameters(store, chosen, **parameters)
            runs = RunTraces(store)
            sets = SETS[chosen](runs, bound)
            known = (
                (np.empty(0, np.int64), np.empty(0, np.int64), 0)
                if hubs is None
                else count_passing(runs, bound)
            )
            counted = Hubs(*known, drop=hubs != "divide", share=hub_share)
            tested = _compare_rows(chosen, table, counted.drop_hubs(sets), counted, distribution)
            comparisons = _count_comparisons(sets, bound) if chosen in (EDGES, SIMILARITY) else 0
    if hubs is not None:
        table["overlap"] = tested.overlap
    table["expected"], table["z"], table["p"] = tested.expected, tested.z, tested.p
    table["q"] = correct(tested.p, correction, comparisons)
    return table


def _compare_rows(
    name: str, table: pd.DataFrame, sets: EdgeSets, hubs: Hubs, null: NullDistribution
) -> RowResults:
    if name == EDGES:
        return compare_shared_edges(table, sets, hubs, null)
    rows = ComparedRows.from_table(name, table, sets)
    if null.kind == "independent" and hubs.drop:
        return compare_by_formula(rows, sets, hubs)
    return compare_by_draws(rows, sets, hubs, null)


def _count_comparisons(sets: EdgeSets, bound: Mapping[str, object]) -> int:
    """The number of comparisons that the rows were chosen from: possible edges, or pairs of classes."""
    if "min_categories" in bound:
        return sum(layer.count for layer in sets.reach.values())
    chosen = math.comb(len(sets.owners), 2) * (len(sets.layers) + 1 if bound["by_layer"] else 1)
    return chosen if bound["min_weighted_J"] else 0


@contextmanager
def _open_store(source: Store | Trace) -> Iterator[Store]:
    if not isinstance(source, Trace):
        yield source
        return
    from graphpath.stores import open_store

    with TemporaryDirectory() as folder, open_store(Path(folder) / "store.lbdb") as store:
        store.load(source)
        yield store


def _check_options(
    name: str, null: str, draws: int, sweeps: int, hubs: str | None, share: float, correction: str
) -> None:
    if name not in SETS:
        raise QueryParameterError(
            f"Query {name} compares no sets of edges, so it cannot be compared with chance; these queries "
            f"can: {', '.join(SETS)}."
        )
    for option, value, choices in (
        ("null", null, NULLS),
        ("hubs", hubs, (None, *HUBS)),
        ("correction", correction, CORRECTIONS),
    ):
        if value not in choices:
            said = ", ".join(str(choice) for choice in choices if choice is not None)
            raise QueryParameterError(f"{option}={value!r} is unknown; choose one of {said}.")
    if draws < 1 or sweeps < 1:
        raise QueryParameterError(f"draws={draws} and sweeps={sweeps} must both be at least 1.")
    if not 0 < share <= 1:
        raise QueryParameterError(f"hub_share={share} is no share of the categories; expected 0 to 1.")
