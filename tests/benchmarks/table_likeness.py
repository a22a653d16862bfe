"""The table of graphpath/tracing/README.md: how alike pathways between feature maps are under a budget.

    python -m tests.benchmarks.table_likeness WHOLE OTHER... --categories FILE --column NAME

All are traces of the same images with ``--method channels``, WHOLE with ``--max-edges all``. FILE has a row
for each class, in their order, and its category in the column NAME. By trace: edges of an image and the share
of |score| on them; and, means over layers, the weighted J of two images of one category and of two of
different ones, how often the first is above the second (AUC), and the pairs' rank correlation with WHOLE.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from graphpath.record import Trace
from graphpath.sql import connect, read_parquet

PAIRS = """WITH shares AS (
        SELECT sample, layer, source, edges.target AS target,
            abs(score::DOUBLE) / sum(abs(score::DOUBLE)) OVER (PARTITION BY sample, layer) AS share
        FROM edges JOIN pathways USING (pathway))
    SELECT a.layer, a.sample AS one, b.sample AS two, sum(least(a.share, b.share)) AS least
    FROM shares a JOIN shares b USING (layer, source, target)
    WHERE a.sample < b.sample GROUP BY ALL"""


def main(words: list[str]) -> None:
    """Measure and print the table."""
    reader = argparse.ArgumentParser()
    reader.add_argument("traces", nargs="+", type=Path)
    reader.add_argument("--categories", required=True)
    reader.add_argument("--column", required=True)
    asked = reader.parse_args(words)
    with Path(asked.categories).open(newline="", encoding="utf-8") as file:
        names = [row[asked.column] for row in csv.DictReader(file)]
    table = Table("trace", "edges", "of |score|", "one category", "two", "AUC", "rank correlation")
    whole: pd.Series | None = None
    for path in asked.traces:
        trace = Trace(path)
        alike = compare(trace)
        whole = alike if whole is None else whole
        labels = trace.samples().to_table().to_pandas().set_index("sample").label
        kept = trace.pathways().to_table().to_pandas()[["edges", "coverage"]].mean()
        rows = [
            describe(part, whole[layer], labels.map(names.__getitem__))
            for layer, part in alike.reindex(whole.index, fill_value=0.0).groupby("layer")
        ]
        within, between, area, rank = pd.DataFrame(rows).mean()
        values = (f"{value:.3f}" for value in (kept.coverage, within, between, area, rank))
        table.add_row(path.name, f"{kept.edges:,.0f}", *values)
    Console().print(table)


def compare(trace: Trace) -> pd.Series:
    """The weighted J of every two images that share an edge, by layer and the two samples."""
    with connect({"preserve_insertion_order": "false"}) as database:
        for name, table in (("edges", "channels"), ("pathways", "pathways")):
            database.execute(f"CREATE VIEW {name} AS SELECT * FROM {read_parquet(trace.files(table))}")
        found = database.execute(PAIRS).df().set_index(["layer", "one", "two"]).least
    return found / (2 - found)


def describe(alike: pd.Series, whole: pd.Series, category: pd.Series) -> tuple[float, float, float, float]:
    """Of one layer: means within a category and between, AUC, and rank correlation with ``whole``."""
    alike = alike.droplevel("layer")
    one, two = (category[alike.index.get_level_values(end)].to_numpy() for end in ("one", "two"))
    same = one == two
    rank = spearmanr(alike, whole.reindex(alike.index)).statistic
    return alike[same].mean(), alike[~same].mean(), roc_auc_score(same, alike), rank


if __name__ == "__main__":
    main(sys.argv[1:])
