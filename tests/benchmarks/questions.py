"""Every named query as a question with parameters, and the same in SQL straight from the Parquet.

The SQL has no roll-ups: it computes them, as a user without a store would have to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from graphpath import queries
from graphpath.record import Trace
from graphpath.sql import connect as connect_duckdb
from graphpath.stores import Store
from tests.synthetic import write_trace

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

CLASS_EDGES = """
SELECT category, layer, source, target, support, weight FROM classes
ORDER BY category, support DESC, weight DESC, layer, source, target LIMIT 1000
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


LOST = GAINED.replace("$derived", "$it").replace("$original", "$derived").replace("$it", "$original")

PAIRS = """
SELECT d.sample, d.parent, d.variant, k.name, g.confidence FROM samples d JOIN pathways p USING (sample)
JOIN pathways q ON q.sample = d.parent JOIN predictions g ON g.sample = d.sample AND g.rank = 1
JOIN categories k USING (category) ORDER BY ALL
"""

FIRST = """
WITH pairs AS (SELECT sample AS derived, parent AS original FROM samples WHERE parent IS NOT NULL),
sides AS (SELECT d.derived, e.layer, e.source, e.target,
        sum(abs(e.score)) FILTER (p.sample = d.original) AS one,
        sum(abs(e.score)) FILTER (p.sample = d.derived) AS two
    FROM pairs d JOIN pathways p ON p.sample IN (d.original, d.derived) JOIN edges e USING (pathway)
    GROUP BY ALL),
shares AS (SELECT derived, layer, coalesce(one / sum(one) OVER layers, 0) AS a,
        coalesce(two / sum(two) OVER layers, 0) AS b
    FROM sides WINDOW layers AS (PARTITION BY derived, layer)),
likeness AS (SELECT derived, layer, sum(least(a, b)) / sum(greatest(a, b)) AS weighted
    FROM shares GROUP BY ALL)
SELECT derived, min(layer) FILTER (weighted < 0.5) AS layer FROM likeness GROUP BY ALL ORDER BY ALL
"""

CLASS_SIMILARITY = """
WITH theirs AS (SELECT p.pathway, p.sample, g.rank AS place, g.category
    FROM pathways p JOIN predictions g USING (sample) WHERE g.rank <= 2),
members AS (SELECT DISTINCT sample, category FROM pathways JOIN samples USING (sample)
    JOIN predictions g USING (sample) JOIN categories k USING (category)
    WHERE variant = 'original' AND g.rank = 1 AND k.label = samples.label AND target = samples.label)
SELECT t.pathway, e.layer, t.place, count(*) AS edges,
    count(*) FILTER (c.support - (m.sample IS NOT NULL)::INT >= 2) AS shared,
    sum(least(abs(e.score), c.weight - CASE WHEN m.sample IS NULL THEN 0 ELSE abs(e.score) END)) AS least
FROM theirs t JOIN edges e USING (pathway)
LEFT JOIN classes c ON c.category = t.category AND c.source = e.source AND c.target = e.target
LEFT JOIN members m ON m.sample = t.sample AND m.category = t.category
GROUP BY ALL ORDER BY ALL
"""

CONSISTENCY = """
WITH mine AS (SELECT s.sample, s.label, e.layer, e.source, e.target,
        abs(e.score) / sum(abs(e.score)) OVER (PARTITION BY s.sample, e.layer) AS w
    FROM edges e JOIN pathways USING (pathway) JOIN samples s USING (sample) WHERE s.variant = 'original'),
sizes AS (SELECT sample, layer, count(*) AS edges FROM mine GROUP BY ALL),
pairs AS (SELECT x.layer, x.sample AS one, y.sample AS two, x.label = y.label AS within, count(*) AS shared,
        sum(least(x.w, y.w)) AS least
    FROM mine x JOIN mine y USING (layer, source, target) WHERE x.sample < y.sample GROUP BY ALL)
SELECT p.layer, within, count(*) AS pairs, avg(shared / (a.edges + b.edges - shared)) AS J,
    avg(least / (2 - least)) AS weighted
FROM pairs p JOIN sizes a ON a.sample = one AND a.layer = p.layer
JOIN sizes b ON b.sample = two AND b.layer = p.layer GROUP BY ALL ORDER BY ALL
"""

