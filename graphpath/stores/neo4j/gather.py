"""Many traces as one graph's files, without a store: what ``load`` would have stored, one after the other.

Where a load asks the store what it holds already, this asks the files of the traces before.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graphpath.errors import StoreConflict
from graphpath.progress import AnyProgress, as_progress
from graphpath.record import Trace
from graphpath.schema import NODE, RELATIONSHIP
from graphpath.sql import connect, quote, read_parquet
from graphpath.stores.categories import Groups, Scheme, merge_groups
from graphpath.stores.checks import check_values
from graphpath.stores.existing import add_known_views, check_rows
from graphpath.stores.load import list_schemes, read_classes, write_row
from graphpath.stores.neo4j.statements import list_columns
from graphpath.stores.predictions import find_disputed
from graphpath.stores.prepare import LoadBuilder, add_groups, prepare
from graphpath.stores.resembles import compare
from graphpath.stores.rollups import roll_up
from graphpath.stores.runs import build_run_row, comparison_key
from graphpath.stores.session import RECORDED

PREDICTED: Final = ("predicted", "confidence", "correct")
"""What a sample says of its first prediction: its last columns."""

Files = dict[str, list[Path]]

STORED: Final = {
    "categories": ("Category", "id, scheme, label, name", ""),
    "links": ("IN_CATEGORY", "start AS class, stop AS category", ""),
    "samples": ("Sample", "id, dataset, split, position, variant, parent, detail, predicted", ""),
    "derived": ("DERIVED_FROM", "start AS id", ""),
    "neurons": ("Neuron", "id", ""),
    "classes": (
        "ClassPathway",
        "id AS class_pathway, run, category, variant, min_support",
        "run IN ({runs})",
    ),
    "facts": (
        "Pathway",
        "id AS pathway, run, sample, edges, map_edges, category, variant, label",
        "run IN ({runs})",
    ),
    "predictions": ("PREDICTED", "run, start AS sample, stop AS category, rank", "run IN ({runs})"),
    "class_edges": (
        "CLASS_FLOWS_TO",
        "class_pathway, start AS source, stop AS target, layer, support, weight",
        "class_pathway IN (SELECT class_pathway FROM stored_classes)",
    ),
    "class_map_edges": (
        "MAP_FLOWS_TO",
        "class_pathway, start AS source, stop AS target, layer, support, weight",
        "class_pathway IN (SELECT class_pathway FROM stored_classes)",
    ),
    "edges": (
        "FLOWS_TO",
        "pathway, start AS source, stop AS target, layer, abs(score::DOUBLE) AS weight",
        "pathway IN (SELECT pathway FROM stored_facts)",
    ),
    "map_edges": (
        "FLOWS_TO_MAP",
        "pathway, start AS source, stop AS target, layer, weight",
        "pathway IN (SELECT pathway FROM stored_facts)",
    ),
}
"""View, where its rows are, which columns and which rows: what ``stored.export`` asks a store for."""


@dataclass
class GatheredGraph:
    """The graph of the traces added so far, as Parquet files by label and relationship type."""

    directory: Path
    memory: int
    files: Files = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    models: dict[int, Trace] = field(default_factory=dict)
    disputed: bool = False
    """Whether traces say different things of one sample."""

    def add(self, trace: Trace, min_support: int | None, scheme: Scheme | None) -> None:
        """Add ``trace``. Raises StoreConflict when it uses a key of another trace for something else."""
        model = int(trace.layers().to_table(columns=["offset"])["offset"][0].as_py())
        work = self.directory / f"trace-{len(self.runs)}"
        work.mkdir(parents=True)
        classes = read_classes(trace)
        kind = comparison_key(trace.run, model)
        new_model = self._is_new(trace, model)
        builder = LoadBuilder(trace, model, work, self.memory)
        try:
            check_values(builder)
            self._add_views(builder, [other for other, of in self.runs.items() if of == kind])
            self._check(builder)
            add_known_views(builder)
            groups = self._merge_groups(builder, classes, scheme)
            add_groups(builder, groups)
            schemes = list_schemes(groups, classes)
            run = {**build_run_row(trace, model, min_support), "complete": True, "schemes": schemes}
            write_row(builder, "Run", run)
            if new_model:
                described = trace.run.get("model") or {}
                row = {"id": model, "name": described.get("name"), "sha256": described.get("sha256")}
                write_row(builder, "Model", {**row, "layers": trace.counts["layers"]})
            prepare(builder, run, new_model=new_model)
            roll_up(builder, trace.id, min_support)
            compare(builder, trace.id, kind)
            self.disputed = self.disputed or bool(find_disputed(builder))
        finally:
            builder.close()
        for leftover in (work / "prepare.duckdb", work / "spill"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        for name, files in builder.files.items():
            self.files.setdefault(name, []).extend(files)
        self.runs[trace.id] = kind
        self.models.setdefault(model, trace)

    def update_samples(self) -> None:
        """Give samples what all traces say of them; see :mod:`graphpath.stores.predictions`."""
        if not self.disputed:
            return
        path = self.directory / "Sample.parquet"
        chosen = ", ".join(f's."{name}"' for name in list_columns("Sample") if name not in PREDICTED)
        labels = self.files.get("LABELLED")
        labelled = select_rows("LABELLED", labels) if labels else _select_nothing("LABELLED")
        with connect({"temp_directory": str(self.directory / "spill")}) as connection:
            connection.execute(
                f"""COPY (
                    WITH said AS (
                        SELECT q.start AS id, min(c.id) AS category, min(c.name) AS predicted,
                            max(q.confidence) AS confidence
                        FROM {select_rows("PREDICTED", self.files["PREDICTED"])} q
                        JOIN {select_rows("Category", self.files["Category"])} c ON c.id = q.stop
                        WHERE q.rank = 1 GROUP BY q.start HAVING count(DISTINCT c.id) = 1)
                    SELECT {chosen}, a.predicted, a.confidence, a.category = l.stop AS correct
                    FROM {select_rows("Sample", self.files["Sample"])} s LEFT JOIN said a ON a.id = s.id
                    LEFT JOIN {labelled} l ON l.start = s.id
                ) TO {quote(path)} (FORMAT parquet)"""
            )
        self.files["Sample"] = [path]

    def _merge_groups(
        self, builder: LoadBuilder, classes: list[dict[str, Any]], scheme: Scheme | None
    ) -> Groups:
        """What is known of categories so far, and what ``scheme`` adds for these classes."""
        nodes = builder.run("SELECT id, scheme, label, name FROM stored_categories")
        links = builder.run(
            """SELECT l.class, l.category, k.scheme, k.name
            FROM stored_links l JOIN stored_categories k ON k.id = l.category"""
        )
        return merge_groups(
            [dict(zip(("category", "scheme", "label", "name"), row, strict=True)) for row in nodes],
            [dict(zip(("class", "category", "scheme", "name"), row, strict=True)) for row in links],
            classes,
            scheme,
        )

    def _is_new(self, trace: Trace, model: int) -> bool:
        other = self.models.get(model)
        if other is None:
            return True
        mine, theirs = (str((one.run.get("model") or {}).get("sha256", "")) for one in (trace, other))
        if (mine, trace.counts["layers"]) != (theirs, other.counts["layers"]):
            raise StoreConflict(
                f"{trace.path} and {other.path} use model id {model} for different weights: load them into "
                "two databases."
            )
        return False

    def _add_views(self, builder: LoadBuilder, runs: Iterable[str]) -> None:
        some = ", ".join(map(quote, runs)) or "NULL"
        for view, (name, wanted, rows) in STORED.items():
            condition = f"WHERE {rows.format(runs=some)}" if rows else ""
            files = self.files.get(name)
            source = select_rows(name, files) if files else _select_nothing(name)
            builder.run(f"CREATE OR REPLACE VIEW stored_{view} AS SELECT {wanted} FROM {source} {condition}")

    def _check(self, builder: LoadBuilder) -> None:
        if files := self.files.get("Pathway"):
            taken = builder.run(
                f"SELECT run FROM {select_rows('Pathway', files)} "
                "WHERE id >= (SELECT min(pathway) FROM pathways) "
                "AND id <= (SELECT max(pathway) FROM pathways) LIMIT 1"
            )
            for (other,) in taken:
                raise StoreConflict(
                    f"Runs {builder.trace.id!r} and {other!r} use the same pathway ids: load one."
                )
        check_rows(builder)


def gather(
    traces: Sequence[Trace],
    directory: Path,
    memory: int,
    min_support: int | None,
    scheme: Scheme | None,
    progress: AnyProgress | None,
) -> GatheredGraph:
    """The graph of ``traces``, each once, those whose classes ``scheme`` is about with its categories.

    Raises:
        StoreConflict: two traces of one run id differ, or use one key for two things.
    """
    made, report = GatheredGraph(directory, memory), as_progress(progress)
    seen: dict[str, Trace] = {}
    for number, trace in enumerate(traces):
        other = seen.setdefault(trace.id, trace)
        if (other.counts, other.run.get("parameters")) != (trace.counts, trace.run.get("parameters")):
            raise StoreConflict(f"{other.path} and {trace.path} are different traces of run {trace.id!r}.")
        if trace.id not in made.runs:
            report(f"prepare {trace.id}", number, len(traces))
            made.add(trace, min_support, scheme)
    made.update_samples()
    return made


def select_rows(name: str, files: Iterable[Path]) -> str:
    """The rows of ``files`` as a source in SQL: the schema's columns, ends ``start`` and ``stop``."""
    paths = list(files)
    # Only the record's own files call their columns alike.
    groups = [paths] if name in RECORDED else [[path] for path in paths]
    rows = " UNION ALL ".join(f"SELECT * FROM {read_parquet(group)}" for group in groups)
    named = ", ".join(f'"{column}"' for column in list_columns(name))
    return f"({rows}) AS t({named})"


def _select_nothing(name: str) -> str:
    item = NODE.get(name) or RELATIONSHIP[name]
    ends = {} if name in NODE else {"start": "INT64", "stop": "INT64"}
    kinds = {
        "STRING": "VARCHAR",
        "INT64": "BIGINT",
        "INT32": "INTEGER",
        "BOOL": "BOOLEAN",
        "INT64[]": "BIGINT[]",
    }
    typed = ", ".join(
        f'NULL::{kinds.get(kind, kind)} AS "{column}"' for column, kind in {**ends, **item.properties}.items()
    )
    return f"(SELECT {typed} WHERE false)"
