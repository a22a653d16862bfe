"""The sets of edges whose overlaps a query compares, read from the record of the runs it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from graphpath.chance.possible import Bools, Ints, PossibleEdges, between_maps, read_possible_edges
from graphpath.chance.shuffles import EdgeSlots
from graphpath.classes import CLASSES
from graphpath.errors import RecordError, StoreError
from graphpath.queries.units import MAP, NEURON, UNIT
from graphpath.record import Trace
from graphpath.sql import quote
from graphpath.stores.comparing import CLASS_TABLES, TABLES

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores import Store
    from graphpath.stores.prepare import LoadBuilder

Bound = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class EdgeSets:
    """Sets of edges: edge i, into ``layer[i]``, is one of set ``owner[i]``; columns (E,).

    ``owners`` has a row for each set, empty ones included, with its ``key`` and what else is known of it.
    ``reach`` are the possible edges by layer; layers are those that the query asks for.
    """

    owners: pd.DataFrame
    owner: Ints
    layer: Ints
    source: Ints
    target: Ints
    reach: Mapping[int, PossibleEdges]

    @property
    def layers(self) -> list[int]:
        """The layers that are compared, in order."""
        return sorted(self.reach)

    def count_edges(self, layer: int) -> Ints:
        """How many edges each set has into a layer: (owners,)."""
        return np.bincount(self.owner[self.layer == layer], minlength=len(self.owners))

    def make_slots(self, layer: int) -> EdgeSlots:
        """The edges into one layer."""
        mine = self.layer == layer
        return EdgeSlots(self.reach[layer], self.owner[mine], self.source[mine], self.target[mine])

    def select(self, kept: Bools) -> EdgeSets:
        """The sets with only some of their edges."""
        owner, layer, source, target = (
            column[kept] for column in (self.owner, self.layer, self.source, self.target)
        )
        return EdgeSets(self.owners, owner, layer, source, target, self.reach)


class RunTraces:
    """The runs of a store with the traces that they came from."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = store.runs().set_index("run")

    def open_trace(self, run: str) -> Trace:
        """The trace of a run. Raises RecordError where it is no longer at its path."""
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
    def open_tables(self, run: str, unit: str = NEURON) -> Iterator[LoadBuilder]:
        """The trace of a run as tables, with ``facts`` about its pathways; for feature maps ``map_edges``."""
        from graphpath.stores.categories import read_groups
        from graphpath.stores.load import read_classes
        from graphpath.stores.prepare import LoadBuilder, add_groups, build_facts, build_map_edges

        with TemporaryDirectory() as folder:
            builder = LoadBuilder(self.open_trace(run), 0, Path(folder))
            try:
                build_facts(builder, run)
                if unit == MAP:
                    build_map_edges(builder)
                add_groups(builder, read_groups(self._store, read_classes(builder.trace)))
                builder.run("CREATE TABLE named (category BIGINT, name VARCHAR)")
                builder.fill("named", [(row["category"], row["name"]) for row in self._read_categories()])
                yield builder
            finally:
                builder.close()

    def _read_categories(self) -> list[dict[str, Any]]:
        """The categories of all schemes, the classes too."""
        from graphpath.stores.categories import NODES

        rows: list[dict[str, Any]] = self._store.execute(NODES).to_pylist()
        return rows

    @contextmanager
    def open_classes(
        self, run: str, variant: str, scheme: str = CLASSES, unit: str = NEURON
    ) -> Iterator[LoadBuilder]:
        """As :meth:`open_tables`, with the class pathways of a variant in a scheme: ``chosen`` and
        ``class_edges``, for feature maps ``class_map_edges`` too.
        """
        from graphpath.stores.rollups import build_class_edges, build_class_map_edges

        with self.open_tables(run, unit) as builder:
            build_class_edges(builder, run, int(self._rows.min_support[run]) or None)
            if unit == MAP:
                build_class_map_edges(builder)
            builder.add_table(
                "chosen",
                f"""SELECT class_pathway, category FROM classes
                WHERE variant = {quote(variant)} AND scheme = {quote(scheme)}""",
            )
            yield builder


def read_class_pathways(runs: RunTraces, bound: Bound) -> EdgeSets:
    """The class pathways of a run, or of some ``categories``."""
    chosen = ", ".join(str(int(category)) for category in bound.get("categories", []))
    some = f"WHERE category IN ({chosen})" if chosen else ""
    owners = f"""SELECT category AS key, name FROM chosen JOIN named USING (category) {some}
        ORDER BY key"""
    edges = f"""SELECT e.category AS owner, e.layer, e.source, e.target
        FROM {CLASS_TABLES[bound[UNIT]]} e SEMI JOIN (FROM chosen {some}) USING (class_pathway)"""
    with runs.open_classes(bound["run"], bound["variant"], bound["scheme"], bound[UNIT]) as builder:
        return _read_sets(builder, owners, edges, bound)