OVERLAP = """
WITH walks AS (SELECT p.sample, s.label, t.neuron, lead(t.neuron) OVER (
        PARTITION BY route ORDER BY position) AS next
    FROM steps t JOIN routes r USING (route) JOIN pathways p USING (pathway) JOIN samples s USING (sample)
    WHERE s.variant = 'original' AND r.rank <= 10),
items AS (SELECT DISTINCT sample, label, 'neurons' AS what, neuron AS one, 0 AS two FROM walks
    UNION SELECT sample, label, 'edges', neuron, next FROM walks WHERE next IS NOT NULL),
sizes AS (SELECT sample, label, what, count(*) AS members FROM items GROUP BY ALL),
shared AS (SELECT what, x.sample AS a, y.sample AS b, count(*) AS n
    FROM items x JOIN items y USING (what, one, two) WHERE x.sample < y.sample GROUP BY ALL)
SELECT x.what, x.label = y.label AS within, count(*) AS pairs, avg(coalesce(n, 0)) AS shared,
    avg(coalesce(n, 0) / (x.members + y.members - coalesce(n, 0))) AS J
FROM sizes x JOIN sizes y ON x.what = y.what AND x.sample < y.sample
LEFT JOIN shared s ON s.what = x.what AND s.a = x.sample AND s.b = y.sample GROUP BY ALL ORDER BY ALL
"""

NEURONS = """
SELECT v.layer, v.neuron, (v.neuron - l."offset") // (l.height * l.width) AS channel, activation, score
FROM visits v JOIN layers l USING (layer) WHERE pathway = $pathway ORDER BY abs(score) DESC, neuron LIMIT 1000
"""

OF_RUN = """
SELECT p.*, s.label, s.variant, g.confidence, k.name FROM pathways p JOIN samples s USING (sample)
JOIN predictions g ON g.sample = p.sample AND g.rank = 1 JOIN categories k USING (category)
WHERE s.variant = 'original' ORDER BY pathway LIMIT 10000
"""

OF_SAMPLE = """
SELECT p.*, s.label, s.variant FROM pathways p JOIN samples s USING (sample) WHERE sample = $sample
"""

SAMPLES = """
SELECT variant, count(DISTINCT sample), count(*), count(DISTINCT label)
FROM pathways JOIN samples USING (sample) GROUP BY variant ORDER BY variant
"""

ROUTES = """
SELECT r.*, p.sample, first(neuron ORDER BY position) AS pixel, count(*) AS neurons
FROM routes r JOIN pathways p USING (pathway) JOIN samples s USING (sample) JOIN steps t USING (route)
WHERE s.variant = 'original' GROUP BY ALL ORDER BY log10_abs DESC, route LIMIT 1000
"""

PATHWAY = "SELECT * FROM edges WHERE pathway = $pathway ORDER BY rank LIMIT 200"

CLASS_PATHWAY = """
SELECT * FROM classes WHERE category = (SELECT min(category) FROM classes)
ORDER BY support DESC, weight DESC LIMIT 200
"""


@dataclass(frozen=True)
class Question:
    """A named query with its parameters, and the same in SQL; ``sql`` is empty for answers that are drawn."""

    name: str
    parameters: dict[str, object]
    sql: str = ""

    @property
    def values(self) -> dict[str, object]:
        """The parameters that the SQL takes."""
        return {key: value for key, value in self.parameters.items() if f"${key}" in self.sql}


def make_traces(folder: Path, samples: int, edges: int) -> tuple[Trace, Trace]:
    """Originals and attacks on them, as runs "clean" and "attacked"."""
    size = {"edges_per_pathway": edges, "classes": 10, "layers": 7, "side": 16, "part_size": 50}
    clean = write_trace(folder / "clean", run="clean", samples=samples, **size)
    return clean, write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, **size)


