"""The sets of edges whose overlaps a query compares, read from the record of the runs it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from graphpath.chance.possible import Bools, Ints, Possible, possible
from graphpath.chance.shuffles import Slots
from graphpath.errors import RecordError, StoreError
from graphpath.record import Trace
from graphpath.sql import quoted

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores import Store
    from graphpath.stores.prepare import Workshop

Bound = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Sets:
    """Sets of edges: edge i, into ``layer[i]``, is one of set ``owner[i]``; columns (E,).

    ``owners`` has a row for each set, empty ones included, with its ``key`` and what else is known of it.
    ``reach`` are the possible edges by layer; layers are those that the query asks for.
    """

    owners: pd.DataFrame
    owner: Ints
    layer: Ints
    source: Ints
    target: Ints
    reach: Mapping[int, Possible]

    @property
    def layers(self) -> list[int]:
        """The layers that are compared, in order."""
        return sorted(self.reach)

    def sizes(self, layer: int) -> Ints:
        """How many edges each set has into a layer: (owners,)."""
        return np.bincount(self.owner[self.layer == layer], minlength=len(self.owners))

    def slots(self, layer: int) -> Slots:
        """The edges into one layer."""
        mine = self.layer == layer
        return Slots(self.reach[layer], self.owner[mine], self.source[mine], self.target[mine])

    def only(self, kept: Bools) -> Sets:
        """The sets with only some of their edges."""
        owner, layer, source, target = (
            column[kept] for column in (self.owner, self.layer, self.source, self.target)
        )
        return Sets(self.owners, owner, layer, source, target, self.reach)


class Runs:
    """The runs of a store with the traces that they came from."""

    def __init__(self, store: Store) -> None:
        self._rows = store.runs().set_index("run")

    def trace(self, run: str) -> Trace:
        """The record of a run. Raises RecordError where it is no longer at its place."""
        path = Path(str(self._rows.path[run]))
        try:
            trace = Trace(path)
        except RecordError as error:
            raise RecordError(
                f"The edges of run {run!r} are read from its trace, which is no longer at {path}: put it "
                "back there, or load it from where it is now."
            ) from error
        if trace.id != run:
            raise RecordError(f"{path} now holds run {trace.id!r}; the edges of run {run!r} are needed.")
        return trace

    @contextmanager
    def opened(self, run: str) -> Iterator[Workshop]:
        """The record of a run as tables, and the table ``facts`` about its pathways."""
        from graphpath.stores.prepare import Workshop, facts

        with TemporaryDirectory() as folder:
            shop = Workshop(self.trace(run), 0, Path(folder))
            try:
                facts(shop, run)
                yield shop
            finally:
                shop.close()

    @contextmanager
    def classes(self, run: str, variant: str) -> Iterator[Workshop]:
        """As :meth:`opened`, with the run's class pathways of a variant: ``chosen`` and ``class_edges``."""
        from graphpath.stores.rollups import class_edges

        with self.opened(run) as shop:
            class_edges(shop, run, int(self._rows.min_support[run]) or None)
            wanted = f"SELECT class_pathway, category FROM classes WHERE variant = {quoted(variant)}"
            shop.table("chosen", wanted)
            yield shop


def class_pathways(runs: Runs, bound: Bound) -> Sets:
    """The class pathways of a run (``categories`` of them, where that is asked)."""
    asked = ", ".join(str(int(category)) for category in bound.get("categories", []))
    some = f"WHERE category IN ({asked})" if asked else ""
    owners = f"""SELECT category AS key, name FROM chosen JOIN categories USING (category) {some}
        ORDER BY key"""
    edges = f"""SELECT e.category AS owner, e.layer, e.source, e.target
        FROM class_edges e SEMI JOIN (FROM chosen {some}) USING (class_pathway)"""
    with runs.classes(bound["run"], bound["variant"]) as shop:
        return _sets(shop, owners, edges, bound)


def pathways(runs: Runs, bound: Bound) -> Sets:
    """The pathways of a run."""
    owners = f"""SELECT pathway AS key, sample, label FROM facts
        WHERE variant = {quoted(bound["variant"])} ORDER BY key"""
    edges = f"""SELECT pathway AS owner, e.layer, e.source, e.target FROM edges e JOIN facts USING (pathway)
        WHERE variant = {quoted(bound["variant"])}"""
    with runs.opened(bound["run"]) as shop:
        return _sets(shop, owners, edges, bound)


