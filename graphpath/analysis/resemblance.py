"""How much of a trace's pathways lies on class pathways that a store holds, without loading the trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graphpath.analysis.grouping import group_samples, read_grouping
from graphpath.analysis.tables import open_views, select_edges
from graphpath.classes import CLASSES
from graphpath.queries import query_all
from graphpath.queries.limits import LIMITS, REACHED
from graphpath.queries.units import MAP, NEURON
from graphpath.sql import read_parquet
from graphpath.stores.comparing import own_edges, select_compared
from graphpath.stores.existing import MAP_EDGE, NEURON_EDGE, split_ranges
from graphpath.stores.families import select_families

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.record import Trace
    from graphpath.stores.base import Store

EDGE_COLUMNS = pa.schema(
    [("pathway", pa.int64()), ("source", pa.int64()), ("target", pa.int64()), ("weight", pa.float64())]
)

WEIGHED = {NEURON: NEURON_EDGE, MAP: MAP_EDGE}
CLASS_EDGES = (
    """(SELECT label, source, target, layer, support, min_support, sum AS weight FROM class_edges)"""
)
SUMS = "(SELECT label, layer, count(*) AS edges, sum(sum) AS weight FROM class_edges GROUP BY ALL)"
MINE = "compared_edges"

COMPARED = f"""
WITH asked AS (
    SELECT * FROM predicted WHERE prediction <= 2 AND label IN (SELECT label FROM class_edges)
), compared AS (
    SELECT a.pathway, a.sample, a.prediction, a.name, unnest([c.layer, -1]) AS layer, c.edges, c.shared,
        c.least, c.most
    FROM asked a JOIN ({select_compared("label", "asked", MINE, CLASS_EDGES, SUMS)}) c USING (pathway, label)
)
SELECT pathway, sample, layer, coalesce(sum(edges) FILTER (prediction = 1),
        sum(edges) FILTER (prediction = 2))::BIGINT AS edges,
    max(name) FILTER (prediction = 1) AS first, max(name) FILTER (prediction = 2) AS second,
    sum(shared) FILTER (prediction = 1) / nullif(sum(edges) FILTER (prediction = 1), 0) AS in_first,
    sum(shared) FILTER (prediction = 2) / nullif(sum(edges) FILTER (prediction = 2), 0) AS in_second,
    sum(least) FILTER (prediction = 1) / nullif(sum(most) FILTER (prediction = 1), 0) AS weighted_first,
    sum(least) FILTER (prediction = 2) / nullif(sum(most) FILTER (prediction = 2), 0) AS weighted_second
FROM compared GROUP BY pathway, sample, layer ORDER BY pathway, layer
"""

OUTSIDE = f"""
WITH asked AS (
    SELECT pathway, sample, family, label FROM predicted
    WHERE prediction = 1 AND (len($samples) = 0 OR list_contains($samples, sample))
), held AS (
    SELECT a.pathway, e.source, e.target, list_sort(list(DISTINCT c.category)) AS classes,
        bool_or(c.label = a.label) AS inside
    FROM {MINE} e JOIN asked a USING (pathway) JOIN class_edges c USING (source, target)
    ANTI JOIN (SELECT * FROM own WHERE NOT stays) o ON o.label = c.label AND o.family = a.family
        AND o.source = c.source AND o.target = c.target
    GROUP BY a.pathway, e.source, e.target
)
SELECT a.sample, e.layer, e.source, e.target, s.name AS source_name, t.name AS target_name, e.flow, e.score,
    coalesce(h.classes, []) AS classes
FROM {MINE} e JOIN asked a USING (pathway) LEFT JOIN held h USING (pathway, source, target)
JOIN named s ON s.neuron = e.source JOIN named t ON t.neuron = e.target
WHERE NOT coalesce(h.inside, false)
QUALIFY row_number() OVER (PARTITION BY a.sample ORDER BY abs(e.score) DESC, e.layer, e.source, e.target)
    <= $limit
