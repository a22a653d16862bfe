"""Every error that graphpath raises on purpose.

    GraphpathError
    ├── NetworkError            the network cannot be traced
    │   └── UnsupportedOperation    an operation of it, named with its place
    ├── MethodError             an unknown method, or an option it does not take
    ├── ModelError              a model or checkpoint that cannot be had
    ├── DataError               images, labels or archives that cannot be read
    ├── RecordError             a trace or image set on disk that is not what it should be
    │   └── IncompleteTrace         one that was interrupted and never finished
    ├── StoreError              a graph store
    │   ├── StoreUnavailable        it cannot be opened or reached
    │   ├── StoreConflict           it already holds something else under this key
    │   ├── RunNotFound             the run is not in it, or is only half loaded
    │   └── QueryFailed             the engine refused or gave up on a query
    ├── ServerError             the Neo4j server that graphpath runs
    ├── QueryFileError          a named query that is missing or malformed
    ├── QueryParameterError     a parameter that is unknown, missing or of the wrong type
    ├── StudyError              a study that is unknown, or cannot be made of what is there
    ├── AnswerError             a query's answer that cannot be ablated in the network at hand
    ├── UnsupportedSystem       neither Linux nor macOS (an ImportError too)
    └── MissingExtra            an optional part of graphpath that is not installed (an ImportError too)

A message is one sentence or two: it names the file, layer, column or parameter, says what was
expected, and how to mend it. The command line prints that message and exits with status 1.
"""

from __future__ import annotations


class GraphpathError(Exception):
    """Anything that went wrong for a reason the user can mend."""


class NetworkError(GraphpathError):
    """The network cannot be traced."""


class UnsupportedOperation(NetworkError):
    """The network holds an operation that graphpath cannot take apart."""


class MethodError(GraphpathError):
    """The tracing method is unknown, or does not take an option it was given."""


class ModelError(GraphpathError):
    """A model or checkpoint cannot be found, read or built."""


class DataError(GraphpathError):
    """Images, labels or archives cannot be read."""


class RecordError(GraphpathError):
    """A trace or image set on disk is damaged, of another schema, or not one at all."""


class IncompleteTrace(RecordError):
    """A trace was interrupted; tracing again with the same arguments finishes it."""


class StoreError(GraphpathError):
    """A graph store cannot do what was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be opened or reached."""


class StoreConflict(StoreError):
    """The store already uses a key of what is being loaded for something else."""


class RunNotFound(StoreError):
    """The run is not in the store, or its load never finished."""


class QueryFailed(StoreError):
    """The engine refused a query, or gave up on it."""


class ServerError(GraphpathError):
    """The Neo4j server that graphpath runs cannot be had, started, reached or stopped.

    ``log`` holds the last lines of what the server, Java or Maven wrote, where there are any.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class QueryFileError(GraphpathError):
    """A named query does not exist, or its file is malformed."""


class QueryParameterError(GraphpathError):
    """A query parameter is unknown, missing or of the wrong type."""


class StudyError(GraphpathError):
    """A study is unknown, or cannot be made with the images, networks or options that it was given."""


class AnswerError(GraphpathError):
    """A query's answer names no neurons or edges, or those of another network."""


class UnsupportedSystem(GraphpathError, ImportError):
    """This system lacks what graphpath stands on; it runs on Linux and macOS."""


class MissingExtra(GraphpathError, ImportError):
    """An optional part of graphpath is needed and not installed; ``name`` is the module that is missing."""
