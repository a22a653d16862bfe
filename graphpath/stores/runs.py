"""The runs that a store holds: how they are described, found and refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from graphpath.errors import RecordError
from graphpath.ids import digest
from graphpath.naming import RunSource
from graphpath.schema import OPTIONS

if TYPE_CHECKING:
    from graphpath.record import Trace

RUNS = """
MATCH (r:Run)-[:TRACED]->(m:Model)
RETURN r.id AS run, r.method AS method, r.parameters AS parameters, m.name AS model, r.dataset AS dataset,
       r.path AS path, r.min_support AS min_support, r.complete AS complete, r.counts AS counts,
       r.name AS name, r.loaded AS loaded
ORDER BY run
"""

COUNTED = ("samples", "pathways", "edges", "visits", "routes")

INCIDENTAL = frozenset({"target", "routes", "seed", "seeds", "batch", "device", "dtype", "out", "progress"})
"""Parameters of a trace that do not decide which edges of a network a method selects."""


def describe(state: RunSource) -> dict[str, list[Any]]:
    """The columns of :meth:`graphpath.stores.base.Store.runs`."""
    return _columns(state.execute(RUNS, {}).to_pylist())


def _columns(rows: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("run", "method", "parameters", "model", "dataset", "path", "min_support", "complete")
    }
    columns |= {name: [] for name in (*COUNTED, "name", "loaded")}
    for row in rows:
        counts = json.loads(row.pop("counts"))
        for name, value in row.items():
            columns[name].append(value)
        for name in COUNTED:
            columns[name].append(int(counts.get(name, 0)))
    return columns


def build_run_row(trace: Trace, model: int, min_support: int | None) -> dict[str, object]:
    """The properties of the Run node of ``trace``, not yet complete."""
    run = trace.run
    return {
        "id": trace.id,
        "method": str(run.get("method", "")),
        "parameters": json.dumps(run.get("parameters", {}), sort_keys=True),
        "model": model,
        "dataset": _to_text(run.get("dataset", "")),
        "path": str(trace.path.resolve()),
        "counts": json.dumps(trace.counts, sort_keys=True),
        "min_support": min_support or 0,
        "comparable": comparison_key(run, model),
        "complete": False,
        "loaded": datetime.now(UTC).isoformat(timespec="microseconds"),
        **({"name": name} if (name := run.get("name")) else {}),
        **_select_options(run.get("parameters") or {}),
    }


def _select_options(parameters: Mapping[str, Any]) -> dict[str, object]:
    """The options that are properties of a run, those that were given."""
    return {
        name: made
        for name, kind in OPTIONS.items()
        if (made := _to_kind(kind, parameters.get(name))) is not None
    }


def _to_kind(kind: str, value: object) -> object:
    """``value`` as a property of ``kind``; None where it is nothing of the kind."""
    if value is None or kind == "STRING":
        return None if value is None else _to_text(value)
    if isinstance(value, bool) or kind == "BOOL":
        return value if isinstance(value, bool) and kind == "BOOL" else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if kind == "DOUBLE" else int(value)


def comparison_key(run: dict[str, Any], model: int) -> str:
    """Equal for runs whose pathways may be compared: one model, one method, one budget, one kind of f."""
    parameters = run.get("parameters") or {}
    deciding = {key: value for key, value in parameters.items() if key not in INCIDENTAL}
    if isinstance(asked := parameters.get("target"), dict):  # a contrast or a place: no class's pathways
        deciding["target"] = asked
    if fitted := run.get("fitted"):  # what the method learned from images, of this run or of another
        deciding["fitted"] = fitted
    return digest(model, run.get("method"), deciding)[:16]


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def open_traces(rows: list[dict[str, Any]]) -> list[tuple[Trace, int]] | None:
    """The traces of runs with their min_support; None unless each is where its run says."""
    from graphpath.record import Trace

    traces = []
    for row in rows:
        try:
            trace = Trace(row["path"])
        except RecordError:
            return None
        if trace.id != row["run"]:
            return None
        traces.append((trace, int(row["support"])))
    return traces