ORDER BY a.sample, abs(e.score) DESC, e.layer, e.source, e.target
"""

PREDICTED = """
CREATE TEMP TABLE predicted AS
SELECT pathway, sample, family, label, name,
    row_number() OVER (PARTITION BY pathway ORDER BY best) AS prediction
FROM (SELECT p.pathway, p.sample, f.family, g.key AS label, g.name, min(q.rank) AS best
    FROM pathways p JOIN families f USING (sample) JOIN predictions q USING (sample)
    JOIN grouping g USING (category) GROUP BY ALL)
"""
"""The categories of each pathway's sample, in the order of their first predictions."""

OWN = own_edges("label", "members", "member_edges", CLASS_EDGES)
PARENTS = "MATCH (s:Sample) RETURN s.id AS sample, s.parent AS parent"

NAMED = f"""
CREATE VIEW named AS
SELECT n.neuron, l.name || ' [' || (n.neuron - l."offset") // plane || ']' || CASE
    WHEN plane = 1 OR {{are_maps}} THEN ''
    ELSE ' ' || (n.neuron - l."offset") % plane // l.width || ',' || (n.neuron - l."offset") % l.width END
    AS name
FROM (SELECT source AS neuron FROM {MINE} UNION SELECT target FROM {MINE}) n
JOIN (SELECT *, height * width AS plane FROM layers) l
    ON n.neuron >= l."offset" AND n.neuron < l."offset" + l.channels::BIGINT * l.plane
"""


def resemblance(
    store: Store,
    trace: Trace | str | Path,
    reference: str,
    *,
    scheme: str = CLASSES,
    unit: str = NEURON,
    memory: str | None = None,
) -> pd.DataFrame:
    """The share of each of the trace's pathways that lies on the class pathways of its first two predictions.

    The same as the named query ``adversarial/class_similarity`` with the run ``reference``, for a trace that
    is not in the store: columns pathway, sample, layer (-1 = all), edges, first, second, in_first, in_second,
    weighted_first, weighted_second. Samples of a class that derive from one original with the pathway's own
    (itself, its parent, siblings) are left out of it first. There are rows for classes whose pathway has
    edges. ``scheme`` is of the categories; "classes": each class is one. ``unit`` "map" is
    between feature maps instead of neurons. The store is only read.

    Raises:
        RunNotFound: the reference is not in the store.
        RecordError: the trace is damaged or unfinished.
    """
    grouping = read_grouping(store, scheme)
    labels = _read_labels(trace, grouping, memory)
    classes = read_class_edges(store, reference, labels, scheme, unit)
    with (
        open_views(trace, memory) as connection,
        _make_tables(store, connection, reference, classes, grouping, scheme, unit),
    ):
        frame: pd.DataFrame = connection.execute(COMPARED).df()
    return frame


def outside_class(
    store: Store,
    trace: Trace | str | Path,
    reference: str,
    samples: Sequence[int] = (),
    *,
    scheme: str = CLASSES,
    unit: str = NEURON,
    limit: int = 1000,
) -> pd.DataFrame:
    """The edges of pathways that the class pathways of their predictions lack, strongest |score| first.

    The samples that derive from one original with the pathway's own are left out of the classes first. At
    most ``limit`` for each sample (all of the trace, unless ``samples`` says which); ``attrs`` say whether
    one has more, as of ``store.query``. Columns sample,
    layer, source, target, source_name, target_name, flow, score, classes (those of the run ``reference`` on
    whose class pathways the edge lies). With ``unit`` "map" edges, and so their ends, are of feature maps.

    Raises: as ``resemblance``.
    """
    classes = read_class_edges(store, reference, scheme=scheme, unit=unit)
    grouping = read_grouping(store, scheme)
    with (
        open_views(trace) as connection,
        _make_tables(store, connection, reference, classes, grouping, scheme, unit),
    ):
        connection.execute(NAMED.format(are_maps=unit == MAP))
        asked = {"samples": [int(sample) for sample in samples], "limit": limit + 1}
        frame: pd.DataFrame = connection.execute(OUTSIDE, asked).df()
    place = frame.groupby("sample").cumcount()
    reached = bool((place >= limit).any())
    frame = frame[place < limit].reset_index(drop=True)
    frame.attrs.update({REACHED: reached, LIMITS: {"limit": limit} if reached else {}})
    frame["classes"] = [list(names) for names in frame["classes"]]
    return frame


