"""Writing a trace part by part, so that one killed at any moment is finished by running it again.

run.json               at once, with "complete": false
.staging/              single tables of each part, and its marker: a part with a marker is finished
edges/part-00000.parquet ...
samples.parquet ...    merged by finish()
run.json               renamed last, with "complete": true, "parts", "counts" and every file's digest

A marker holds the rows and the SHA-256 of the part's files. One process writes at a time
(:mod:`graphpath.record.alone`), or several that share the parts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import RecordError
from graphpath.record.description import FILES, ROWS, write_run
from graphpath.record.directory import clear, drop_leftovers, holds_run, read_begun_run
from graphpath.record.files import reason, write_json, write_parquet
from graphpath.record.marks import STAGING, Mark, marker_path, read_marks, staged_file
from graphpath.record.repair import reopen
from graphpath.record.schema import OPTIONAL, PARTED, SCHEMA_VERSION, STAGED, TABLES
from graphpath.record.table import Columns, Table
from graphpath.record.trace import Trace, part_file

KEYS = {"samples": ("sample",), "pathways": ("pathway",), "predictions": ("sample", "rank")}


@dataclass
class TraceWriter:
    """An open trace directory; made by :meth:`open`.

    As a context manager it takes away what it began when the block fails before any part is finished.
    """

    path: Path
    run: dict[str, Any]
    finished: bool = False
    _marks: dict[int, Mark] = field(default_factory=dict)
    _new: bool = False

    @classmethod
    def open(cls, path: str | Path, run: Mapping[str, object], resume: bool = True) -> TraceWriter:
        """Begin the trace ``run`` (at least its ``id``) in ``path``, or take up the one begun there.

        Of a finished one that is damaged, the damaged parts are to be written again. Another run of which no
        part is finished makes way. Returns a writer whose ``finished`` says that nothing is left to do.

        Raises:
            RecordError: the directory holds another run, or something else; or ``resume`` is False and it
                holds anything.
        """
        path = Path(path)
        if not run.get("id"):
            raise RecordError("A run needs an id.")
        if not holds_run(path, str(run["id"])):
            return cls._begin(path, run)
        if not resume:
            raise RecordError(f"{path} already holds run {run['id']!r}: resume it, or delete the directory.")
        found = read_begun_run(path)
        if found.get("complete"):
            found = reopen(path, found)
        writer = cls(path, found, finished=bool(found.get("complete")))
        writer.refresh()
        if writer.finished:
            shutil.rmtree(path / STAGING, ignore_errors=True)  # left when finish() was killed at its end
        return writer

    @classmethod
    def _begin(cls, path: Path, run: Mapping[str, object]) -> TraceWriter:
        opened = {**run, "schema": SCHEMA_VERSION, "complete": False}
        try:
            path.mkdir(parents=True, exist_ok=True)
            clear(path)
        except OSError as error:
            raise RecordError(f"{path} cannot be written: {reason(error)}.") from error
        write_run(path, opened)
        return cls(path, opened, _new=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._new and kind is not None and issubclass(kind, Exception) and not read_marks(self.path):
            clear(self.path)

    def refresh(self) -> None:
        """Take note of the parts that were finished in this directory, also by others, and are undamaged."""
        self._marks = {part: mark for part, mark in read_marks(self.path).items() if mark.is_sound(self.path)}

    @property
    def done(self) -> frozenset[int]:
        """The numbers of the finished parts."""
        return frozenset(self._marks)

    def write_part(self, part: int, tables: Mapping[str, Columns]) -> None:
        """Write part ``part``: tables by name; one that is missing is empty. Rewrites an unfinished one.

        Raises:
            RecordError: the trace is finished, or a table is unknown or not as its schema.
        """
        if self.finished:
            raise RecordError(f"{self.path} is finished; a finished trace takes no more parts.")
        expected = {*PARTED, *STAGED}
        if unknown := sorted(set(tables) - expected):
            raise RecordError(
                f"Part {part} has the unknown table(s) {', '.join(unknown)}; a part has {sorted(expected)}."
            )
        # Everything is validated before anything is written.
        checked = {name: Table.from_columns(name, columns) for name, columns in tables.items()}
        marker_path(self.path, part).unlink(missing_ok=True)
        self._marks.pop(part, None)
        digests = {}
        for name in sorted(expected - (OPTIONAL - set(tables))):
            target = (part_file if name in PARTED else staged_file)(self.path, name, part)
            table = (checked.get(name) or Table.empty(name)).data
            digests[target.relative_to(self.path).as_posix()] = _write(target, table)
        mark = Mark({name: len(table) for name, table in checked.items()}, digests)
        write_json(marker_path(self.path, part), mark.as_json())
        self._marks[part] = mark

    def finish(
        self,
        *,
        layers: Columns,
        categories: Columns,
        reach: Columns | None = None,
        fields: Columns | None = None,
        parts: int | None = None,
        images: int | None = None,
        **run_updates: object,
    ) -> Trace:
        """Merge the parts, count every table, and mark the trace complete. Returns it opened.

        ``reach`` is left out where nobody knows which edges are possible, ``fields`` where nobody knows which
        pixels a neuron sees. ``parts`` and ``images`` are how many there must be, where that is known.

        Raises:
            RecordError: a part or an image is not there, or two different rows have one key.
        """
        if self.finished:
            return Trace(self.path)
        self._check_whole(parts, images)
        drop_leftovers(self.path, self.done)
        done = [self._marks[part] for part in sorted(self._marks)]
        singles = {"layers": layers, "categories": categories, "reach": reach, "fields": fields}
        digests = self._write_singles({name: given for name, given in singles.items() if given is not None})
        for mark in done:
            digests |= {file: digest for file, digest in mark.files.items() if not file.startswith(STAGING)}
        described = {
            **self.run,
            **run_updates,
            "parts": sorted(self._marks),
            "counts": self._count_rows(),
            ROWS: {name: [mark.rows.get(name, 0) for mark in done] for name in STAGED},
            FILES: dict(sorted(digests.items())),
        }
        write_run(self.path, {**described, "complete": True})
        self.finished = True
        shutil.rmtree(self.path / STAGING, ignore_errors=True)
        return Trace(self.path)

    def _check_whole(self, parts: int | None, images: int | None) -> None:
        again = "run the same `graphpath trace` again and it goes on where it stopped."
        if missing := sorted(set(range(parts or 0)) - set(self._marks)):
            shown = ", ".join(map(str, missing[:5])) + (" ..." if missing[5:] else "")
            raise RecordError(f"{self.path} lacks {len(missing)} of {parts} parts ({shown}): {again}")
        found = sum(mark.rows.get("samples", 0) for mark in self._marks.values())
        if images is not None and found != images:
            raise RecordError(f"{self.path} holds {found} images in its parts, expected {images}: {again}")

    def _write_singles(self, given: Mapping[str, Columns]) -> dict[str, str]:
        """Write every table of one file; their digests by file."""
        tables = {name: self._merge(name) for name in STAGED}
        tables |= {name: Table.from_columns(name, columns).data for name, columns in given.items()}
        return {
            f"{name}.parquet": _write(self.path / f"{name}.parquet", table) for name, table in tables.items()
        }

    def _merge(self, name: str) -> pa.Table:
        files = [staged_file(self.path, name, part) for part in sorted(self._marks)]
        parts = [pq.read_table(file, memory_map=False) for file in files]
        merged = pa.concat_tables([TABLES[name].empty_table(), *parts]).combine_chunks()
        return _deduplicate(name, merged)

    def _count_rows(self) -> dict[str, int]:
        singles = [name for name in TABLES if name not in PARTED]
        there = {name: self.path / f"{name}.parquet" for name in singles}
        counts = {
            name: _count(file) for name, file in there.items() if name not in OPTIONAL or file.is_file()
        }
        for name in PARTED:
            files = [part_file(self.path, name, part) for part in self._marks]
            if present := [file for file in files if name not in OPTIONAL or file.is_file()]:
                counts[name] = sum(_count(file) for file in present)
            elif name not in OPTIONAL:
                counts[name] = 0
        return counts


def _write(path: Path, table: pa.Table) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{path.parent} cannot be made: {reason(error)}.") from error
    return write_parquet(path, table)


def _count(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def _deduplicate(name: str, table: pa.Table) -> pa.Table:
    """``table`` with each row once (a sample may be in several parts); one key, one row."""
    keys = np.stack([table[key].to_numpy() for key in KEYS[name]], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(keys):
        return table
    kept = first[inverse.reshape(-1)]
    repeated = np.flatnonzero(kept != np.arange(len(keys)))
    if not table.take(pa.array(repeated)).equals(table.take(pa.array(kept[repeated]))):
        example = dict(zip(KEYS[name], keys[repeated[0]].tolist(), strict=True))
        raise RecordError(f"Table {name!r} has two different rows for {json.dumps(example)}.")
    return table.take(pa.array(np.sort(first)))
