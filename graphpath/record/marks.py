"""Markers of a trace's finished parts: how many rows each has of every table, and its files' digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphpath.errors import RecordError
from graphpath.record.files import digest_file, read_json

STAGING = ".staging"
"""The folder of markers and of single tables until they are merged, in the trace's directory."""


@dataclass(frozen=True)
class Mark:
    """What a marker says of its part."""

    rows: Mapping[str, int]
    """By table."""
    files: Mapping[str, str]
    """SHA-256 by path in the trace's directory."""

    def as_json(self) -> dict[str, object]:
        """What is written to the marker."""
        return {"rows": dict(self.rows), "files": dict(self.files)}

    def is_sound(self, path: Path) -> bool:
        """Whether the part's files in the trace ``path`` are there, with every byte as it was written."""
        try:
            return all(digest_file(path / file) == digest for file, digest in self.files.items())
        except OSError:
            return False


def marker_path(path: Path, part: int) -> Path:
    """The marker of part ``part`` in the trace directory ``path``."""
    return path / STAGING / f"{part:05d}.done"


def staged_file(path: Path, name: str, part: int) -> Path:
    """The rows of part ``part`` for the single table ``name``, until they are merged."""
    return path / STAGING / f"{part:05d}.{name}.parquet"


def read_marks(path: Path) -> dict[int, Mark]:
    """The marked parts of the trace directory ``path``; a marker that cannot be read marks nothing."""
    found = {file: _read_marker(file) for file in (path / STAGING).glob("[0-9]*.done")}
    return {int(file.stem): mark for file, mark in found.items() if mark is not None}


def _read_marker(file: Path) -> Mark | None:
    """None for a damaged marker, or that of an older graphpath: the part is written again."""
    try:
        entries = read_json(file)
        return Mark(dict(entries["rows"]), dict(entries["files"]))
    except (RecordError, KeyError, TypeError, ValueError):
        return None
