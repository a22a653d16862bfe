"""Analyses straight from a trace's Parquet, with DuckDB and no graph engine, for sizes beyond a query's.

Each answers as the named query of the same name does, with the same columns; ``portion_hot`` has no query.
``resemblance`` and ``outside_class`` hold a trace that is not in a store against the classes that one holds.
"""

from graphpath.analysis.consistency import consistency
from graphpath.analysis.crossed import counts, portion_hot
from graphpath.analysis.overlap import largest_overlap
from graphpath.analysis.resemblance import outside_class, resemblance

__all__ = ["consistency", "counts", "largest_overlap", "outside_class", "portion_hot", "resemblance"]
