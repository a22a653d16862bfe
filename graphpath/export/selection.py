"""Which rows of a trace are one pathway's, and of its edges the strongest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from graphpath.errors import RecordError

if TYPE_CHECKING:
    from graphpath.record import Trace

LARGEST_RANK = 2**31 - 1
"""The column's type is int32."""


def select_rows(trace: Trace, pathway: int) -> pc.Expression:
    """The filter for rows of ``pathway``. Raises RecordError where the trace has no such pathway."""
    chosen = pc.field("pathway") == (pathway if abs(pathway) < 2**63 else -1)  # the column's type is int64
    if not trace.pathways().count_rows(filter=chosen):
        raise RecordError(f"{trace.path} has no pathway {pathway}; Trace.pathways() lists them.")
    return chosen


def select_strongest(chosen: pc.Expression, limit: int | None) -> pc.Expression:
    """The filter for the ``limit`` strongest of the edges that ``chosen`` filters; all of them if None."""
    return chosen if limit is None else chosen & (pc.field("rank") <= min(limit, LARGEST_RANK))
