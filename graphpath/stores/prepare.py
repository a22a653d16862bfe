"""A trace as the node and relationship files that an engine appends: DuckDB, out of core.

Every table below is SQL over the record's files and over what the store already holds; each result is a
Parquet file whose columns are in the order of :mod:`graphpath.schema`, ends first.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import RecordError, StoreError, StoreUnavailable
from graphpath.record import Trace
from graphpath.sql import connect, quote, read_parquet
from graphpath.stores.categories import Groups
from graphpath.stores.layers import describe_layers

MEMORY = 1 << 30
"""Bytes that DuckDB may hold when nobody says otherwise; beyond them it spills to disk."""


FULL = os.strerror(errno.ENOSPC)

NEURONS = """
SELECT v.neuron, v.layer, v.neuron - (v.neuron - l."offset") % (l.height * l.width) AS map
FROM (SELECT neuron, min(layer) AS layer FROM visits GROUP BY neuron) v JOIN layers l USING (layer)
"""
"""The layer and the feature map of each neuron that is visited."""


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


@dataclass
class LoadBuilder:
    """A DuckDB connection with the trace's tables as views, and the files made so far."""

    trace: Trace
    model: int
    directory: Path
    memory: int = MEMORY
    files: dict[str, list[Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = {
            "memory_limit": f"{self.memory >> 20}MiB",
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        }
        self._connection = connect(
            settings, self.directory / "prepare.duckdb", spill=self.directory / "spill"
        )
        for name in self.trace.counts:
            if files := self.trace.files(name):
                self.add_view(name, files)

    def add_view(self, name: str, files: Sequence[Path]) -> None:
        """Let SQL read Parquet ``files`` as ``name``."""
        self.run(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {read_parquet(files)}")

    def add_table(self, name: str, sql: str) -> None:
        """Keep the rows of ``sql`` as table ``name``."""
        self.run(f"CREATE OR REPLACE TABLE {name} AS {sql}")

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of ``sql``. Raises RecordError when a file of the trace cannot be read."""
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        except duckdb.OutOfMemoryException as error:
            raise StoreError(
                f"Loading {self.trace.path} does not fit in {self.memory >> 20} MiB: open the store with "
                "more memory (memory_bytes=...)."
            ) from error
        except duckdb.IOException as error:
            if FULL not in str(error):
                raise RecordError(f"{self.trace.path} cannot be loaded: {_first_line(error)}") from error
            raise StoreUnavailable(
                f"What is made of {self.trace.path} needs more room in {self.directory.parent} ({FULL}). "
                "Nothing was changed: make some and run the same command again."
            ) from error
        except duckdb.Error as error:
            raise RecordError(f"{self.trace.path} cannot be loaded: {_first_line(error)}") from error
        return rows

    def fill(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add ``rows`` to table ``name``."""
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            self._connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)

    def append(self, name: str, columns: dict[str, npt.NDArray[np.int64]]) -> None:
        """Add rows, given as columns in the order of the table's, to table ``name``."""
        self._connection.register("appended", pa.table(columns))
        self._connection.execute(f"INSERT INTO {name} SELECT * FROM appended")
        self._connection.unregister("appended")

    def read_columns(self, sql: str) -> dict[str, npt.NDArray[np.generic]]:
        """The rows of ``sql``, which has no nulls, as columns."""
        try:
            found: dict[str, npt.NDArray[np.generic]] = self._connection.execute(sql).fetchnumpy()
        except duckdb.Error as error:
            raise RecordError(f"{self.trace.path} cannot be read: {_first_line(error)}") from error
        return found

    def write(self, name: str, sql: str) -> None:
        """Write the rows of ``sql`` as one more file of the graph's ``name``; none when there are no rows."""
        made = self.files.setdefault(name, [])
        path = self.directory / f"{name}-{len(made)}.parquet"
        self.run(f"COPY ({sql}) TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
        if pq.read_metadata(path).num_rows:
            made.append(path)

    def use(self, name: str, files: Sequence[Path]) -> None:
        """Let the record's own ``files`` be those of the graph's ``name``: their columns already agree."""
        self.files.setdefault(name, []).extend(files)

    def close(self) -> None:
        self._connection.close()


def prepare(builder: LoadBuilder, run: dict[str, object], *, new_model: bool) -> None:
    """Make every file that is no roll-up. Views ``known_*`` have the ids that are stored already."""
    build_facts(builder, str(run["id"]))
    build_map_edges(builder)
    _write_network(builder, new_model)
    for name, sql in _select_nodes(str(run["id"])).items():
        builder.write(name, sql)
    for name, sql in _select_relationships(str(run["id"]), builder.model).items():
        builder.write(name, sql)
    builder.use("FLOWS_TO", builder.trace.files("edges"))
    builder.use("VISITS", builder.trace.files("visits"))
    builder.use("STEP", builder.trace.files("steps"))


def add_groups(builder: LoadBuilder, groups: Groups) -> None:
    """The table ``groups``: scheme, class, category."""
    builder.run("CREATE OR REPLACE TABLE groups (scheme VARCHAR, class BIGINT, category BIGINT)")
    builder.fill("groups", groups.rows)
    builder.run("CREATE OR REPLACE TABLE new_groups (id BIGINT, scheme VARCHAR, label INTEGER, name VARCHAR)")
    builder.fill("new_groups", groups.nodes)
    builder.run("CREATE OR REPLACE TABLE new_links (class BIGINT, category BIGINT)")
    builder.fill("new_links", groups.links)


def build_facts(builder: LoadBuilder, run: str) -> None:
    """Tables that many statements need: pathways' samples and categories, neurons' maps, maps' names."""
    builder.add_table("labels", "SELECT label, min(category) AS category FROM categories GROUP BY label")
    builder.add_table(
        "first",
        """SELECT sample, category, c.name AS predicted, confidence
        FROM predictions JOIN categories c USING (category) WHERE rank = 1""",
    )
    builder.add_table(
        "facts",
        f"""SELECT p.*, {quote(run)} AS run, t.category, s.label, s.variant, q.predicted, q.confidence,
            l.category AS label_category, q.category AS predicted_category,
            coalesce(q.category = l.category, false) AS correct
        FROM pathways p JOIN samples s USING (sample)
        LEFT JOIN labels t ON t.label = p.target
        LEFT JOIN labels l ON l.label = s.label
        LEFT JOIN first q ON q.sample = p.sample""",
    )
    builder.add_table("neurons", NEURONS)
    named = builder.trace.files("maps")
    own = "SELECT map, name FROM maps" if named else "SELECT 0::BIGINT AS map, '' AS name WHERE false"
    builder.add_table(
        "called",
        f"""WITH every AS (
            SELECT "offset" + c * height * width AS map, name || ' [' || c || ']' AS name
            FROM layers, LATERAL (SELECT unnest(range(channels)) AS c))
        SELECT e.map, coalesce(o.name, e.name) AS name FROM every e LEFT JOIN ({own}) o USING (map)""",
    )


def build_map_edges(builder: LoadBuilder) -> None:
    """Make the tables ``map_edges`` of the trace, which needs ``neurons``, and ``map_counts`` by pathway."""
    builder.add_table("map_edges", select_map_edges(has_maps=bool(builder.trace.files("channels"))))
    builder.add_table(
        "map_counts",
        """SELECT pathway, count(e.pathway) AS map_edges
        FROM pathways LEFT JOIN map_edges e USING (pathway) GROUP BY pathway""",
    )


def select_map_edges(*, has_maps: bool) -> str:
    """SQL for each pathway's edges between feature maps: source, target, pathway, layer, flow, score, weight.

    They are the sums of its edges between neurons, and the whole edges between maps where a run recorded
    these (``has_maps``, method ``channels``). ``weight`` is the sum of the absolute scores.
    """
    between = """SELECT a.map AS source, b.map AS target, e.pathway, e.layer, e.flow, e.score
        FROM edges e JOIN neurons a ON a.neuron = e.source JOIN neurons b ON b.neuron = e.target"""
    if has_maps:
        between += " UNION ALL SELECT source, target, pathway, layer, flow, score FROM channels"
    return f"""SELECT source, target, pathway, min(layer) AS layer, sum(flow::DOUBLE) AS flow,
            sum(score::DOUBLE) AS score, sum(abs(score::DOUBLE)) AS weight
        FROM ({between}) GROUP BY source, target, pathway"""


def _write_network(builder: LoadBuilder, new_model: bool) -> None:
    """The network itself, which the runs of a model share."""
    if not new_model:
        return
    described = builder.directory / "described.parquet"
    pq.write_table(describe_layers(builder.trace), described)
    builder.add_view("described", [described])
    builder.write(
        "Layer",
        f"""SELECT "offset", {builder.model}::BIGINT, layer, name, kind, channels, height, width, possible,
            possible_maps, title, first_rows, last_rows, first_columns, last_columns
        FROM layers JOIN described USING (layer)
            LEFT JOIN ({_count_possible(builder)}) USING (layer)
            LEFT JOIN ({_count_possible_maps(builder)}) USING (layer)""",
    )
    builder.write(
        "FeatureMap",
        f"""SELECT map, {builder.model}::BIGINT, layer, c::INTEGER, k.name
        FROM layers, LATERAL (SELECT unnest(range(channels)) AS c), called k
        WHERE k.map = "offset" + c * height * width""",
    )
    builder.write("PART_OF", f"""SELECT "offset", {builder.model}::BIGINT FROM layers""")
    builder.write(
        "IN_LAYER",
        """SELECT "offset" + c * height * width, "offset"
        FROM layers, LATERAL (SELECT unnest(range(channels)) AS c)""",
    )


def _count_possible(builder: LoadBuilder) -> str:
    """How many edges the network can have into each layer; nothing where the trace does not say."""
    if not builder.trace.files("reach"):
        return "SELECT NULL::INTEGER AS layer, NULL::BIGINT AS possible WHERE false"
    return """WITH axes AS (
            SELECT layer, source_layer, term, axis, sum(to_count::BIGINT * from_count) AS cells
            FROM reach GROUP BY ALL
        ), terms AS (
            SELECT layer, max(cells) FILTER (axis = 'channel') * max(cells) FILTER (axis = 'y')
                * max(cells) FILTER (axis = 'x') AS pairs
            FROM axes GROUP BY layer, source_layer, term)
        SELECT layer, coalesce(sum(pairs), 0)::BIGINT AS possible
        FROM layers LEFT JOIN terms USING (layer) GROUP BY layer"""


def _count_possible_maps(builder: LoadBuilder) -> str:
    """How many edges between feature maps the network can have into each layer; nothing as above.

    Terms and rectangles of different places may join the same two maps, which count once: of each map and
    source layer the rectangles' source channels are united, running over them in order.
    """
    if not builder.trace.files("reach"):
        return "SELECT NULL::INTEGER AS layer, NULL::BIGINT AS possible_maps WHERE false"
    return """WITH spans AS (
            SELECT DISTINCT layer, source_layer, unnest(range(to_first, to_first + to_count)) AS map,
                from_first AS first, from_first + from_count AS stop
            FROM reach WHERE axis = 'channel'
        ), ordered AS (
            SELECT layer, first, stop, max(stop) OVER (PARTITION BY layer, source_layer, map
                ORDER BY first, stop ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
            FROM spans
        ), counted AS (
            SELECT layer, sum(greatest(stop - greatest(first, coalesce(before, first)), 0)) AS maps
            FROM ordered GROUP BY layer)
        SELECT layer, coalesce(maps, 0)::BIGINT AS possible_maps
        FROM layers LEFT JOIN counted USING (layer)"""


def _select_nodes(run: str) -> dict[str, str]:
    return {
        "Neuron": """SELECT neuron, (SELECT min("offset") FROM layers), layer, channel::INTEGER, y::INTEGER,
                x::INTEGER, name || CASE WHEN plane = 1 THEN '' ELSE ' ' || y || ',' || x END
            FROM (SELECT n.neuron, n.layer, k.name, l.height * l.width AS plane,
                    (n.neuron - l."offset") // (l.height * l.width) AS channel,
                    (n.neuron - l."offset") % (l.height * l.width) // l.width AS y,
                    (n.neuron - l."offset") % l.width AS x
                FROM neurons n JOIN layers l USING (layer) JOIN called k USING (map)
                ANTI JOIN known_neurons o ON o.id = n.neuron)
            ORDER BY neuron""",
        "Category": """SELECT category, scheme, label, name FROM categories
            ANTI JOIN known_categories k ON k.id = category
            UNION ALL SELECT id, scheme, label, name FROM new_groups""",
        "Sample": """SELECT sample, dataset, split, "index", label, variant, parent, detail,
                json_extract_string(detail, '$.attack'),
                TRY_CAST(json_extract_string(detail, '$.epsilon') AS DOUBLE), c.name, q.predicted,
                q.confidence, q.category = l.category
            FROM samples s ANTI JOIN known_samples k ON k.id = s.sample
            LEFT JOIN first q USING (sample) LEFT JOIN labels l USING (label)
            LEFT JOIN categories c ON c.category = l.category""",
        "Pathway": """SELECT pathway, run, sample, target, origin, neurons, edges, map_edges,
                coverage, logit, bias, category, label, variant, correct, predicted, confidence
            FROM facts JOIN map_counts USING (pathway) ORDER BY pathway""",
        "Route": f"""SELECT route, {quote(run)}, pathway, rank, sign::INTEGER, log10_abs
            FROM routes ORDER BY route""",
    }


def _select_relationships(run: str, model: int) -> dict[str, str]:
    new = "samples s ANTI JOIN known_samples k ON k.id = s.sample"
    return {
        "IN_MAP": "SELECT neuron, map FROM neurons ANTI JOIN known_neurons k ON k.id = neuron",
        "TRACED": f"SELECT {quote(run)}, {model}::BIGINT",
        "FROM_RUN": "SELECT pathway, run FROM facts",
        "OF_SAMPLE": "SELECT pathway, sample FROM facts",
        "IN_CATEGORY": "SELECT class, category FROM new_links",
        "LABELLED": f"SELECT s.sample, l.category FROM (SELECT * FROM {new}) s JOIN labels l USING (label)",
        # A parent and its child may come in different traces, in either order.
        "DERIVED_FROM": """WITH everyone AS (
                SELECT sample AS id, parent, variant, detail FROM samples
                UNION SELECT id, parent, variant, detail FROM stored_samples)
            SELECT c.id, c.parent, c.variant, json_extract_string(c.detail, '$.attack'),
                TRY_CAST(json_extract_string(c.detail, '$.epsilon') AS DOUBLE), c.detail
            FROM everyone c SEMI JOIN everyone p ON p.id = c.parent
            ANTI JOIN known_derived k ON k.id = c.id""",
        "PREDICTED": f"SELECT sample, category, {quote(run)}, rank, logit, confidence FROM predictions",
        "OF_PATHWAY": "SELECT route, pathway FROM routes",
        "VISITS_MAP": """SELECT pathway, map, count(*), sum(score::DOUBLE)
            FROM visits JOIN neurons USING (neuron) GROUP BY pathway, map""",
    }
