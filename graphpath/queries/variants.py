"""The samples that a query is about by default: the originals, or a run's only variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from graphpath.errors import QueryParameterError
from graphpath.queries.files import Query
from graphpath.spoken import format_argument

ORIGINAL: Final = "original"
VARIANT: Final = "variant"
NOTES: Final = "notes"
"""Under this name a frame's ``attrs`` say, a sentence each, what was taken where nothing was given."""


def is_variant_open(query: Query, given: Mapping[str, object]) -> bool:
    """Whether no variant was named, so that the originals of a run are the default."""
    parameter = query.parameters.get(VARIANT)
    open_ = parameter is not None and parameter.default == ORIGINAL and VARIANT not in given
    return open_ and "run" in query.parameters


def choose_variant(query: str, run: str, present: Sequence[str]) -> tuple[str, list[str]]:
    """The variant of a query among those that ``run`` ("run 'a'") has, and notes on the choice.

    Raises QueryParameterError where it holds several, and no originals.
    """
    others = ", ".join(name for name in present if name != ORIGINAL)
    if ORIGINAL in present or not present:
        left = f"Of {run} the originals were taken; it also holds {format_argument(VARIANT, others)}."
        return ORIGINAL, [left] if others else []
    if len(present) == 1:
        return present[0], [
            f"There are no originals in {run}: {format_argument(VARIANT, present[0])} was taken."
        ]
    raise QueryParameterError(
        f"{query} needs {format_argument(VARIANT)}: there are no originals in {run}, but samples of several "
        f"variants: {others}."
    )
