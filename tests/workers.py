"""With several workers (pytest -n) a file stays together, and so do all tests that ask the Neo4j server.

What a file's tests share is then made once. xdist's own groups are lost with pytest 9: they are part of a
test's id, which can no longer be changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

TOGETHER = (
    "tests/stores/contract/",
    "tests/server/",
    "tests/export/test_server.py",
    "tests/imports/test_real_summit.py",
    "tests/test_documents.py",
)
"""Their tests start a server, once a worker."""


class Groups(LoadScopeScheduling):
    """Sends whole groups of tests to workers, those with most tests first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "neo4j" if file.startswith(TOGETHER) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups | None:
    """Ours, for ``--dist loadgroup``."""
    return Groups(config, log) if config.getvalue("dist") == "loadgroup" else None
