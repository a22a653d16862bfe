"""A database that cannot write any more is said to be so, however the server words it."""

from __future__ import annotations

import pytest

neo4j = pytest.importorskip("neo4j")

from graphpath.errors import QueryFailed, StoreUnavailable  # noqa: E402
from graphpath.stores.neo4j.address import Address  # noqa: E402
from graphpath.stores.neo4j.failures import map_errors  # noqa: E402

HERE = Address.parse("bolt://localhost", user="neo4j", password="none", database="neo4j")


def fail_with(code: str, text: str) -> None:
    with map_errors(HERE):
        raise neo4j.exceptions.Neo4jError._hydrate_neo4j(code=f"Neo.DatabaseError.{code}", message=text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("Transaction.TransactionCommitFailed", "Unable to complete transaction."),
        ("Transaction.TransactionLogError", "Could not append transaction: #252 to log"),
        (
            "General.UnknownError",
            "The database has encountered a critical error, and needs to be restarted. "
            "Please see database logs for more details.",
        ),
    ],
)
def test_its_disk_is_asked_after(code: str, text: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"takes no transactions: .*is its disk full\?.* again"):
        fail_with(code, text)


def test_a_full_disk_that_is_named_is_named() -> None:
    with pytest.raises(StoreUnavailable, match=r"The disk of the server .* is full"):
        fail_with("General.UnknownError", "java.io.IOException: No space left on device")


def test_another_error_is_the_query_s() -> None:
    with pytest.raises(QueryFailed, match="refused the query: Division by zero"):
        fail_with("Statement.ExecutionFailed", "Division by zero")
