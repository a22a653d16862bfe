"""Named queries against the same answers computed with DuckDB straight from the Parquet.

    python -m tests.benchmarks.bench_queries [PATHWAYS] [EDGES]

A synthetic trace of 100 originals and attacks on them (200 pathways of about 5,000 edges) is loaded into the
embedded store. Each question is asked in turn of both, several times in the same run; the medians are
printed side by side with their ratio. The DuckDB side has no roll-ups: it computes them, as a user without
a store would have to. That is what the store's time is to be read against.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from graphpath.record import Trace
from graphpath.stores import Store, open_store
from tests.synthetic import write_trace

ROUNDS = 5

PREPARED = """
CREATE VIEW members AS
SELECT e.*, g.category, p.sample FROM edges e JOIN pathways p USING (pathway) JOIN samples s USING (sample)
JOIN predictions g ON g.sample = s.sample AND g.rank = 1 JOIN categories k USING (category)
WHERE s.variant = 'original' AND k.label = s.label AND p.target = s.label
;
CREATE VIEW classes AS
SELECT source, target, layer, category, count(DISTINCT sample) AS support, sum(abs(score::DOUBLE)) AS weight
FROM members GROUP BY ALL HAVING count(DISTINCT sample) >= 2
"""

SHARED_EDGES = """
SELECT layer, source, target, count(*) AS categories, sum(support) AS support FROM classes
GROUP BY ALL HAVING count(*) >= 2 ORDER BY categories DESC, support DESC, layer, source, target LIMIT 1000
"""

EXCLUSIVE_EDGES = """
SELECT layer, source, target, min(category), sum(support) AS support FROM classes
GROUP BY layer, source, target HAVING count(*) = 1 ORDER BY support DESC, layer, source, target LIMIT 1000
"""

SHARED_NEURONS = """
WITH ends AS (SELECT source AS neuron, category, support FROM classes
    UNION ALL SELECT target, category, support FROM classes),
per AS (SELECT neuron, category, max(support) AS support FROM ends GROUP BY ALL)
SELECT neuron, count(*) AS categories, sum(support) AS support FROM per
GROUP BY ALL HAVING count(*) >= 2 ORDER BY categories DESC, support DESC, neuron LIMIT 1000
"""

SIMILARITY = """
WITH c AS MATERIALIZED (SELECT *, weight / sum(weight) OVER (PARTITION BY category, layer) AS w FROM classes)
SELECT x.category, y.category, x.layer, count(*) AS shared, sum(least(x.w, y.w)) AS least
FROM c x JOIN c y USING (source, target, layer) WHERE x.category < y.category GROUP BY ALL ORDER BY ALL
"""

DIVERGENCE = """
WITH sides AS (
    SELECT e.layer, e.source, e.target, max(e.score) FILTER (p.sample = $original) AS one,
        max(e.score) FILTER (p.sample = $derived) AS two
    FROM edges e JOIN pathways p USING (pathway) WHERE p.sample IN ($original, $derived) GROUP BY ALL),
shares AS (SELECT layer, one, two,
        coalesce(abs(one) / sum(abs(one)) OVER (PARTITION BY layer), 0) AS a,
        coalesce(abs(two) / sum(abs(two)) OVER (PARTITION BY layer), 0) AS b FROM sides)
SELECT layer, count(*) FILTER (one IS NULL) AS gained, count(*) FILTER (two IS NULL) AS lost,
    sum(least(a, b)) / sum(greatest(a, b)) AS likeness FROM shares GROUP BY layer ORDER BY layer
"""

GAINED = """
WITH mine AS (SELECT e.* FROM edges e JOIN pathways USING (pathway) WHERE sample = $derived),
other AS (SELECT e.source, e.target FROM edges e JOIN pathways USING (pathway) WHERE sample = $original)
SELECT source, target, any_value(m.score) AS value, list(DISTINCT c.category)
FROM mine m ANTI JOIN other o USING (source, target) LEFT JOIN classes c USING (source, target)
GROUP BY source, target ORDER BY abs(value) DESC LIMIT 1000
"""

HUBS = """
SELECT v.neuron, count(*) AS pathways, avg(v.activation), avg(abs(v.score)) AS size
FROM visits v JOIN pathways p USING (pathway) JOIN samples s USING (sample)
WHERE s.variant = 'original' GROUP BY ALL ORDER BY pathways DESC, size DESC LIMIT 100
"""

THROUGH = "SELECT pathway, activation, score FROM visits WHERE neuron = $neuron ORDER BY abs(score) DESC"

LARGEST = """
WITH best AS (SELECT r.* FROM routes r JOIN pathways p USING (pathway) WHERE p.sample = $sample
    ORDER BY log10_abs DESC LIMIT 10)
