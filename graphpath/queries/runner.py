"""Runs named queries on a store: ``query``, ``explain`` and ``graph``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sized
from typing import Final, Protocol, TypeVar

import networkx as nx
import pandas as pd
import pyarrow as pa

from graphpath import ids, naming
from graphpath.classes import CLASSES
from graphpath.errors import QueryFailed, QueryParameterError, RunNotFound
from graphpath.naming import join_ids
from graphpath.queries import kept, meeting
from graphpath.queries.files import Query, find
from graphpath.queries.frame import to_frame
from graphpath.queries.graph import to_graph
from graphpath.queries.limits import cut, lift_limits, raise_limits
from graphpath.queries.parameters import Value, bind, coerce, format_params_line, make_placeholders
from graphpath.queries.units import NEURON, UNIT, has_units, take_unit
from graphpath.queries.variants import NOTES, VARIANT, choose_variant, is_variant_open
from graphpath.spoken import format_argument

TIMEOUT: Final = 600.0
"""Seconds that a named query may take, all its statements together, when nobody says otherwise."""
RUNS: Final = ("run", "runs", "references")
"""Parameters that name runs."""
Answer = TypeVar("Answer")


class ReadView(Protocol):
    """A store at one moment: all statements see what was there then."""

    @property
    def dialect(self) -> str: ...

    def execute(self, text: str, parameters: Mapping[str, object]) -> pa.Table: ...


class Queryable(Protocol):
    """What the runner needs of a store."""

    @property
    def dialect(self) -> str: ...

    def read(self, work: Callable[[ReadView], Answer], *, timeout: float | None = None) -> Answer: ...

    def offers(self, library: str) -> bool: ...

    @property
    def queries(self) -> Mapping[str, Query]:
        """The named queries that can be asked of it."""
        ...


def query(store: Queryable, name: str, /, *, timeout: object = TIMEOUT, **parameters: object) -> pd.DataFrame:
    """The answer of the named query as a data frame with the columns that its header promises.

    A run is named by its id, its name, how its id begins, or "latest" (:meth:`Store.find_run`). ``run`` is
    filled in where the store holds exactly one complete run, and ``runs`` with every complete
    run where all were traced alike (same model and method). A ``variant`` that is not given means the run's
    originals, or its only variant where it holds none. ``attrs["limit_reached"]`` of the frame says whether
    there is more than a limit of the query let through, and ``attrs["limits"]`` which one; such a parameter
    can be "all" (or None). ``attrs["notes"]`` has what else is to be known, in sentences.
    ``timeout`` is in seconds; None: no limit.

    Raises:
        QueryFileError: there is no such query.
        QueryParameterError: a parameter is unknown, missing or of the wrong type, or asks for too much.
        RunNotFound: the run is not in the store, or its load never finished.
        QueryFailed: the engine refused, lacks what the query needs, or answered with other columns.
    """
    return _read_answer(store, find(name, store.queries), parameters, timeout)


def query_all(
    store: Queryable, name: str, /, *, timeout: object = TIMEOUT, **parameters: object
) -> pd.DataFrame:
    """As ``query``, but all of the answer: no limit cuts it that was not given.

    How much of a ranking is asked for (the ten largest routes) belongs to the question and stays.
    """
    found = find(name, store.queries)
    return _read_answer(store, found, lift_limits(found, parameters), timeout)


def bind_parameters(store: Queryable, name: str, /, **parameters: object) -> dict[str, Value]:
    """Every parameter of the named query as ``query`` would bind it, ``run`` and ``runs`` filled in; a limit
    that lets everything through is "all".

    Raises: as ``query``.
    """
    found = find(name, store.queries)
    bound, _ = store.read(lambda state: _bind_with_runs(state, found, parameters), timeout=TIMEOUT)
    return {name: found.parameters[name].to_given(value) for name, value in bound.items()}


def graph(
    store: Queryable, name: str, /, *, timeout: object = TIMEOUT, **parameters: object
) -> nx.MultiDiGraph:
    """The nodes and relationships that a named query returns (``browse/*``) as a networkx graph.

    A neuron's key is its id; any other node's is (label, id). Nodes and edges carry ``type`` (Neuron,
    FLOWS_TO, ...) and their properties (layer, channel, y, x, name; flow, score, rank, ...), edges also what
    else the query returns in the row. The graph's own ``graph`` has "limit_reached" and "limits", as the
    ``attrs`` of ``query``'s frame.

    Raises: as ``query``, and QueryParameterError for a query that returns no nodes.
    """
    found = find(name, store.queries)
    if "node" not in found.returns.values():
        raise QueryParameterError(
            f"Query {found.name} returns a table, not a graph; the queries browse/* do."
        )
    frame = _read_answer(store, found, parameters, timeout)
    made = to_graph(frame, found.returns, found.name)
    made.graph.update(frame.attrs)
    return made


def explain(store: Queryable, name: str, /, **parameters: object) -> str:
    """The Cypher of the named query as this store runs it: ``cypher`` for its engine."""
    found = find(name, store.queries)
    given = {one: value for one, value in parameters.items() if one in found.parameters and one in RUNS}
    if given:
        known = coerce(found.name, found.parameters, given)
        resolved, _ = store.read(lambda state: _resolve_runs(state, known, _run_inner(state, "runs/all", {})))
        parameters = {**parameters, **resolved}
    return cypher(name, store.dialect, store.queries, **parameters)


def cypher(name: str, dialect: str, known: Mapping[str, Query] | None = None, /, **parameters: object) -> str:
    """The Cypher of the named query for the engine ``dialect``, below the ``:params`` line that Neo4j
    Browser takes: the values given here and the defaults, with placeholders where one is still wanted. It is
    one of ``known``, by default of the shipped queries.

    Raises: QueryFileError and QueryParameterError as ``query``.
    """
    found = find(name, known)
    values = {**make_placeholders(found.parameters), **coerce(found.name, found.parameters, parameters)}
    unit, bound = take_unit(found.parameters, values)
    return f"{format_params_line(bound)}\n\n{found.text_for(dialect, unit)}"


def _read_answer(
    store: Queryable, found: Query, parameters: Mapping[str, object], timeout: object
) -> pd.DataFrame:
    """The answer, after the checks of engine, runs and guards, all at one moment."""
    _check_engine(store, found)

    def work(state: ReadView) -> tuple[pa.Table, dict[str, Value], list[str]]:
        bound, notes = _bind_with_runs(state, found, parameters)
        _check_guards(state, found, bound, store.queries)
        unit, values = take_unit(found.parameters, raise_limits(found, bound))
        if unit == NEURON:
            notes = [*notes, *_judge_classes(state, found, bound)]
        notes = [*notes, *_judge_coverage(state, found, bound)]
        return state.execute(found.text_for(state.dialect, unit), values), bound, notes

    table, bound, notes = store.read(work, timeout=_check_timeout(timeout))
    frame = cut(to_frame(table, found.returns, found.name), found, bound)
    if found.name == meeting.LEVELS and bound[UNIT] == NEURON:
        notes = [*notes, *meeting.advise(meeting.describe_pathways(frame))]
    frame.attrs[NOTES] = notes
    return frame


def _judge_classes(state: ReadView, found: Query, bound: Mapping[str, Value]) -> list[str]:
    """Whether class pathways that a query compares between neurons keep little, in a sentence."""
    asked = {"run", "variant", "scheme"}
    if found.name == meeting.LEVELS or not has_units(found.parameters) or not bound.keys() >= asked:
        return []
    return meeting.advise(meeting.describe_classes(_run_inner(state, meeting.CLASSES, bound)))


def _judge_coverage(state: ReadView, found: Query, bound: Mapping[str, Value]) -> list[str]:
    """Whether the pathways that a query compares keep little of their score, in a sentence."""
    if not has_units(found.parameters) or "run" not in bound:
        return []
    asked = {"run": bound["run"], VARIANT: bound.get(VARIANT, "")}
    return kept.describe_coverage(_run_inner(state, kept.COVERAGE, asked))


def _check_timeout(timeout: object) -> float | None:
    if timeout is None:
        return None
    try:
        seconds = float(timeout)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise QueryParameterError(
            f"A query's timeout is a number of seconds above 0, or None for no limit; not {timeout!r}."
        )
    return seconds


def _bind_with_runs(
    state: ReadView, found: Query, parameters: Mapping[str, object]
) -> tuple[dict[str, Value], list[str]]:
    """Every parameter's value, and notes on those that were not given."""
    runs = _run_inner(state, "runs/all", {})
    bound, chosen = _resolve_runs(
        state, bind(found.name, found.parameters, _fill_runs(found, parameters, runs)), runs
    )
    _check_runs(found, bound, runs)
    _check_scheme(state, found, bound)
    if not is_variant_open(found, parameters):
        return bound, chosen
    present = _run_inner(state, "pathways/samples", {"run": bound["run"], VARIANT: ""})[VARIANT]
    variant, notes = choose_variant(
        f"Query {found.name}", f"run {bound['run']!r}", [str(name) for name in present]
    )
    return {**bound, VARIANT: variant}, [*chosen, *notes]


def _check_scheme(state: ReadView, found: Query, bound: Mapping[str, Value]) -> None:
    """Refuse a scheme of categories that the store has not."""
    asked = bound.get("scheme")
    if found.parameters.get("scheme") is None or asked in ("", CLASSES):
        return
    known = sorted(set(_run_inner(state, "categories/schemes", {"scheme": ""})["scheme"]))
    if asked not in known:
        raise QueryParameterError(
            f"Query {found.name}: the store has no scheme of categories {asked!r}; it has "
            f"{', '.join([CLASSES, *known])}. graphpath categories add makes others."
        )


def _resolve_runs(
    state: ReadView, bound: Mapping[str, Value], runs: pd.DataFrame
) -> tuple[dict[str, Value], list[str]]:
    """``bound`` with the ids of the runs that it means, and what is to be said of these."""
    known = set(runs.run)
    asked = [run for run in _list_named_runs(bound) if run not in known]
    if not asked:
        return dict(bound), []
    held = naming.read_stored_runs(state)
    found = {run: chosen for run in asked if (chosen := naming.choose_run(str(run), held))}

    def resolve(value: Value) -> Value:
        if isinstance(value, list):
            return [found[run].run if run in found else run for run in value]
        return found[value].run if value in found else value

    whole = {name: resolve(value) if name in RUNS else value for name, value in bound.items()}
    return whole, [chosen.note for chosen in found.values() if chosen.note]


def _check_engine(store: Queryable, found: Query) -> None:
    if not found.needs_gds or store.offers("gds"):
        return
    here = "the embedded engine" if store.dialect == "ladybug" else "this server"
    raise QueryFailed(
        f"Query {found.name} needs a Neo4j server with Graph Data Science, which {here} has not: start one "
        'with graphpath neo4j start --gds, or give store.graph("browse/class_pathway", ...) to networkx.'
    )


def _run_inner(
    state: ReadView, name: str, bound: Mapping[str, Value], known: Mapping[str, Query] | None = None
) -> pd.DataFrame:
    """The answer of a query that the runner itself needs."""
    found = find(name, known)
    own = {parameter: bound[parameter] for parameter in found.parameters}
    return to_frame(state.execute(found.text_for(state.dialect), own), found.returns, found.name)


def _fill_runs(found: Query, parameters: Mapping[str, object], runs: pd.DataFrame) -> dict[str, object]:
    """``parameters`` with ``run`` or ``runs`` filled in, if they are wanted and were not given."""
    given = dict(parameters)
    if "run" in found.parameters and "run" not in given:
        given["run"] = _choose_run(found, _select_complete(runs))
    if "runs" in found.parameters and not _has_items(given.get("runs")):
        given["runs"] = _choose_runs(found, _select_complete(runs))
    return given


def _has_items(value: object) -> bool:
    try:
        return value is not None and not (isinstance(value, Sized) and len(value) == 0)
    except TypeError:  # an array of one number, which has no length
        return True


def _select_complete(runs: pd.DataFrame) -> pd.DataFrame:
    complete = runs[runs.complete]
    if complete.empty:
        raise RunNotFound("The store holds no complete run; load a trace first (graphpath load).")
    return complete


def _choose_run(found: Query, complete: pd.DataFrame) -> str:
    if len(complete) > 1:
        raise QueryParameterError(
            f"Query {found.name} needs {format_argument('run')}; the store holds "
            f"several: {join_ids(complete.run)}."
        )
    return str(complete.run.iloc[0])


def _choose_runs(found: Query, complete: pd.DataFrame) -> list[str]:
    if complete.comparable.nunique() > 1:
        raise QueryParameterError(
            f"Query {found.name} needs {format_argument('runs', '[...]')}: the store holds runs of several "
            f"models, methods or options, which are not compared with each other: {join_ids(complete.run)}."
        )
    return [str(run) for run in complete.run]


def _check_runs(found: Query, bound: Mapping[str, Value], runs: pd.DataFrame) -> None:
    """Refuses runs that are not there or half loaded, whether by name or by a pathway's id."""
    state = dict(zip(runs.run, runs.complete, strict=True))
    for run in [*_list_named_runs(bound), *_find_owners(bound, state)]:
        if run not in state:
            known = join_ids(state) or "none"
            raise RunNotFound(f"Query {found.name}: there is no run {run!r} in the store; it holds: {known}.")
        if not state[run]:
            raise RunNotFound(
                f"Query {found.name}: the load of run {run!r} never finished; load its trace again."
            )


def _list_named_runs(bound: Mapping[str, Value]) -> list[Value]:
    runs: list[Value] = []
    for value in (bound[name] for name in RUNS if name in bound):
        runs += value if isinstance(value, list) else [value]
    return runs


def _find_owners(bound: Mapping[str, Value], state: Mapping[str, bool]) -> list[str]:
    """The runs in whose blocks of ids the pathways and class pathways lie that anchor the query."""
    anchors = [bound[name] for name in ("pathway", "class_pathway") if name in bound]
    blocks = {ids.block(run): run for run in state}
    starts = [anchor // ids.BLOCK * ids.BLOCK for anchor in anchors if isinstance(anchor, int)]
    return [blocks[start] for start in starts if start in blocks]


def _check_guards(
    state: ReadView, found: Query, bound: Mapping[str, Value], known: Mapping[str, Query]
) -> None:
    for guard in found.guards:
        size = int(_run_inner(state, guard.query, bound, known)[guard.column].sum())
        limit = bound[guard.limit]
        if isinstance(limit, int) and size > limit:
            raise QueryParameterError(
                f"Query {found.name} takes at most {guard.limit}={limit}, and there are {size}: "
                f"{guard.remedy}."
            )
