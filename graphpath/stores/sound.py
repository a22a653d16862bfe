"""What a trace's values must be before they are loaded: finite, of known keys, in range, and as counted.

One pass over each table; the file and the row are looked for only where something is wrong.
"""

from __future__ import annotations

from pathlib import Path

from graphpath.errors import RecordError
from graphpath.sql import read_parquet
from graphpath.stores.prepare import Workshop

Rules = dict[str, str]
"""What is expected of a row, in words, and the SQL condition of a row that is not so."""

NEURON = """NOT BETWEEN (SELECT min("offset") FROM layers)
    AND (SELECT max("offset" + channels * height * width) FROM layers) - 1"""
LAYER = {"layer is one of layers.parquet": "layer NOT IN (SELECT layer FROM layers)"}


def _finite(*columns: str, or_unknown: bool = False) -> Rules:
    """Floats are numbers; or NaN, where imported traces have it for what nobody told."""
    wrong = "isinf({0})" if or_unknown else "NOT isfinite({0})"
    words = "{0} is a finite number" + (" or unknown" if or_unknown else "")
    return {words.format(column): wrong.format(column) for column in columns}


def _share(column: str) -> Rules:
    # Rounding may bring the sum of many a little above 1; NaN, which is unknown, is above any number.
    return {f"{column} is a share": f"{column} < 0 OR ({column} > 1.001 AND NOT isnan({column}))"}


def _known(column: str, table: str, key: str = "") -> Rules:
    return {f"{column} is in {table}": f"{column} NOT IN (SELECT {key or column} FROM {table})"}


def _least(least: int, *columns: str) -> Rules:
    return {f"{column} is {least} or more": f"{column} < {least}" for column in columns}


def _neuron(*columns: str) -> Rules:
    return {f"{column} is a neuron of the network": f"{column} {NEURON}" for column in columns}


EDGES = _known("pathway", "pathways") | _neuron("source", "target") | LAYER | _finite("flow", "score")

RULES: dict[str, Rules] = {
    "layers": _least(1, "channels", "height", "width") | _least(0, "layer"),
    "samples": _least(-1, "label"),
    "pathways": _known("sample", "samples")
    | _least(0, "neurons", "edges")
    | _share("coverage")
    | _finite("logit", "bias", or_unknown=True),
    "predictions": _known("sample", "samples")
    | _known("category", "categories")
    | _least(1, "rank")
    | _share("confidence")
    | _finite("logit", or_unknown=True),
    "balance": _known("pathway", "pathways")
    | LAYER
    | _least(0, "edges_kept", "abs_kept", "bias_fed")
    | {"edges_kept is at most edges_all": "edges_kept > edges_all"}
    | _finite("abs_all", "abs_kept")
    | _finite("bias", or_unknown=True),
    "visits": _known("pathway", "pathways") | _neuron("neuron") | LAYER | _finite("activation", "score"),
    "edges": EDGES | _least(1, "rank"),
    "channels": EDGES | _least(1, "rank"),
    "routes": _known("pathway", "pathways")
    | _least(1, "rank")
    | {"sign is -1, 0 or 1": "sign NOT IN (-1, 0, 1)"}
    | {"log10_abs is a number below infinity": "isnan(log10_abs) OR log10_abs = 'inf'::DOUBLE"},
    "steps": _known("route", "routes") | _neuron("neuron") | _least(0, "position"),
    "crosses": _known("pathway", "pathways") | _neuron("pixel") | LAYER | _finite("size", "signed"),
}

COUNTED = {"visits": "neurons", "edges": "edges"}
"""Tables with as many rows a pathway as pathways.parquet says in that column."""


def check_values(shop: Workshop) -> None:
    """Refuse the trace of ``shop`` where a value cannot be one that a tracer wrote.

    Raises:
        RecordError: the first that is found, with its file, the row and what was expected.
    """
    for table, rules in RULES.items():
        if files := shop.trace.files(table):
            _check(shop, table, files, rules)
    for table, column in COUNTED.items():
        rows = "channels" if table == "edges" and shop.trace.counts.get("channels") else table
        _check_counts(shop, rows, column)


def _check(shop: Workshop, table: str, files: list[Path], rules: Rules) -> None:
    tests = ", ".join(f"bool_or({wrong})" for wrong in rules.values())
    [found] = shop.run(f"SELECT {tests} FROM {table}")
    for said, wrong in (
        (said, wrong) for (said, wrong), bad in zip(rules.items(), found, strict=True) if bad
    ):
        source = read_parquet(files, filename=True)
        [[row]] = shop.run(f"SELECT t FROM {source} t WHERE {wrong} LIMIT 1")
        file = row.pop("filename")
        shown = ", ".join(f"{name} {value}" for name, value in row.items())
        raise RecordError(
            f"{file} holds a row that cannot be: expected that {said}; the row is {shown}. Trace again into "
            "a new directory."
        )


def _check_counts(shop: Workshop, table: str, column: str) -> None:
    wrong = shop.run(
        f"""SELECT pathway, p.{column}, coalesce(n, 0) FROM pathways p
        LEFT JOIN (SELECT pathway, count(*) AS n FROM {table} GROUP BY pathway) USING (pathway)
        WHERE p.{column} <> coalesce(n, 0) LIMIT 1"""
    )
    for pathway, told, found in wrong:
        raise RecordError(
            f"{shop.trace.path}: pathways.parquet gives pathway {pathway} {told} {column}, {table} has "
            f"{found} rows of it. Trace again into a new directory."
        )
