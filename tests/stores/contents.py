"""All that a store holds, as data frames to compare."""

from __future__ import annotations

import numpy as np
import pandas as pd

from graphpath.schema import NODE, NODES, RELATIONSHIPS
from graphpath.stores import Store

TIMES = ("Run.loaded",)
"""Properties that say when something was done."""
FLOATS = ("DOUBLE", "FLOAT")


def contents(store: Store, *, without: tuple[str, ...] = ()) -> dict[str, pd.DataFrame]:
    """Every node and relationship with all properties, in an order of their keys."""
    found = {}
    for node in NODES:
        names = [name for name in node.properties if f"{node.label}.{name}" not in (*without, *TIMES)]
        returned = ", ".join(f"n.{name} AS {name}" for name in names)
        rows = store.execute(f"MATCH (n:{node.label}) RETURN {returned}").to_pandas()
        found[node.label] = _sorted(rows, {name: node.properties[name] for name in names})
    for relation in RELATIONSHIPS:
        returned = ", ".join(f"r.{name} AS {name}" for name in relation.properties)
        ends = f"a.{NODE[relation.source].key} AS start, b.{NODE[relation.target].key} AS stop"
        text = f"MATCH (a:{relation.source})-[r:{relation.name}]->(b:{relation.target}) RETURN {ends}"
        rows = store.execute(text + (f", {returned}" if returned else "")).to_pandas()
        found[relation.name] = _sorted(rows, {"start": "INT64", "stop": "INT64", **relation.properties})
    return found


def _sorted(rows: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    for name, kind in kinds.items():  # a column of nothing has no type of its own
        if kind not in ("STRING", "BOOL", "INT64[]") and name in rows and rows[name].dtype == object:
            rows[name] = rows[name].astype("float64")
        elif kind in ("STRING", "INT64[]") and name in rows:
            rows[name] = rows[name].astype("str")
    keys = [name for name, kind in kinds.items() if kind not in FLOATS]
    return rows.sort_values(keys, kind="stable").reset_index(drop=True)


def assert_same(
    left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame], *, exact: bool = False
) -> None:
    """Equal contents; sums of floats, taken in any order, to 1e-9 unless ``exact``."""
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(
            left[name], right[name], check_exact=exact, rtol=1e-9, atol=1e-12, obj=name, check_dtype=False
        ) if not exact else pd.testing.assert_frame_equal(left[name], right[name], obj=name)


def frame(store: Store, text: str, **parameters: object) -> pd.DataFrame:
    """The rows of a trusted query."""
    return store.execute(text, parameters).to_pandas()


def close(left: object, right: object) -> bool:
    return bool(np.allclose(np.asarray(left, float), np.asarray(right, float), rtol=1e-6, atol=1e-9))
