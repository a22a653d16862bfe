"""Loading a trace into an engine's session: check, prepare, append, compare the counts, mark complete."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import StoreConflict, StoreError
from graphpath.ids import digest
from graphpath.naming import RunSource, read_stored_runs
from graphpath.progress import AnyProgress, Progress, as_progress
from graphpath.record import Trace
from graphpath.schema import NODES, RELATIONSHIPS
from graphpath.stores.base import LoadReport
from graphpath.stores.categories import Groups, Scheme, read_groups
from graphpath.stores.checks import check_values
from graphpath.stores.existing import COMPARABLE, add_known_views, check_keys, check_model, export_stored
from graphpath.stores.layers import complete_layers
from graphpath.stores.predictions import find_disputed, update_samples
from graphpath.stores.prepare import MEMORY, LoadBuilder, add_groups, prepare
from graphpath.stores.remove import remove_run
from graphpath.stores.resembles import compare
from graphpath.stores.rollups import roll_up
from graphpath.stores.runs import build_run_row, comparison_key
from graphpath.stores.session import RECORDED, Session

ROLLUPS = ("FLOWS_TO_MAP", "CLASS_FLOWS_TO", "MAP_FLOWS_TO", "RESEMBLES", "SHARES")
STAGES = ("prepare", "roll-ups", "nodes", "relationships", "FLOWS_TO", "check")


@dataclass
class _Clock:
    """Seconds per stage, reported to ``progress`` as stages begin."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time_stage(self, name: str) -> Iterator[None]:
        self.progress(name, len(self.seconds), len(STAGES))
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def check_min_support(min_support: int | None) -> None:
    """Refuse what is no number of samples. Raises StoreError."""
    if min_support is not None and not 1 <= min_support < 2**63:
        raise StoreError(f"min_support counts samples: expected 1 to 2^63 - 1, not {min_support}.")


def is_loaded(store: RunSource, trace: Trace, min_support: int | None, scheme: Scheme | None = None) -> bool:
    """Whether the store holds ``trace`` as it would be loaded now, with the categories of ``scheme``.

    Raises:
        StoreConflict: it holds another trace under the same run id.
    """
    rows = store.execute(
        "MATCH (r:Run) WHERE r.id = $id RETURN r.counts AS counts, r.parameters AS parameters, "
        "r.min_support AS min_support, r.complete AS complete, r.path AS path, r.schemes AS schemes",
        {"id": trace.id},
    ).to_pylist()
    if not rows or not rows[0]["complete"]:
        return False
    found, wanted = rows[0], build_run_row(trace, 0, min_support)
    if any(found[key] != wanted[key] for key in ("counts", "parameters")):
        raise StoreConflict(
            f"The store holds another trace of run {trace.id!r} (from {found['path']}): delete that run "
            f"first (`graphpath delete {trace.id}`)."
        )
    if trace.name is not None and (trace.id, trace.name) not in _read_names(store):
        return False  # it is called otherwise now
    classes = read_classes(trace)
    groups = read_groups(store, classes, scheme)
    return bool(found["min_support"] == wanted["min_support"]) and found["schemes"] == list_schemes(
        groups, classes
    )


def read_classes(trace: Trace) -> list[dict[str, Any]]:
    """The classes of ``trace``: category, scheme, label and name each."""
    rows: list[dict[str, Any]] = trace.categories().to_table().to_pylist()
    return rows


def list_schemes(groups: Groups, classes: Sequence[Mapping[str, Any]]) -> str:
    """The property ``schemes`` of a run with these classes."""
    return json.dumps(groups.describe(int(row["category"]) for row in classes), sort_keys=True)


def _read_names(store: RunSource) -> set[tuple[str, str | None]]:
    """Each run with its name."""
    return {(one.run, one.name) for one in read_stored_runs(store)}