def connect(traces: tuple[Trace, Trace]) -> duckdb.DuckDBPyConnection:
    """DuckDB with the traces' tables, and views of members and class pathways, none of them computed yet."""
    connection = connect_duckdb({})
    for name in ("samples", "predictions", "pathways", "visits", "edges", "routes", "steps"):
        files = [str(file) for trace in traces for file in trace.files(name)]
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files})")
    for name in ("layers", "categories"):
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet({[str(traces[0].files(name)[0])]})"
        )
    connection.execute(PREPARED)
    return connection


def questions(store: Store) -> list[Question]:
    """One for each named query that ``store`` can answer, in the catalogue's order."""
    pair = store.query("adversarial/pairs", limit=1).iloc[0]
    sides: dict[str, object] = {"original": int(pair.original), "derived": int(pair.derived)}
    clean: dict[str, object] = {"run": "clean"}
    neuron: dict[str, object] = {"neuron": int(store.query("pathways/hubs", **clean).neuron[50])}
    sample: dict[str, object] = {"sample": sides["original"]}
    pathway: dict[str, object] = {"pathway": int(store.query("pathways/of_sample", **sample).pathway[0])}
    maps = [int(number) for number in store.query("pathways/maps", **pathway, layers=[1])["map"]]
    drawn = store.graph("browse/categories", **clean)
    classes = sorted(key[1] for key in drawn if isinstance(key, tuple) and key[0] == "ClassPathway")
    one: dict[str, object] = {"class_pathway": classes[0]}
    asked = [
        Question("categories/shared_edges", clean, SHARED_EDGES),
        Question("categories/exclusive_edges", clean, EXCLUSIVE_EDGES),
        Question("categories/class_edges", clean, CLASS_EDGES),
        Question("categories/class_pathways", clean),
        Question("categories/schemes", {}),
        Question("categories/sharing", clean),
        Question("categories/shared_maps", clean),
        Question("categories/shared_neurons", clean, SHARED_NEURONS),
        Question("categories/similarity", clean, SIMILARITY),
        Question("categories/consistency", clean, CONSISTENCY),
        Question("adversarial/pairs", {}, PAIRS),
        Question("adversarial/divergence", sides, DIVERGENCE),
        Question("adversarial/first_diverging_layer", {}, FIRST),
        Question("adversarial/gained_edges", sides, GAINED),
        Question("adversarial/lost_edges", sides, LOST),
        Question("adversarial/class_similarity", {}, CLASS_SIMILARITY),
        Question("pathways/hubs", clean, HUBS),
        Question("pathways/through_neuron", neuron, THROUGH),
        Question("pathways/largest", sample, LARGEST),
        Question("pathways/largest_overlap", clean, OVERLAP),
        Question("pathways/counts", clean, COUNTS),
        Question("pathways/neurons", pathway, NEURONS),
        Question("pathways/maps", pathway),
        Question("maps/examples", {**clean, "map": maps[0]}),
        Question("pathways/of_run", clean, OF_RUN),
        Question("pathways/of_sample", sample, OF_SAMPLE),
        Question("pathways/samples", clean, SAMPLES),
        Question("pathways/coverage", clean),
        Question("pathways/edges", clean),
        Question("pathways/routes", clean, ROUTES),
        Question("pathways/layers", clean, "SELECT * FROM layers ORDER BY layer"),
        Question("runs/all", {}),
        Question("verdicts/all", {}),
        Question("browse/pathway", pathway, PATHWAY),
        Question("browse/class_pathway", one, CLASS_PATHWAY),
        Question("browse/class_maps", one),
        Question("browse/categories", clean),
        Question("browse/shared", clean),
        Question("browse/divergence", sides),
        Question("browse/through_neuron", neuron),
        Question("browse/routes", pathway),
        Question("browse/expand", {**neuron, **pathway}),
        Question("browse/sample", sample),
    ]
    order = {name: place for place, name in enumerate(queries.catalogue())}
    known = {name for name, query in queries.catalogue().items() if not query.needs_gds}
    assert known == {question.name for question in asked}, "every named query is asked"
    return sorted(asked, key=lambda question: order[question.name])
