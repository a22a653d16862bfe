"""What a graph store is, whatever engine it stands on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from graphpath.errors import RunNotFound
from graphpath.progress import AnyProgress
from graphpath.schema import NODES, RELATIONSHIPS

if TYPE_CHECKING:  # each is slow to import, and a load needs none of them
    import networkx as nx
    import pandas as pd
    import pyarrow as pa

    from graphpath.naming import ChosenRun
    from graphpath.queries import Query
    from graphpath.record import Trace
    from graphpath.stores.categories import Scheme

Answer = TypeVar("Answer")
TIMEOUT: Final = 600.0
"""Seconds that a named query may take, all its statements together, when nobody says otherwise."""


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    ``loaded`` is False when the store already had the trace, or where ``left_out`` says why the categories
    that were added are not of it. ``counts`` are the relationships and nodes stored for the run; ``seconds``
    the time of each stage ("prepare", "nodes", "FLOWS_TO", "roll-ups", ...).
    """

    run: str
    loaded: bool
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    left_out: str = ""

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def edges_per_second(self) -> float:
        """FLOWS_TO relationships per second of their own ``COPY``; 0 when nothing was loaded."""
        taken = self.seconds.get("FLOWS_TO", 0.0)
        return self.counts.get("FLOWS_TO", 0) / taken if taken else 0.0


class StoreView(Protocol):
    """A store at one moment: all statements see what was there then."""

    @property
    def dialect(self) -> str: ...

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """The rows that ``text``, a trusted read-only query, returns. Raises QueryFailed."""
        ...