def read_class_edges(
    store: Store,
    reference: str,
    labels: list[int] | None = None,
    scheme: str = CLASSES,
    unit: str = NEURON,
) -> pd.DataFrame:
    """The class pathways' edges, with ``sum``, the |score| of all samples together."""
    asked = {"run": reference, "labels": labels or [], "scheme": scheme, "unit": unit}
    found = query_all(store, "categories/class_edges", **asked)
    return found.assign(sum=found.weight * found.samples)


def read_members(store: Store, reference: str, scheme: str = CLASSES) -> pd.DataFrame:
    """The samples behind the class pathways of originals: sample, label (of the category), pathway, edges."""
    samples = query_all(store, "pathways/of_run", run=reference, variants=["original"])
    samples = group_samples(store, store.find_run(reference), samples, scheme)
    key = samples.label_key
    belongs = (key >= 0) & (key == samples.target_key) & (key == samples.predicted_key)
    return samples.assign(label=key).loc[belongs, ["sample", "label", "pathway", "edges"]]


@contextmanager
def _make_tables(
    store: Store,
    connection: Any,
    reference: str,
    classes: pd.DataFrame,
    grouping: pd.DataFrame,
    scheme: str,
    unit: str,
) -> Iterator[None]:
    """Tables of ``connection``: the trace's ``compared_edges``; ``class_edges``; ``families`` of the trace's
    samples; ``predicted``, their categories; and ``own``, what each family's members give to the classes.
    """
    connection.execute(f"CREATE TEMP VIEW {MINE} AS {select_edges(connection, unit)}")
    connection.register("class_edges", classes)
    connection.register("grouping", grouping)
    connection.register("parents", store.execute(PARENTS, {}))
    connection.register("every_member", read_members(store, reference, scheme))
    everyone = select_families("SELECT sample, parent FROM samples UNION SELECT sample, parent FROM parents")
    connection.execute(f"CREATE TEMP TABLE families AS {everyone}")
    connection.execute(PREDICTED)
    connection.execute(
        """CREATE TEMP TABLE members AS
        SELECT m.*, f.family FROM every_member m JOIN families f USING (sample)
        WHERE f.family IN (SELECT family FROM samples JOIN families USING (sample))
            AND m.label IN (SELECT label FROM class_edges)"""
    )
    with TemporaryDirectory() as folder:
        found = connection.execute("SELECT pathway, edges FROM members").fetchnumpy()
        file = _read_edges(store, pa.table(dict(found)), Path(folder), unit)
        connection.execute(f"CREATE VIEW member_edges AS SELECT * FROM {read_parquet([file])}")
        connection.execute(f"CREATE TEMP TABLE own AS {OWN}")
        yield


def _read_edges(store: Store, pathways: pa.Table, folder: Path, unit: str) -> Path:
    """The stored edges of ``pathways``, as a file: read from the store some at a time."""
    file = folder / "edges.parquet"
    wanted = pathways["pathway"].combine_chunks()
    with pq.ParquetWriter(file, EDGE_COLUMNS) as writer:
        for some in split_ranges(pathways):
            found = store.execute(WEIGHED[unit], some)
            kept = found.filter(pc.is_in(found["pathway"], value_set=wanted))
            writer.write_table(kept.select(EDGE_COLUMNS.names).cast(EDGE_COLUMNS))
    return file


def _read_labels(trace: Trace | str | Path, grouping: pd.DataFrame, memory: str | None) -> list[int]:
    """The numbers of the categories that the predictions of all samples are of."""
    with open_views(trace, memory) as connection:
        connection.register("grouping", grouping)
        rows = connection.execute(
            "SELECT DISTINCT key FROM predictions JOIN grouping USING (category)"
        ).fetchall()
    return sorted(key for (key,) in rows)
