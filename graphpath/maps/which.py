"""Which feature map is meant, and what the neurons of its layer see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from graphpath.errors import QueryParameterError, StoreError
from graphpath.stores import Store
from graphpath.stores.maps import look_up_maps, read_input_shape
from graphpath.titles import name_map

ENDS: Final = ("first_rows", "last_rows", "first_columns", "last_columns")


@dataclass(frozen=True)
class MapFields:
    """A feature map, and the rows and columns of the image that its layer's neurons see.

    ``ends`` are the properties ``ENDS`` of the layer, ``shape`` (C, H, W) is that of the images. ``title`` is
    such as "block 4 · conv 2 · map 37".
    """

    map: int
    title: str
    ends: tuple[npt.NDArray[np.int64], ...]
    shape: tuple[int, int, int]

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the largest field of the layer."""
        first_row, last_row, first_column, last_column = self.ends
        return int((last_row - first_row).max()) + 1, int((last_column - first_column).max()) + 1


def find_map(store: Store, run: str, asked: int | str) -> MapFields:
    """The feature map ``asked`` of the model of ``run``: its id, its name ("features.0 [12]") or its title.

    Raises:
        QueryParameterError: there is no such map.
        StoreError: the store does not say what its neurons see.
    """
    found = look_up_maps(store, run, asked)
    if not found:
        raise QueryParameterError(
            f"The network of run {run} has no feature map {asked!r}: give its id, its name or its title "
            "(graphpath query pathways/maps lists a pathway's)."
        )
    row = found[0]
    if any(row[end] is None for end in ENDS):
        raise StoreError(
            f"The store does not know which pixels the neurons of {row['title']} see: its traces are of "
            "before that was recorded, or imported. Trace anew and load that."
        )
    title = name_map(row["title"], row["channel"])
    ends = (np.array(row[end], np.int64) for end in ENDS)
    return MapFields(row["map"], title, tuple(ends), read_input_shape(store, run))