SELECT * FROM best JOIN steps USING (route) ORDER BY log10_abs DESC, route, position
"""

COUNTS = """
SELECT s.label, l."offset" + (v.neuron - l."offset") // (l.height * l.width) * (l.height * l.width) AS map,
    count(DISTINCT v.pathway), count(*), sum(v.score)
FROM visits v JOIN pathways p USING (pathway) JOIN samples s USING (sample) JOIN layers l USING (layer)
WHERE s.variant = 'original' GROUP BY ALL
"""


@dataclass(frozen=True)
class Question:
    """A named query with its parameters, and the same in SQL."""

    name: str
    parameters: dict[str, object]
    sql: str
    values: dict[str, object]


def main() -> None:
    """Make the trace, load it, and print the medians."""
    pathways, edges = (int(value) for value in (*sys.argv[1:], *("200", "5000")[len(sys.argv) - 1 :]))
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        clean, attacked = _traces(Path(folder), pathways // 2, edges)
        with open_store(Path(folder) / "bench.lbdb") as store:
            for trace in (clean, attacked):
                report = store.load(trace, min_support=2)
                console.print(f"loaded {report.run}: {report.counts['FLOWS_TO']:,} FLOWS_TO")
            connection = _duckdb((clean, attacked))
            console.print(_table(store, connection, _questions(store)))


def _traces(folder: Path, samples: int, edges: int) -> tuple[Trace, Trace]:
    size = {"edges_per_pathway": edges, "classes": 10, "layers": 7, "side": 16, "part_size": 50}
    clean = write_trace(folder / "clean", run="clean", samples=samples, **size)
    return clean, write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, **size)


def _duckdb(traces: tuple[Trace, Trace]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in ("samples", "predictions", "pathways", "visits", "edges", "routes", "steps"):
        files = [str(file) for trace in traces for file in trace.files(name)]
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files})")
    for name in ("layers", "categories"):
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet({[str(traces[0].files(name)[0])]})"
        )
    connection.execute(PREPARED)
    return connection


def _questions(store: Store) -> list[Question]:
    pair = store.query("adversarial/pairs", limit=1).iloc[0]
    sides: dict[str, object] = {"original": int(pair.original), "derived": int(pair.derived)}
    clean: dict[str, object] = {"run": "clean"}
    neuron: dict[str, object] = {"neuron": int(store.query("pathways/hubs", **clean).neuron[50])}
    sample: dict[str, object] = {"sample": sides["original"]}
    return [
        Question("categories/shared_edges", clean, SHARED_EDGES, {}),
        Question("categories/exclusive_edges", clean, EXCLUSIVE_EDGES, {}),
        Question("categories/shared_neurons", clean, SHARED_NEURONS, {}),
        Question("categories/similarity", clean, SIMILARITY, {}),
        Question("adversarial/divergence", sides, DIVERGENCE, sides),
        Question("adversarial/gained_edges", sides, GAINED, sides),
        Question("pathways/hubs", clean, HUBS, {}),
        Question("pathways/through_neuron", neuron, THROUGH, neuron),
        Question("pathways/largest", sample, LARGEST, sample),
        Question("pathways/counts", clean, COUNTS, {}),
        *(Question(name, parameters, "", {}) for name, parameters in _alone(clean)),
    ]


def _alone(clean: dict[str, object]) -> list[tuple[str, dict[str, object]]]:
    """Queries timed without a partner: their SQL is that of graphpath.analysis, or a loop over others."""
    return [
        ("categories/consistency", clean),
        ("pathways/largest_overlap", clean),
        ("adversarial/first_diverging_layer", {}),
        ("adversarial/class_similarity", {}),
    ]


def _table(store: Store, connection: duckdb.DuckDBPyConnection, questions: list[Question]) -> Table:
    table = Table("query", "rows", "store ms", "DuckDB ms", "ratio")
    for question in questions:
        rows = len(store.query(question.name, **question.parameters))

        def ask(question: Question = question) -> object:
            return store.query(question.name, **question.parameters)

        def compute(question: Question = question) -> object:
            return connection.execute(question.sql, question.values).df()

        stored, computed = _medians(ask, compute if question.sql else None)
        ratio = [f"{computed:.0f}", f"{stored / computed:.2f}"] if computed else ["-", "-"]
        table.add_row(question.name, f"{rows:,}", f"{stored:.0f}", *ratio)
    return table


def _medians(one: Callable[[], object], two: Callable[[], object] | None) -> tuple[float, float]:
    """Median milliseconds of both, measured in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for action, taken in zip((one, two), times, strict=True):
            if action is not None:
                start = time.perf_counter()
                action()
                taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[0]), statistics.median(times[1]) if times[1] else 0.0


if __name__ == "__main__":
    main()
