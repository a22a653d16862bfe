"""Analyses straight from a trace's Parquet, with DuckDB and no graph engine, for sizes beyond a query's.

Each answers as the named query of the same name does, with the same columns; ``portion_hot`` has no query.
"""

from graphpath.analysis.consistency import consistency
from graphpath.analysis.crossed import counts, portion_hot
from graphpath.analysis.overlap import largest_overlap

__all__ = ["consistency", "counts", "largest_overlap", "portion_hot"]
