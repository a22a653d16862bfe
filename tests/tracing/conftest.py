"""What several files of tests of tracing start from."""

from __future__ import annotations

import pytest


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few edges, and no room for any that wait."""
    pytest.importorskip("torch")
    from graphpath.network import incoming
    from graphpath.tracing import sieve

    monkeypatch.setattr(sieve, "ROOM", 0)
    monkeypatch.setitem(incoming.CHUNK, "cpu", 2000)
