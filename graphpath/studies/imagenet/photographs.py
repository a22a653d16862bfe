"""Photographs of categories, evenly; and their pathways between feature maps."""

from __future__ import annotations

import numpy as np

from graphpath.data import BaseImages
from graphpath.data.rows import choose_balanced
from graphpath.record import Trace
from graphpath.studies.bench import Bench

ASKED = {"method": "channels", "routes": 0}
"""How photographs are traced: their neurons hardly meet, feature maps do."""


def choose_photographs(bench: Bench, count: int) -> BaseImages:
    """At most ``count`` test images of some category, as evenly from all categories as possible.

    The same in all units: groups of images are dealt from these.
    """
    kinds = bench.name_categories(bench.test)
    known = np.flatnonzero(kinds != "")
    numbers = np.unique(kinds[known], return_inverse=True)[1].astype(np.int32)
    return bench.test.subset(known[np.sort(choose_balanced(numbers, min(count, len(known)), 0))])


def trace_maps(bench: Bench, images: BaseImages) -> Trace:
    """The images' pathways between feature maps, loaded with their categories."""
    return bench.trace(images, **ASKED)
