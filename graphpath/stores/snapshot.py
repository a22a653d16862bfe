"""An embedded store at one moment: one connection to one state of its file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphpath.errors import QueryFailed
from graphpath.stores.engine import LadybugSession, TimedOutError

if TYPE_CHECKING:
    import pyarrow as pa


class Snapshot:
    """Statements on ``session``, which together may take ``timeout`` seconds (None: as long as they will)."""

    def __init__(self, session: LadybugSession, dialect: str, timeout: float | None = None) -> None:
        self.dialect, self._session, self._timeout = dialect, session, timeout
        self._end = None if timeout is None else time.monotonic() + timeout

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """See :meth:`graphpath.stores.base.StoreView.execute`."""
        if self._end is not None and self._end <= time.monotonic():
            raise self._explain_timeout()
        self._session.limit_seconds(None if self._end is None else self._end - time.monotonic())
        try:
            return self._session.execute(text, parameters)
        except TimedOutError as error:
            raise self._explain_timeout() from error

    def read_column(self, text: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        """The first column of the rows of ``text``."""
        return list(self.execute(text, parameters).column(0).to_pylist())

    def _explain_timeout(self) -> QueryFailed:
        return QueryFailed(
            f"The query took longer than {self._timeout:g} seconds and was stopped: ask for less, or give it "
            "more time (timeout=, --timeout)."
        )
