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
    from xdist.workermanage import WorkerController

TOGETHER = (
    "tests/stores/contract/",
    "tests/server/",
    "tests/export/test_server.py",
    "tests/imports/test_real_summit.py",
    "tests/test_documents.py",
)
"""Their tests start a server, once a worker."""


DEAREST = (
    "neo4j",
    "tests/detect/test_digits.py",
    "tests/studies/test_lyu.py",
    "tests/stores/test_delete.py",
    "tests/verifying/test_toy.py",
    "tests/faults/test_loops.py",
    "tests/chance/test_significance.py",
    "tests/demo/test_demo.py",
    "tests/queries/test_answers.py",
)
"""Groups that take longest: sent first, so that no worker begins one when the others have done."""


class Groups(LoadScopeScheduling):
    """Sends whole groups of tests to workers, the dearest first, then those with most tests."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        dearest = next((group for group in DEAREST if group in self.workqueue), None)
        if dearest is not None:
            self.workqueue.move_to_end(dearest, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "neo4j" if file.startswith(TOGETHER) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups | None:
    """Ours, for ``--dist loadgroup``."""
    return Groups(config, log) if config.getvalue("dist") == "loadgroup" else None
