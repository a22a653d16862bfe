"""Which feature map is meant: by id, name ("features.0 [12]") or title ("conv 1 · map 12")."""

from __future__ import annotations

from typing import Any, Final

from graphpath.naming import RunSource
from graphpath.titles import SEPARATOR

MAPS: Final = """
MATCH (f:FeatureMap)-[:IN_LAYER]->(l:Layer), (r:Run)
WHERE r.id = $run AND l.model = r.model AND {which}
RETURN f.id AS map, f.channel AS channel, f.name AS name, l.number AS layer,
  coalesce(l.title, l.name) AS title, l.first_rows AS first_rows, l.last_rows AS last_rows,
  l.first_columns AS first_columns, l.last_columns AS last_columns
"""
INPUT: Final = """
MATCH (l:Layer), (r:Run) WHERE r.id = $run AND l.model = r.model AND l.number = 0
RETURN l.channels AS channels, l.height AS height, l.width AS width
"""


def read_input_shape(state: RunSource, run: str) -> tuple[int, int, int]:
    """The (C, H, W) of the images that ``run`` traced."""
    [row] = state.execute(INPUT, {"run": run}).to_pylist()
    return row["channels"], row["height"], row["width"]


def look_up_maps(state: RunSource, run: str, asked: int | str) -> list[dict[str, Any]]:
    """The feature map of the model of ``run`` that has the id, name or title ``asked``: a row or none.

    Its map, channel, name and layer, the layer's title, and the fields of the layer's neurons.
    """
    text = str(asked).strip()
    if text.isdecimal():
        return _read(state, "f.id = $map", run=run, map=int(text))
    if found := _read(state, "f.name = $name", run=run, name=text):
        return found
    layer, _, channel = text.rpartition(f"{SEPARATOR}map ")
    if not channel.isdecimal():
        return []
    which = "coalesce(l.title, l.name) = $layer AND f.channel = $channel"
    return _read(state, which, run=run, layer=layer, channel=int(channel))


def _read(state: RunSource, which: str, **parameters: object) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = state.execute(MAPS.format(which=which), parameters).to_pylist()
    return rows
