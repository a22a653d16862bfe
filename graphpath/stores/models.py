"""The models in a store: their layers, runs and samples, for those who run the network again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MODELS = "MATCH (m:Model) RETURN m.id AS id, m.name AS name, m.sha256 AS sha256 ORDER BY id"
LAYERS = """
MATCH (l:Layer) WHERE l.model = $model
RETURN l.name AS name, l.channels AS channels, l.height AS height, l.width AS width
ORDER BY l.number
"""
RUNS = "MATCH (r:Run) WHERE r.model = $model AND r.complete RETURN r.id AS run ORDER BY run"
PATHWAYS = """
MATCH (p:Pathway) WHERE p.run IN $runs
RETURN p.id AS pathway, p.run AS run, p.sample AS sample ORDER BY pathway
"""


class Executor(Protocol):
    """The part of a store that these functions need."""

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table: ...


def read_models(store: Executor) -> list[dict[str, Any]]:
    """The models that the store holds: id (of the first neuron), name, sha256 of the weights."""
    return list(store.execute(MODELS).to_pylist())


def read_layers(store: Executor, model: int) -> list[tuple[str, tuple[int, int, int]]]:
    """The layers of a model: name, and (channels, height, width)."""
    rows = store.execute(LAYERS, {"model": model}).to_pylist()
    return [(row["name"], (row["channels"], row["height"], row["width"])) for row in rows]


def read_runs(store: Executor, model: int) -> list[str]:
    """The complete runs of a model."""
    return list(store.execute(RUNS, {"model": model})["run"].to_pylist())


def read_pathways(store: Executor, runs: list[str]) -> pd.DataFrame:
    """The pathways of runs: pathway, run, sample."""
    frame: pd.DataFrame = store.execute(PATHWAYS, {"runs": runs}).to_pandas()
    return frame
