"""Writing a trace part by part, so that one killed at any moment is finished by running it again.

run.json               at once, with "complete": false
.staging/              single tables of each part, and its marker: a part with a marker is finished
edges/part-00000.parquet ...
samples.parquet ...    merged by finish()
run.json               renamed last, with "complete": true, "parts" and "counts"
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import RecordError
from graphpath.record.files import TEMPORARY, read_json, write_json, write_parquet
from graphpath.record.schema import OPTIONAL, PARTED, SCHEMA_VERSION, STAGED, TABLES
from graphpath.record.table import Columns, Table
from graphpath.record.trace import Trace, part_file

STAGING = ".staging"
KEYS = {"samples": ("sample",), "pathways": ("pathway",), "predictions": ("sample", "rank")}


@dataclass
class TraceWriter:
    """An open trace directory; made by :meth:`open`."""

    path: Path
    run: dict[str, object]
    finished: bool = False
    _done: set[int] = field(default_factory=set)

    @classmethod
    def open(cls, path: str | Path, run: Mapping[str, object], resume: bool = True) -> TraceWriter:
        """Begin the trace ``run`` (at least its ``id``) in ``path``, or take up the one begun there.

        Returns a writer whose ``finished`` says that nothing is left to do.

        Raises:
            RecordError: the directory holds another run, or something else; or ``resume`` is False and it
                holds anything.
        """
        path = Path(path)
        if not run.get("id"):
            raise RecordError("A run needs an id.")
        if _is_empty(path):
            return cls._begin(path, run)
        found = _run_of(path)
        if found.get("id") != run["id"]:
            raise RecordError(
                f"{path} holds the trace of run {found.get('id')!r}, not of {run['id']!r}: choose another "
                "output directory (--out), or delete this one."
            )
        if not resume:
            raise RecordError(f"{path} already holds run {run['id']!r}: resume it, or delete the directory.")
        writer = cls(path, dict(found), finished=bool(found.get("complete")))
        writer.look_again()
        if writer.finished:
            shutil.rmtree(path / STAGING, ignore_errors=True)  # left when finish() was killed at its end
        return writer

    @classmethod
    def _begin(cls, path: Path, run: Mapping[str, object]) -> TraceWriter:
        path.mkdir(parents=True, exist_ok=True)
        opened = {**run, "schema": SCHEMA_VERSION, "complete": False}
        try:
            write_json(path / "run.json", opened)
        except TypeError as error:
            raise RecordError(f"The description of run {run['id']!r} cannot be JSON: {error}.") from error
        return cls(path, opened)

    def look_again(self) -> None:
        """Take note of the parts that others have finished in this directory."""
        self._done = {int(marker.stem) for marker in (self.path / STAGING).glob("[0-9]*.done")}

    @property
    def done(self) -> frozenset[int]:
        """The numbers of the finished parts."""
        return frozenset(self._done)

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
        checked = {name: Table.of(name, columns) for name, columns in tables.items()}
        self._marker(part).unlink(missing_ok=True)
        self._done.discard(part)
        for name in sorted(expected - (OPTIONAL - set(tables))):
            target = part_file(self.path, name, part) if name in PARTED else self._staged(name, part)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_parquet(target, (checked.get(name) or Table.empty(name)).data)
        write_json(self._marker(part), {name: len(table) for name, table in checked.items()})
        self._done.add(part)

    def finish(
        self, *, layers: Columns, categories: Columns, reach: Columns | None = None, **run_updates: object
    ) -> Trace:
        """Merge the parts, count every table, and mark the trace complete. Returns it opened.

        ``reach`` is left out where nobody knows which edges are possible.

        Raises:
            RecordError: two different rows with one key.
        """
        if self.finished:
            return Trace(self.path)
        self._drop_leftovers()
        for name in STAGED:
            write_parquet(self.path / f"{name}.parquet", self._merged(name))
        write_parquet(self.path / "layers.parquet", Table.of("layers", layers).data)
        write_parquet(self.path / "categories.parquet", Table.of("categories", categories).data)
        if reach is not None:
            write_parquet(self.path / "reach.parquet", Table.of("reach", reach).data)
        run = {**self.run, **run_updates, "parts": sorted(self._done), "counts": self._counts()}
        write_json(self.path / "run.json", {**run, "complete": True})
        self.finished = True
        shutil.rmtree(self.path / STAGING, ignore_errors=True)
        return Trace(self.path)

    def _marker(self, part: int) -> Path:
        return self.path / STAGING / f"{part:05d}.done"

    def _staged(self, name: str, part: int) -> Path:
        return self.path / STAGING / f"{part:05d}.{name}.parquet"

    def _drop_leftovers(self) -> None:
        """Remove temporary files, and parts that were begun and never finished."""
        for leftover in self.path.rglob(f"{TEMPORARY}*"):
            leftover.unlink(missing_ok=True)
        for name in PARTED:
            wanted = {part_file(self.path, name, part) for part in self._done}
            for file in (self.path / name).glob("part-*.parquet"):
                if file not in wanted:
                    file.unlink()

    def _merged(self, name: str) -> pa.Table:
        parts = [pq.read_table(self._staged(name, part), memory_map=False) for part in sorted(self._done)]
        merged = pa.concat_tables([TABLES[name].empty_table(), *parts]).combine_chunks()
        return _unique(name, merged)

    def _counts(self) -> dict[str, int]:
        singles = [name for name in TABLES if name not in PARTED]
        there = {name: self.path / f"{name}.parquet" for name in singles}
        counts = {name: _rows(file) for name, file in there.items() if name not in OPTIONAL or file.is_file()}
        for name in PARTED:
            files = [part_file(self.path, name, part) for part in self._done]
            if present := [file for file in files if name not in OPTIONAL or file.is_file()]:
                counts[name] = sum(_rows(file) for file in present)
            elif name not in OPTIONAL:
                counts[name] = 0
        return counts


def _rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def _is_empty(path: Path) -> bool:
    """Nothing there, or only what a kill before the first ``run.json`` leaves."""
    if path.exists() and not path.is_dir():
        raise RecordError(f"{path} is a file; a trace is a directory.")
    return not path.exists() or all(entry.name.startswith(TEMPORARY) for entry in path.iterdir())


def _run_of(path: Path) -> dict[str, object]:
    if not (path / "run.json").is_file():
        raise RecordError(f"{path} is not empty and holds no trace: choose another output directory (--out).")
    return read_json(path / "run.json")


def _unique(name: str, table: pa.Table) -> pa.Table:
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
