"""What a store already has of a trace's model, samples and comparable runs, for the load to read.

Also where a trace is refused because the store uses one of its keys for something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import StoreConflict
from graphpath.record import Trace
from graphpath.stores.prepare import LoadBuilder
from graphpath.stores.session import Session

CATEGORY = """MATCH (n:Category) RETURN n.id AS id, n.scheme AS scheme, n.label AS label, n.name AS name"""
SAMPLE = """
MATCH (n:Sample)
RETURN n.id AS id, n.dataset AS dataset, n.split AS split, n.position AS position, n.variant AS variant,
       n.parent AS parent, n.detail AS detail, n.predicted AS predicted
"""
DERIVED = """MATCH (n:Sample)-[:DERIVED_FROM]->(:Sample) RETURN n.id AS id"""
NEURON = """MATCH (n:Neuron) WHERE n.id >= $first AND n.id <= $last RETURN n.id AS id"""

CLASS = """
MATCH (c:ClassPathway) WHERE c.run = $run
RETURN c.id AS class_pathway, c.run AS run, c.category AS category, c.variant AS variant,
       c.min_support AS min_support
"""
FACT = """
MATCH (p:Pathway) WHERE p.run = $run
RETURN p.id AS pathway, p.run AS run, p.sample AS sample, p.edges AS edges, p.map_edges AS map_edges,
       p.category AS category, p.variant AS variant, p.label AS label
ORDER BY pathway
"""
PREDICTION = """
MATCH (s:Sample)-[q:PREDICTED]->(c:Category) WHERE q.run = $run
RETURN q.run AS run, s.id AS sample, c.id AS category, q.rank AS rank
"""
CLASS_EDGE = """
MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron) WHERE r.class_pathway = $key
RETURN r.class_pathway AS class_pathway, a.id AS source, b.id AS target, r.layer AS layer,
       r.support AS support, r.weight AS weight
"""
CLASS_MAP_EDGE = """
MATCH (a:FeatureMap)-[r:MAP_FLOWS_TO]->(b:FeatureMap) WHERE r.class_pathway = $key
RETURN r.class_pathway AS class_pathway, a.id AS source, b.id AS target, r.layer AS layer,
       r.support AS support, r.weight AS weight
"""
NEURON_EDGE = """
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron) WHERE r.pathway >= $first AND r.pathway <= $last
RETURN r.pathway AS pathway, a.id AS source, b.id AS target, r.layer AS layer, abs(r.score) AS weight
"""
MAP_EDGE = """
MATCH (a:FeatureMap)-[r:FLOWS_TO_MAP]->(b:FeatureMap) WHERE r.pathway >= $first AND r.pathway <= $last
RETURN r.pathway AS pathway, a.id AS source, b.id AS target, r.layer AS layer, r.weight AS weight
"""
COMPARABLE = """
MATCH (r:Run) WHERE r.comparable = $comparable AND r.complete AND r.id <> $run RETURN r.id AS id ORDER BY id
"""
NO_RUN = ""
NO_KEY = -1
EDGES = 1_000_000
"""Edges read from the store at a time."""


def export_stored(session: Session, builder: LoadBuilder, comparable: str) -> None:
    """Make the ``stored_*`` views of ``builder``: what is there already, and the comparable runs."""

    def add_view(name: str, text: str, batches: Iterable[Mapping[str, object]]) -> Path:
        file = session.export(text, batches, builder.directory / f"{name}.parquet")
        builder.add_view(name, [file])
        return file

    add_view("stored_categories", CATEGORY, [{}])
    add_view("stored_samples", SAMPLE, [{}])
    add_view("stored_derived", DERIVED, [{}])
    add_view("stored_neurons", NEURON, _list_blocks(builder.trace))
    runs = session.read_column(COMPARABLE, {"comparable": comparable, "run": builder.trace.id})
    of_runs = [{"run": run} for run in runs or [NO_RUN]]
    classes = pq.read_table(add_view("stored_classes", CLASS, of_runs), columns=["class_pathway"])
    facts = pq.read_table(add_view("stored_facts", FACT, of_runs), columns=["pathway", "edges", "map_edges"])
    add_view("stored_predictions", PREDICTION, of_runs)
    keys = classes["class_pathway"].to_pylist() or [NO_KEY]
    add_view("stored_class_edges", CLASS_EDGE, [{"key": key} for key in keys])
    add_view("stored_class_map_edges", CLASS_MAP_EDGE, [{"key": key} for key in keys])
    add_view("stored_edges", NEURON_EDGE, split_ranges(facts))
    add_view("stored_map_edges", MAP_EDGE, split_ranges(facts, "map_edges"))
    add_known_views(builder)


def add_known_views(builder: LoadBuilder, *, nothing: bool = False) -> None:
    """Make the ``known_*`` views: what need not be stored again. ``nothing`` when a load is taken up, since
    any of it may lack its relationships.
    """
    for name in ("neurons", "samples", "derived", "categories"):
        builder.run(
            f"CREATE OR REPLACE VIEW known_{name} AS SELECT id FROM stored_{name} WHERE {not nothing}"
        )


def _list_blocks(trace: Trace) -> list[dict[str, object]]:
    """The ids of each layer's neurons: keys, by which an engine finds them without reading the others."""
    rows = trace.layers().to_table(columns=["offset", "channels", "height", "width"]).to_pylist()
    sizes = [row["channels"] * row["height"] * row["width"] for row in rows]
    return [
        {"first": row["offset"], "last": row["offset"] + size - 1}
        for row, size in zip(rows, sizes, strict=True)
    ]


