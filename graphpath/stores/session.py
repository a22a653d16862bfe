"""What loading and deleting need of an engine: the seam between them and the engines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

RECORDED = {"FLOWS_TO": "edges", "VISITS": "visits", "STEP": "steps"}
"""Relationships that are the record's own rows: their counts must be those of run.json."""


class Session(Protocol):
    """A connection that may change the graph."""

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Run one statement and return its rows. Raises QueryFailed."""
        ...

    def read_column(self, text: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        """The first column of the rows of ``text``."""
        ...

    def export(self, text: str, batches: Iterable[Mapping[str, object]], path: Path) -> Path:
        """Write the rows of ``text`` for each of ``batches`` (its parameters) to the Parquet ``path``."""
        ...

    def copy(self, name: str, files: Iterable[Path], scratch: Path) -> Iterator[int]:
        """Append Parquet ``files`` to the label or relationship type ``name``, yielding rows as they go.

        Their columns are those of the schema by position, ends first.
        """
        ...

    def remove(
        self,
        pattern: str,
        variable: str,
        parameters: Mapping[str, object] | None = None,
        *,
        rows: int = 10_000,
    ) -> None:
        """Delete what ``variable`` is in every match of ``pattern``, nodes with their relationships.

        An engine with transactions commits after each ``rows`` matches.
        """
        ...

    def can_resume(self, run: str, plan: str) -> bool:
        """Whether an interrupted load of ``run`` by the same ``plan`` can be taken up."""
        ...

    def start(self, run: str, plan: str) -> None:
        """Begin or take up the load of ``run``; comes before ``copy``."""
        ...

    def tally(self, run: str) -> dict[str, int]:
        """How many relationships of each type in ``RECORDED`` were stored for ``run`` since it was begun."""
        ...

    def finish(self, run: str) -> None:
        """Mark ``run`` complete; nothing of the load but the graph is left."""
        ...