class Store(ABC):
    """Traces as a graph that answers Cypher; a context manager. ``open_store`` makes it."""

    uri: str
    dialect: str
    _queries: Mapping[str, Query] | None = None

    @property
    def queries(self) -> Mapping[str, Query]:
        """The named queries that it answers, by name: the shipped ones and those of ``open(queries=...)``."""
        from graphpath.queries import catalogue

        return catalogue() if self._queries is None else self._queries

    @queries.setter
    def queries(self, known: Mapping[str, Query]) -> None:
        self._queries = known

    @abstractmethod
    def load(
        self,
        trace: Trace | str | Path,
        *,
        min_support: int | None = None,
        categories: Scheme | None = None,
        progress: AnyProgress | None = None,
    ) -> LoadReport:
        """Store ``trace``; loading the same one again changes nothing.

        ``min_support`` is the number of samples an edge of a class pathway needs (default: what the trace
        itself says, as an imported one may; else 5 % of the class's samples, at least 2; 1 keeps all).
        ``categories`` puts its classes into categories of one's own (:class:`graphpath.Scheme`), with class
        pathways of theirs; those that the store knows already are made without it.
        Nothing is visible before all of it is. ``progress`` (:mod:`graphpath.progress`) counts steps.

        Raises:
            RecordError: the trace is damaged or unfinished.
            StoreConflict: the store uses an id of the trace for something else, or has a class of it in
                another category of that scheme.
            DataError: the categories are of none of its classes.
        """

    def add_categories(self, scheme: Scheme, *, progress: AnyProgress | None = None) -> list[LoadReport]:
        """Put the classes of all runs that ``scheme`` is about into its categories, and load these anew.

        Each is read from the trace that it was loaded from. Interrupted, the same again goes on with the runs
        that were not loaded yet. The reports of the other runs say why these were left out.

        Raises:
            DataError: the scheme is of no run's classes.
            StoreError: a trace is no longer where it was.
            StoreConflict: a class is in another category of that scheme.
        """
        from graphpath.stores.regroup import add_categories

        return add_categories(self, scheme, progress)

    @abstractmethod
    def remove_categories(self, scheme: str) -> None:
        """Remove a scheme of categories with its class pathways; runs stay as they are otherwise.

        Interrupted on a server, which removes in batches, the same again goes on.

        Raises:
            StoreError: the store has no scheme of that name.
        """

    @abstractmethod
    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """The rows that ``text``, a trusted read-only query, returns. Raises QueryFailed."""

    @abstractmethod
    def read(self, work: Callable[[StoreView], Answer], *, timeout: float | None = None) -> Answer:
        """What ``work`` returns, all of whose statements see one state of the store.

        It may be done again, from its beginning, where it did not fit in memory or the runs changed in
        between, so it must bear repetition. ``timeout`` is of all statements together, in seconds.

        Raises:
            QueryFailed: the engine refused a statement, or gave up on it; or the time was over.
        """

    @abstractmethod
    def cypher(
        self,
        text: str,
        given: Mapping[str, object] | None = None,
        /,
        *,
        write: bool = False,
        timeout: float | None = 60.0,
        **parameters: object,
    ) -> pd.DataFrame:
        """The rows that the user's own Cypher returns; it may change the graph only with ``write=True``.

        Every ``$name`` of the text is given by its name, or in the mapping ``given`` (there also one called
        "write" or "timeout"). The text is one statement of clauses that ask the graph (or change it), and
        calls only what :mod:`graphpath.queries.vocabulary` lists: it reaches no file, network, extension or
        setting. At most ``timeout`` seconds (None: no limit).

        Raises:
            QueryParameterError: a parameter of the text is not given, or one is given that it has not.
            QueryFailed: the text holds what it may not; or the engine refused it, gave up on it, or took
                longer.
        """

    @abstractmethod
    def delete(self, run: str) -> None:
        """Remove a run (as :meth:`find_run` takes it) and all that only it brought. Raises RunNotFound."""

    @abstractmethod
    def record_verdict(self, verdict: Mapping[str, object], runs: Sequence[str]) -> None:
        """Keep a verdict, properties of the node type Verdict by name, beside the ``runs`` that it is of.

        One with the same id is replaced. Raises RunNotFound where one of the runs is not there.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the engine. The store can be used again; it then opens anew."""

    def offers(self, library: str) -> bool:
        """Whether the engine has ``library``; the only one known is "gds", Neo4j's Graph Data Science."""
        return False

    def runs(self) -> pd.DataFrame:
        """One row per run: what it is, where its trace was, whether it is complete, and its counts."""
        import pandas as pd

        from graphpath.stores.runs import describe

        return pd.DataFrame(describe(self))

    def find_run(self, run: str) -> str:
        """The id of the run that ``run`` means: its id, its name, "latest", or how its id begins.

        An id goes before a name, a name before "latest" (the run loaded last) and the beginning of an id.

        Raises:
            RunNotFound: there is no such run.
            QueryParameterError: several runs are meant.
        """
        return self.chosen_run(run).run

    def chosen_run(self, run: str, *, unfinished: bool = False) -> ChosenRun:
        """As :meth:`find_run`, with a sentence where the run was not named whole.

        "latest" may be a run whose load or deletion never ended only with ``unfinished``.
        """
        from graphpath import naming

        runs = naming.read_stored_runs(self)
        if found := naming.choose_run(run, runs, unfinished=unfinished):
            return found
        known = naming.join_ids(one.run for one in runs) or "none"
        raise RunNotFound(f"{self.uri} holds no run {run!r}; it holds: {known}.")

    def schema(self) -> pd.DataFrame:
        """One row per property: kind (node or relationship), name, source, target, property, type, key."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for node in NODES:
            for name, kind in node.properties.items():
                row = {"kind": "node", "name": node.label, "source": "", "target": ""}
                rows.append({**row, "property": name, "type": kind, "key": name == node.key})
        none: list[Any] = [("", "")]
        for relation in RELATIONSHIPS:
            ends = {"source": relation.source, "target": relation.target}
            for name, kind in [*relation.properties.items()] or none:
                row = {"kind": "relationship", "name": relation.name, **ends}
                rows.append({**row, "property": name, "type": kind, "key": False})
        return pd.DataFrame(rows)

    def query(self, name: str, *, timeout: object = TIMEOUT, **parameters: object) -> pd.DataFrame:
        """The answer of the named query ``name``; see :mod:`graphpath.queries`.

        ``attrs["limit_reached"]`` says whether a limit of the query cut something off; ``limit="all"``
        lifts it. ``timeout`` is in seconds, by default 600; None: as long as it takes.
        """
        from graphpath.queries import runner

        return runner.query(self, name, timeout=timeout, **parameters)

    def explain(self, name: str, **parameters: object) -> str:
        """The Cypher of the named query ``name`` as this engine runs it; see :mod:`graphpath.queries`."""
        from graphpath.queries import runner

        return runner.explain(self, name, **parameters)

    def graph(self, name: str, *, timeout: object = TIMEOUT, **parameters: object) -> nx.MultiDiGraph:
        """The nodes and relationships that the named query ``name`` returns."""
        from graphpath.queries import runner

        return runner.graph(self, name, timeout=timeout, **parameters)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def admit_text(
    store: Store, text: str, parameters: Mapping[str, object], *, write: bool
) -> tuple[str, dict[str, object]]:
    """The user's ``text`` as it goes to the engine of ``store``, and its parameters as plain values.

    Raises: QueryFailed and QueryParameterError as :meth:`Store.cypher`.
    """
    from graphpath.queries.admission import admit
    from graphpath.stores.values import to_plain

    return admit(text, store.dialect, parameters, write=write), to_plain(parameters)
