"""The driver's errors, each as one of graphpath's with one sentence and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Final

from neo4j import exceptions as bolt

from graphpath.errors import GraphpathError, QueryFailed, StoreError, StoreUnavailable
from graphpath.stores.neo4j.address import VARIABLES, Address

MEMORY: Final = ("MemoryPoolOutOfMemory", "OutOfMemoryError", "StackOverFlow")
FULL: Final = ("no space left", "disk is full", "not enough space", "insufficient disk")
GONE: Final = (
    "DatabaseUnavailable",
    "NotALeader",
    "TransactionLogError",
    "TransactionCommitFailed",
    "ReadOnly",
)
PANIC: Final = "critical error, and needs to be restarted"
"""What a database answers after it could not write, under the code of an unknown error."""
SAID: Final = 200
"""Characters of a server's own words that are passed on where it may say very much."""


class TooLargeError(StoreError):
    """A transaction did not fit in the server's memory; a smaller one may."""


class UnreachableError(StoreUnavailable):
    """The server does not answer."""


@contextmanager
def explain_resumption(address: Address, doing: str) -> Iterator[None]:
    """Say of a server that stops answering within the block that ``doing`` goes on when it is back."""
    try:
        yield
    except UnreachableError as error:
        cause = error.__cause__ or error
        raise StoreUnavailable(
            f"The server at {address.uri} went away while {doing} ({_find_reason(cause)}). What it stored "
            "until then is kept: start it again and give the same command, which goes on from there."
        ) from error


@contextmanager
def map_errors(address: Address, timeout: float | None = None) -> Iterator[None]:
    """Raise what the driver raises within the block as one of graphpath's errors."""
    try:
        yield
    except GraphpathError:
        raise
    except bolt.Neo4jError as error:
        raise _map_server_error(error, address, timeout) from error
    except (bolt.DriverError, OSError) as error:
        raise _map_driver_error(error, address) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise QueryFailed(f"A parameter cannot be sent to the server: {first_line(error)}") from error


def is_memory_error(error: bolt.Neo4jError) -> bool:
    """Whether a transaction was larger than the server's memory for it."""
    return any(word in (error.code or "") for word in MEMORY)


def build_too_large(address: Address) -> TooLargeError:
    """The error to raise then."""
    return TooLargeError(
        f"The server at {address.uri} ran out of memory for a transaction: ask for less, or give it more "
        "(server.memory.heap.max_size, dbms.memory.transaction.total.max)."
    )


def _map_server_error(error: bolt.Neo4jError, address: Address, timeout: float | None) -> StoreError:
    code, text = error.code or "", first_line(error)
    if any(word in text.lower() for word in FULL):
        return StoreUnavailable(
            f"The disk of the server at {address.uri} is full: make room, start the server again, and "
            "repeat what you did; what was stored before is as it was."
        )
    if is_memory_error(error):
        return build_too_large(address)
    if "TransactionTimedOut" in code or "LockClientStopped" in code:
        limit = f" of {timeout:.3g} s" if timeout and timeout < 1000 else ""
        return QueryFailed(f"The query ran into the time limit{limit}: ask for less, or raise timeout=.")
    if "AccessMode" in code or "read access mode" in text:
        return QueryFailed("The query would change the graph, which is only allowed with write=True.")
    return _explain_refusal(code, text, address) or QueryFailed(f"The server refused the query: {text}")


def _explain_refusal(code: str, text: str, address: Address) -> StoreError | None:
    """What is wrong with the server or with whom it takes for whom, rather than with a query."""
    if "Security.Unauthorized" in code or "Security.TokenExpired" in code:
        tried = "no password was given" if address.password is None else "the password is not theirs"
        return StoreUnavailable(
            f"The server at {address.uri} does not let user {address.user!r} in ({tried}): set "
            f"${VARIABLES[0]}."
        )
    if "AuthenticationRateLimit" in code:
        return StoreUnavailable(
            f"The server at {address.uri} has seen too many wrong passwords: wait some seconds and set "
            f"${VARIABLES[0]} to the right one."
        )
    if "CredentialsExpired" in code:
        return StoreUnavailable(
            f"The password of user {address.user!r} at {address.uri} must be changed before it is used: do "
            "so in Neo4j Browser."
        )
    if "DatabaseNotFound" in code or "Database.ExistingDatabase" in code:
        return StoreUnavailable(
            f"The server at {address.uri} has no database {address.database!r}: name one that it has "
            "(--database), such as neo4j."
        )
    if "Security.Forbidden" in code:
        return StoreUnavailable(f"User {address.user!r} may not do this at {address.uri}: {text}")
    if any(word in code for word in GONE) or PANIC in text:
        return StoreUnavailable(
            f"Database {address.database!r} at {address.uri} takes no transactions: {_shorten(text)} Look "
            "into the server's log (is its disk full?), start it again, and repeat what you did."
        )
    return None


def _shorten(text: str) -> str:
    """The beginning of what a server said: of a transaction it tells all."""
    return shorten(text, SAID, placeholder=" ...")


def _map_driver_error(error: BaseException, address: Address) -> StoreError:
    if isinstance(error, bolt.ConfigurationError):
        return StoreUnavailable(f"{address.uri} cannot be used: {first_line(error)}")
    if isinstance(error, bolt.ResultError | bolt.TransactionError):
        return QueryFailed(f"The query did not end as it should: {first_line(error)}")
    return UnreachableError(
        f"No answer from a Neo4j server at {address.uri} ({_find_reason(error)}): is it running, is the "
        "address right? `graphpath neo4j start` runs one on this machine."
    )


def _find_reason(error: BaseException) -> str:
    """The innermost cause in a few words."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return first_line(error).rstrip(".")


def first_line(error: BaseException) -> str:
    """The first line of what ``error`` says, as a sentence."""
    said = getattr(error, "message", None) or str(error) or type(error).__name__
    line = re.sub(r"\s+", " ", str(said).strip().splitlines()[0]).strip()
    return line.rstrip(".") + "."
