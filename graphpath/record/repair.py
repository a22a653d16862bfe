"""A finished trace with damaged files, opened again: its sound parts stay, the others are written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.record.description import DIGEST, FILES, ROWS, write_run
from graphpath.record.files import write_json, write_parquet
from graphpath.record.marks import Mark, marker_path, staged_file
from graphpath.record.schema import PARTED, STAGED
from graphpath.record.trace import find_damaged, part_file


def reopen(path: Path, run: dict[str, Any]) -> dict[str, Any]:
    """``run``, the finished trace in ``path``, where all its files are sound; else the same unfinished.

    Then the sound parts are marked, with their rows of the merged tables staged. Killed at any moment, it is
    done again by the next call.
    """
    bad = find_damaged(path, run)
    if not bad:
        return run
    merged = {} if {f"{name}.parquet" for name in STAGED} & bad else _split_merged(path, run)
    for place, part in enumerate(run["parts"] if merged else ()):
        files = {part_file(path, name, part).relative_to(path).as_posix() for name in PARTED}
        if not files & bad:
            own = {file: run[FILES][file] for file in files if file in run[FILES]}
            _mark_sound(path, part, {name: pieces[place] for name, pieces in merged.items()}, own)
    dropped = {FILES, ROWS, DIGEST, "parts", "counts"}
    opened = {name: value for name, value in run.items() if name not in dropped} | {"complete": False}
    write_run(path, opened)
    return opened


def _split_merged(path: Path, run: dict[str, Any]) -> dict[str, list[pa.Table]]:
    """The merged tables cut into the parts' rows; nothing where rows of several parts were one."""
    found = {}
    for name in STAGED:
        table, counts = pq.read_table(path / f"{name}.parquet", memory_map=False), run[ROWS][name]
        if sum(counts) != table.num_rows:
            return {}
        starts = [sum(counts[:place]) for place in range(len(counts))]
        found[name] = [table.slice(start, count) for start, count in zip(starts, counts, strict=True)]
    return found


def _mark_sound(path: Path, part: int, staged: dict[str, pa.Table], files: dict[str, str]) -> None:
    for name, table in staged.items():
        target = staged_file(path, name, part)
        target.parent.mkdir(parents=True, exist_ok=True)
        files[target.relative_to(path).as_posix()] = write_parquet(target, table)
    rows = {name: table.num_rows for name, table in staged.items()}
    write_json(marker_path(path, part), Mark(rows, files).as_json())