def largest_routes(runs: Runs, bound: Bound) -> Sets:
    """The edges of the k largest routes of each labelled sample of a run."""
    route = f"""SELECT f.sample, t.neuron AS source,
            lead(t.neuron) OVER (PARTITION BY t.route ORDER BY t.position) AS target
        FROM steps t JOIN routes r USING (route) JOIN facts f USING (pathway)
        WHERE r.rank <= {int(bound["k"])} AND f.variant = {quoted(bound["variant"])}"""
    owners = f"""SELECT DISTINCT f.sample AS key, f.sample, f.label, k.name
        FROM facts f JOIN labels l USING (label) JOIN categories k ON k.category = l.category
        WHERE f.sample IN (SELECT sample FROM ({route})) ORDER BY key"""
    edges = f"""SELECT DISTINCT sample AS owner, n.layer, source, target
        FROM ({route}) JOIN neurons n ON n.neuron = target"""
    with runs.opened(bound["run"]) as shop:
        return _sets(shop, owners, edges, bound)


def two_samples(runs: Runs, bound: Bound) -> Sets:
    """The pathways of an original and of a sample derived from it, each united, over the runs."""
    import pandas as pd

    pair = [int(bound["original"]), int(bound["derived"])]
    edges = f"""SELECT DISTINCT sample AS owner, e.layer, e.source, e.target
        FROM edges e JOIN facts USING (pathway)
        WHERE sample IN ({pair[0]}, {pair[1]})"""
    parts, reach = [], None
    for run in bound["runs"]:
        with runs.opened(run) as shop:
            parts.append(pd.DataFrame(shop.columns(edges)))
            reach = reach or _reach(shop, bound)
    if reach is None:
        raise StoreError("No run was compared.")
    return _made(pd.DataFrame({"key": pair}), pd.concat(parts).drop_duplicates(), reach)


SETS: dict[str, Callable[[Runs, Bound], Sets]] = {
    "categories/shared_edges": class_pathways,
    "categories/similarity": class_pathways,
    "categories/consistency": pathways,
    "adversarial/divergence": two_samples,
    "pathways/largest_overlap": largest_routes,
}
"""The queries whose overlaps are tested, each with what it compares."""


def passing(runs: Runs, bound: Bound) -> tuple[Ints, Ints, int]:
    """How many class pathways pass each neuron: neurons, counts; and how many class pathways there are."""
    run = bound["run"] if "run" in bound else bound["runs"][0]
    with runs.classes(run, bound.get("variant", "original")) as shop:
        [[count]] = shop.run("SELECT count(*) FROM chosen")
        found = shop.columns(
            """WITH ends AS (
                SELECT category, unnest([source, target]) AS neuron
                FROM class_edges SEMI JOIN chosen USING (class_pathway))
            SELECT neuron, count(DISTINCT category) AS categories FROM ends GROUP BY neuron ORDER BY neuron"""
        )
    return found["neuron"].astype(np.int64), found["categories"].astype(np.int64), int(count)


def _sets(shop: Workshop, owners: str, edges: str, bound: Bound) -> Sets:
    import pandas as pd

    return _made(pd.DataFrame(shop.columns(owners)), pd.DataFrame(shop.columns(edges)), _reach(shop, bound))


def _made(owners: pd.DataFrame, edges: pd.DataFrame, reach: Mapping[int, Possible]) -> Sets:
    import pandas as pd

    edges = edges[edges.layer.isin(reach)].sort_values(["layer", "owner", "source", "target"])
    owner = pd.Index(owners.key).get_indexer(edges.owner)
    layer, source, target = (edges[name].to_numpy(np.int64) for name in ("layer", "source", "target"))
    return Sets(owners, owner.astype(np.int64), layer, source, target, reach)


def _reach(shop: Workshop, bound: Bound) -> dict[int, Possible]:
    """The possible edges into the layers that the query asks for."""
    wanted = set(bound.get("layers", []))
    return {
        number: layer
        for number, layer in possible(shop.trace).items()
        if number > 0 and (not wanted or number in wanted)
    }
