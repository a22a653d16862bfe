"""Checks of a trace's values before they are loaded: finite, of known keys, in range, and as counted.

One pass over each table; the file and the row are looked for only where something is wrong.
"""

from __future__ import annotations

from pathlib import Path

from graphpath.errors import RecordError
from graphpath.sql import read_parquet
from graphpath.stores.prepare import LoadBuilder

Rules = dict[str, str]
"""What is expected of a row, in words, and the SQL condition of a row that is not so."""

NEURON = """NOT BETWEEN (SELECT min("offset") FROM layers)
    AND (SELECT max("offset" + channels * height * width) FROM layers) - 1"""
LAYER = {"layer is one of layers.parquet": "layer NOT IN (SELECT layer FROM layers)"}


def _require_finite(*columns: str, or_unknown: bool = False) -> Rules:
    """Floats are numbers; or NaN, where imported traces have it for what is unknown."""
    wrong = "isinf({0})" if or_unknown else "NOT isfinite({0})"
    words = "{0} is a finite number" + (" or unknown" if or_unknown else "")
    return {words.format(column): wrong.format(column) for column in columns}


def _require_share(column: str) -> Rules:
    # Rounding may bring the sum of many a little above 1; NaN, which is unknown, is above any number.
    return {f"{column} is a share": f"{column} < 0 OR ({column} > 1.001 AND NOT isnan({column}))"}


def _require_known(column: str, table: str, key: str = "") -> Rules:
    return {f"{column} is in {table}": f"{column} NOT IN (SELECT {key or column} FROM {table})"}


def _require_least(least: int, *columns: str) -> Rules:
    return {f"{column} is {least} or more": f"{column} < {least}" for column in columns}


def _require_neuron(*columns: str) -> Rules:
    return {f"{column} is a neuron of the network": f"{column} {NEURON}" for column in columns}


EDGES = (
    _require_known("pathway", "pathways")
    | _require_neuron("source", "target")
    | LAYER
    | _require_finite("flow", "score")
)

RULES: dict[str, Rules] = {
    "layers": _require_least(1, "channels", "height", "width") | _require_least(0, "layer"),
    "samples": _require_least(-1, "label"),
    "pathways": _require_known("sample", "samples")
    | _require_least(0, "neurons", "edges")
    | _require_share("coverage")
    | _require_finite("logit", "bias", or_unknown=True),
    "predictions": _require_known("sample", "samples")
    | _require_known("category", "categories")
    | _require_least(1, "rank")
    | _require_share("confidence")
    | _require_finite("logit", or_unknown=True),
    "balance": _require_known("pathway", "pathways")
    | LAYER
    | _require_least(0, "edges_kept", "abs_kept", "bias_fed")
    | {"edges_kept is at most edges_all": "edges_kept > edges_all"}
    | _require_finite("abs_all", "abs_kept")
    | _require_finite("bias", or_unknown=True),
    "visits": _require_known("pathway", "pathways")
    | _require_neuron("neuron")
    | LAYER
    | _require_finite("activation", "score"),
    "edges": EDGES | _require_least(1, "rank"),
    "channels": EDGES | _require_least(1, "rank"),
    "routes": _require_known("pathway", "pathways")
    | _require_least(1, "rank")
    | {"sign is -1, 0 or 1": "sign NOT IN (-1, 0, 1)"}
    | {"log10_abs is a number below infinity": "isnan(log10_abs) OR log10_abs = 'inf'::DOUBLE"},
    "steps": _require_known("route", "routes") | _require_neuron("neuron") | _require_least(0, "position"),
    "crosses": _require_known("pathway", "pathways")
    | _require_neuron("pixel")
    | LAYER
    | _require_finite("size", "signed"),
}

COUNTED = {"visits": "neurons", "edges": "edges"}
"""Tables with as many rows a pathway as pathways.parquet says in that column."""


def check_values(builder: LoadBuilder) -> None:
    """Refuse the trace of ``builder`` where a value cannot be one that a tracer wrote.

    Raises:
        RecordError: the first that is found, with its file, the row and what was expected.
    """
    for table, rules in RULES.items():
        if files := builder.trace.files(table):
            _check(builder, table, files, rules)
    for table, column in COUNTED.items():
        rows = "channels" if table == "edges" and builder.trace.counts.get("channels") else table
        _check_counts(builder, rows, column)


def _check(builder: LoadBuilder, table: str, files: list[Path], rules: Rules) -> None:
    tests = ", ".join(f"bool_or({wrong})" for wrong in rules.values())
    [found] = builder.run(f"SELECT {tests} FROM {table}")
    for said, wrong in (
        (said, wrong) for (said, wrong), bad in zip(rules.items(), found, strict=True) if bad
    ):
        source = read_parquet(files, filename=True)
        [[row]] = builder.run(f"SELECT t FROM {source} t WHERE {wrong} LIMIT 1")
        file = row.pop("filename")
        shown = ", ".join(f"{name} {value}" for name, value in row.items())
        raise RecordError(
            f"{file} holds a row that cannot be: expected that {said}; the row is {shown}. Trace again into "
            "a new directory."
        )


def _check_counts(builder: LoadBuilder, table: str, column: str) -> None:
    wrong = builder.run(
        f"""SELECT pathway, p.{column}, coalesce(n, 0) FROM pathways p
        LEFT JOIN (SELECT pathway, count(*) AS n FROM {table} GROUP BY pathway) USING (pathway)
        WHERE p.{column} <> coalesce(n, 0) LIMIT 1"""
    )
    for pathway, counted, found in wrong:
        raise RecordError(
            f"{builder.trace.path}: pathways.parquet gives pathway {pathway} {counted} {column}, {table} has "
            f"{found} rows of it. Trace again into a new directory."
        )