def load_run(
    session: Session,
    trace: Trace,
    work: Path,
    *,
    min_support: int | None = None,
    scheme: Scheme | None = None,
    memory: int = MEMORY,
    progress: AnyProgress | None = None,
) -> LoadReport:
    """Append ``trace`` to the store behind ``session``; what is left of an earlier load of it goes first.

    ``work`` is an empty directory for intermediate files.
    """
    clock = _Clock(as_progress(progress))
    model = int(trace.layers().to_table(columns=["offset"])["offset"][0].as_py())
    with clock.time_stage("prepare"):
        groups = read_groups(session, read_classes(trace), scheme)
        plan = _digest_plan(session, trace, model, min_support, groups)
        resumed = session.can_resume(trace.id, plan)
        if not resumed and session.read_column(
            "MATCH (r:Run) WHERE r.id = $id RETURN r.id", {"id": trace.id}
        ):
            remove_run(session, trace.id)
        files, asked_again = _build_files(
            session, trace, model, work, min_support, groups, memory, clock, resumed=resumed
        )
        session.start(trace.id, plan)
    counts: dict[str, int] = {}

    def append(stage: str, names: list[str]) -> None:
        with clock.time_stage(stage):
            for name in names:
                counts[name] = sum(session.copy(name, files.get(name, []), work))

    relations = [relation.name for relation in RELATIONSHIPS]
    append("nodes", [node.label for node in NODES if node.label != "GraphpathMeta"])
    append("relationships", [name for name in relations if name not in (*ROLLUPS, "FLOWS_TO")])
    append("FLOWS_TO", ["FLOWS_TO"])
    append("roll-ups", list(ROLLUPS))
    with clock.time_stage("check"):
        _check(session, trace)
        complete_layers(session, trace, model)
        update_samples(session, asked_again)
        session.finish(trace.id)
    clock.seconds["prepare"] -= clock.seconds.pop("computed")
    return LoadReport(trace.id, True, {name: n for name, n in counts.items() if n}, clock.seconds)


def _build_files(
    session: Session,
    trace: Trace,
    model: int,
    work: Path,
    min_support: int | None,
    groups: Groups,
    memory: int,
    clock: _Clock,
    *,
    resumed: bool,
) -> tuple[dict[str, list[Path]], list[int]]:
    """Everything to append, as files by label and relationship type; when ``resumed``, what is there too.

    And the samples that are there and of which this trace says something else.
    """
    new_model = check_model(session, trace, model) or resumed
    schemes = list_schemes(groups, read_classes(trace))
    run = {**build_run_row(trace, model, min_support), "schemes": schemes}
    kind = comparison_key(trace.run, model)
    builder = LoadBuilder(trace, model, work, memory)
    try:
        check_values(builder)
        add_groups(builder, groups)
        export_stored(session, builder, kind)
        check_keys(session, builder)
        add_known_views(builder, nothing=resumed)
        write_row(builder, "Run", run)
        if new_model:
            described = trace.run.get("model") or {}
            row = {"id": model, "name": described.get("name"), "sha256": described.get("sha256")}
            write_row(builder, "Model", {**row, "layers": trace.counts["layers"]})
        prepare(builder, run, new_model=new_model)
        _time_rollups(clock, lambda: roll_up(builder, trace.id, min_support))
        _time_rollups(clock, lambda: compare(builder, trace.id, kind))
        return builder.files, find_disputed(builder)
    finally:
        builder.close()


def _time_rollups(clock: _Clock, compute: Callable[[], None]) -> None:
    """Roll-ups are computed within "prepare" and reported with "roll-ups"."""
    before = clock.seconds.get("roll-ups", 0.0)
    with clock.time_stage("roll-ups"):
        compute()
    spent = clock.seconds["roll-ups"] - before
    clock.seconds["computed"] = clock.seconds.get("computed", 0.0) + spent


ARROW = {
    "INT64": pa.int64(),
    "INT32": pa.int32(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float32(),
    "STRING": pa.string(),
    "BOOL": pa.bool_(),
    "INT64[]": pa.list_(pa.int64()),
}


def write_row(builder: LoadBuilder, label: str, row: dict[str, object]) -> None:
    """One node as a file of its own."""
    properties = next(node.properties for node in NODES if node.label == label)
    schema = pa.schema([(name, ARROW[kind]) for name, kind in properties.items()])
    path = builder.directory / f"{label}.parquet"
    values = {name: [_get_property(row, name, kind)] for name, kind in properties.items()}
    pq.write_table(pa.table(values, schema=schema), path)
    builder.use(label, [path])


def _get_property(row: Mapping[str, object], name: str, kind: str) -> object:
    """A property of ``row``; null where it has none of that name."""
    if name not in row or kind != "STRING":
        return row.get(name)
    return str(row[name] or "")


def _digest_plan(session: Session, trace: Trace, model: int, min_support: int | None, groups: Groups) -> str:
    """Equal for loads that store the same rows in the same order."""
    kind = comparison_key(trace.run, model)
    others = session.read_column(COMPARABLE, {"comparable": kind, "run": trace.id})
    return digest(trace.counts, trace.run.get("parameters"), min_support, kind, others, sorted(groups.rows))


def _check(session: Session, trace: Trace) -> None:
    """What was stored must be what run.json counts."""
    for name, stored in session.tally(trace.id).items():
        expected = trace.counts[RECORDED[name]]
        if stored != expected:
            raise StoreError(
                f"The store took {stored} {name} of run {trace.id!r}, {trace.path / 'run.json'} counts "
                f"{expected}; nothing was changed. Is every end of an edge in the trace's visits?"
            )
