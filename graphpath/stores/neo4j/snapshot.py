"""A store on a server as one piece of work sees it: its statements share a time limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from graphpath.errors import QueryFailed
from graphpath.stores.neo4j.failures import TooLargeError
from graphpath.stores.neo4j.session import PATIENCE, BoltSession

if TYPE_CHECKING:
    import pyarrow as pa

RUNS: Final = "MATCH (r:Run) RETURN r.id AS run, r.complete AS complete ORDER BY run"


class BoltSnapshot:
    """Statements through ``session``, which together may take ``timeout`` seconds."""

    dialect = "neo4j"

    def __init__(self, session: BoltSession, timeout: float | None = None) -> None:
        self._session, self._timeout = session, timeout
        self._end = None if timeout is None else time.monotonic() + timeout

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """See :meth:`graphpath.stores.base.StoreView.execute`."""
        try:
            return self._session.execute(text, parameters, timeout=self._remaining_seconds())
        except TooLargeError as error:
            raise QueryFailed(str(error)) from error

    def read_runs(self) -> list[tuple[str, bool]]:
        """Which runs there are, and whether they are complete."""
        rows = self._session.read_columns(RUNS)
        return list(zip(rows["run"], rows["complete"], strict=True))

    def _remaining_seconds(self) -> float:
        """Seconds for the next statement."""
        if self._end is None:
            return PATIENCE
        if (left := self._end - time.monotonic()) <= 0:
            raise QueryFailed(
                f"The query took longer than {self._timeout:g} seconds and was stopped: ask for less, or "
                "give it more time (timeout=, --timeout)."
            )
        return left
