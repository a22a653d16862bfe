"""The record: a trace as a directory of Parquet files (``graphpath/README.md``, "The record")."""

from graphpath.record.alone import lock_directory
from graphpath.record.directory import check_same_name, holds_finished_run, holds_run
from graphpath.record.imageset import ImagePart, ImageSet, is_image_set, write_image_set
from graphpath.record.schema import PARTED, SCHEMA_VERSION, TABLES
from graphpath.record.table import Table
from graphpath.record.trace import Trace
from graphpath.record.writer import TraceWriter

__all__ = [
    "PARTED",
    "SCHEMA_VERSION",
    "TABLES",
    "ImagePart",
    "ImageSet",
    "Table",
    "Trace",
    "TraceWriter",
    "check_same_name",
    "holds_finished_run",
    "holds_run",
    "is_image_set",
    "lock_directory",
    "write_image_set",
]