def read_pathways(runs: RunTraces, bound: Bound) -> EdgeSets:
    """The pathways of a run, by the category of their samples; those in none are left out."""
    variant, scheme = quote(bound["variant"]), bound["scheme"]
    facts = f"(SELECT pathway, sample, label FROM facts WHERE variant = {variant})"
    if scheme != CLASSES:
        facts = f"""(SELECT f.pathway, f.sample, g.category AS label
            FROM facts f JOIN groups g ON g.class = f.label_category
            WHERE f.variant = {variant} AND g.scheme = {quote(scheme)})"""
    owners = f"SELECT pathway AS key, sample, label FROM {facts} ORDER BY key"
    edges = f"""SELECT pathway AS owner, e.layer, e.source, e.target
        FROM {TABLES[bound[UNIT]]} e JOIN {facts} USING (pathway)"""
    with runs.open_tables(bound["run"], bound[UNIT]) as builder:
        return _read_sets(builder, owners, edges, bound)


def read_largest_routes(runs: RunTraces, bound: Bound) -> EdgeSets:
    """The edges of the k largest routes of each sample of a run that is in a category."""
    place = "n.map" if bound[UNIT] == MAP else "n.neuron"
    route = f"""SELECT f.sample, n.layer, {place} AS source,
            lead({place}) OVER following AS target, lead(n.layer) OVER following AS into
        FROM steps t JOIN routes r USING (route) JOIN facts f USING (pathway) JOIN neurons n USING (neuron)
        WHERE r.rank <= {int(bound["k"])} AND f.variant = {quote(bound["variant"])}
        WINDOW following AS (PARTITION BY t.route ORDER BY t.position)"""
    owners = f"""SELECT DISTINCT f.sample AS key, f.sample, k.name
        FROM facts f JOIN groups g ON g.class = f.label_category JOIN named k ON k.category = g.category
        WHERE g.scheme = {quote(bound["scheme"])} AND f.sample IN (SELECT sample FROM ({route}))
        ORDER BY key"""
    edges = f"""SELECT DISTINCT sample AS owner, "into" AS layer, source, target
        FROM ({route}) JOIN ({owners}) USING (sample) WHERE target IS NOT NULL"""
    with runs.open_tables(bound["run"], bound[UNIT]) as builder:
        return _read_sets(builder, owners, edges, bound)


def read_two_samples(runs: RunTraces, bound: Bound) -> EdgeSets:
    """The pathways of an original and of a sample derived from it, each united, over the runs."""
    import pandas as pd

    pair = [int(bound["original"]), int(bound["derived"])]
    edges = f"""SELECT DISTINCT sample AS owner, e.layer, e.source, e.target
        FROM {TABLES[bound[UNIT]]} e JOIN facts USING (pathway)
        WHERE sample IN ({pair[0]}, {pair[1]})"""
    parts, reach = [], None
    for run in bound["runs"]:
        with runs.open_tables(run, bound[UNIT]) as builder:
            parts.append(pd.DataFrame(builder.read_columns(edges)))
            reach = reach or _read_reach(builder, bound)
    if reach is None:
        raise StoreError("No run was compared.")
    return _make_sets(pd.DataFrame({"key": pair}), pd.concat(parts).drop_duplicates(), reach)


SETS: dict[str, Callable[[RunTraces, Bound], EdgeSets]] = {
    "categories/shared_edges": read_class_pathways,
    "categories/similarity": read_class_pathways,
    "categories/consistency": read_pathways,
    "adversarial/divergence": read_two_samples,
    "pathways/largest_overlap": read_largest_routes,
}
"""The queries whose overlaps are tested, each with the sets that it compares."""


def count_passing(runs: RunTraces, bound: Bound) -> tuple[Ints, Ints, int]:
    """How many class pathways pass each neuron: neurons, counts; and how many class pathways there are."""
    run = bound["run"] if "run" in bound else bound["runs"][0]
    unit = bound.get(UNIT, NEURON)
    of = bound.get("variant", "original"), bound.get("scheme", CLASSES)
    with runs.open_classes(run, *of, unit) as builder:
        [[count]] = builder.run("SELECT count(*) FROM chosen")
        found = builder.read_columns(
            f"""WITH ends AS (
                SELECT category, unnest([source, target]) AS neuron
                FROM {CLASS_TABLES[unit]} SEMI JOIN chosen USING (class_pathway))
            SELECT neuron, count(DISTINCT category) AS categories FROM ends GROUP BY neuron ORDER BY neuron"""
        )
    return found["neuron"].astype(np.int64), found["categories"].astype(np.int64), int(count)


def _read_sets(builder: LoadBuilder, owners: str, edges: str, bound: Bound) -> EdgeSets:
    import pandas as pd

    return _make_sets(
        pd.DataFrame(builder.read_columns(owners)),
        pd.DataFrame(builder.read_columns(edges)),
        _read_reach(builder, bound),
    )


def _make_sets(owners: pd.DataFrame, edges: pd.DataFrame, reach: Mapping[int, PossibleEdges]) -> EdgeSets:
    import pandas as pd

    edges = edges[edges.layer.isin(reach)].sort_values(["layer", "owner", "source", "target"])
    owner = pd.Index(owners.key).get_indexer(edges.owner)
    layer, source, target = (edges[name].to_numpy(np.int64) for name in ("layer", "source", "target"))
    return EdgeSets(owners, owner.astype(np.int64), layer, source, target, reach)


def _read_reach(builder: LoadBuilder, bound: Bound) -> dict[int, PossibleEdges]:
    """The possible edges into the layers that the query asks for."""
    wanted = set(bound.get("layers", []))
    maps = bound.get(UNIT) == MAP
    return {
        number: between_maps(layer) if maps else layer
        for number, layer in read_possible_edges(builder.trace).items()
        if number > 0 and (not wanted or number in wanted)
    }