def split_ranges(facts: pa.Table, counted: str = "edges") -> Iterator[dict[str, object]]:
    """Ranges of ids of ``facts`` (columns pathway and ``counted``) with about ``EDGES`` edges each, for
    ``NEURON_EDGE`` or ``MAP_EDGE``; one that holds nothing when there are none.
    """
    if not facts.num_rows:
        yield {"first": NO_KEY, "last": NO_KEY}
        return
    order = np.argsort(facts["pathway"].to_numpy())
    pathways = facts["pathway"].to_numpy()[order]
    # Pathways without an edge at the beginning belong to the first range.
    slot = np.maximum(np.cumsum(facts[counted].to_numpy()[order]) - 1, 0) // EDGES
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(pathways)], strict=True):
        yield {"first": int(pathways[start]), "last": int(pathways[stop - 1])}


def check_model(session: Session, trace: Trace, model: int) -> bool:
    """Whether the model of ``trace`` is new. Raises StoreConflict when its key means another."""
    rows = session.execute(
        "MATCH (m:Model) WHERE m.id = $id RETURN m.name AS name, m.sha256 AS sha256, m.layers AS layers",
        {"id": model},
    ).to_pylist()
    if not rows:
        return True
    found, described = rows[0], trace.run.get("model") or {}
    if (found["sha256"], found["layers"]) != (str(described.get("sha256", "")), trace.counts["layers"]):
        raise StoreConflict(
            f"The store holds model {found['name']!r} (weights {found['sha256'][:12]}) under id {model}, "
            f"which {trace.path} uses for {described.get('name')!r} "
            f"(weights {str(described.get('sha256'))[:12]}): load it into another store."
        )
    return False


def check_keys(session: Session, builder: LoadBuilder) -> None:
    """Refuse a trace whose pathways, samples or categories have ids that the store uses otherwise."""
    [[first, last]] = builder.run("SELECT min(pathway), max(pathway) FROM pathways")
    taken = session.read_column(
        "MATCH (p:Pathway) WHERE p.id >= $first AND p.id <= $last AND p.run <> $run RETURN DISTINCT p.run",
        {"first": first or 0, "last": last or 0, "run": builder.trace.id},
    )
    if taken and first is not None:
        raise StoreConflict(
            f"Run {builder.trace.id!r} has pathway ids that run {taken[0]!r} of the store already uses: "
            "delete one of the two, or load it into another store."
        )
    check_rows(builder)


def check_rows(builder: LoadBuilder) -> None:
    """Refuse samples and categories whose ids the store (the ``stored_*`` views) uses otherwise."""
    _check_same(builder, "category", CATEGORIES)
    _check_same(builder, "sample", SAMPLES)


CATEGORIES = """
SELECT c.category, c.scheme || ' ' || c.label || ' ' || c.name, k.scheme || ' ' || k.label || ' ' || k.name
FROM categories c JOIN stored_categories k ON k.id = c.category
WHERE (c.scheme, c.label, c.name) <> (k.scheme, k.label, k.name) LIMIT 1
"""
SAMPLES = """
SELECT s.sample, concat_ws(' ', s.dataset, s.split, s."index", s.variant),
    concat_ws(' ', k.dataset, k.split, k.position, k.variant)
FROM samples s JOIN stored_samples k ON k.id = s.sample
WHERE (s.dataset, s.split, s."index", s.variant) <> (k.dataset, k.split, k.position, k.variant) LIMIT 1
"""


def _check_same(builder: LoadBuilder, what: str, sql: str) -> None:
    for key, new, old in builder.run(sql):
        raise StoreConflict(
            f"{builder.trace.path} has the {what} {key} for {new!r}; the store holds it for {old!r}: load "
            "the trace into another store."
        )
