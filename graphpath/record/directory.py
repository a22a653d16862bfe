"""The directory of a trace: whether one was begun there, whether it is whole, and its removal."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from graphpath.errors import RecordError
from graphpath.record.alone import LOCK
from graphpath.record.description import FILE, read_run
from graphpath.record.files import reason
from graphpath.record.marks import STAGING, read_marks
from graphpath.record.schema import PARTED, SINGLE
from graphpath.record.trace import find_damaged, part_file
from graphpath.whole import TEMPORARY, remove_abandoned


def holds_run(path: str | Path, run: str) -> bool:
    """Whether ``path`` holds something of run ``run``, finished or not.

    False also where it holds another run of which no part is finished: that makes way.

    Raises:
        RecordError: it holds another run, or something else.
    """
    path = Path(path)
    if _is_empty(path):
        return False
    found = read_begun_run(path)
    if found["id"] == run:
        return True
    if found.get("complete") or read_marks(path):
        raise RecordError(
            f"{path} holds the trace of run {found['id']!r}, not of {run!r}: choose another output "
            "directory (--out), or delete this one."
        )
    return False


def check_same_name(path: str | Path, name: str) -> None:
    """Refuse another ``name`` than that of the run begun in ``path``. Raises RecordError."""
    found = read_begun_run(Path(path))
    if found.get("name") != name:
        called = f"called {found['name']!r}" if "name" in found else "without a name"
        raise RecordError(
            f"{path} holds run {found['id']!r} {called}, not called {name!r}: a run is named when its trace "
            "begins. Choose another output directory (--out), or leave out the name."
        )


def holds_finished_run(path: str | Path, run: str) -> bool:
    """Whether ``path`` holds run ``run`` whole, every byte as it was written. Raises as ``holds_run``."""
    path = Path(path)
    if not holds_run(path, run):
        return False
    found = read_begun_run(path)
    if not found.get("complete") or find_damaged(path, found):
        return False
    remove_abandoned(path / LOCK)  # left where its writer was killed at its very end
    return True


def read_begun_run(path: Path) -> dict[str, Any]:
    """The run.json of the trace in ``path``, which may be unfinished. Raises RecordError where none is."""
    if not (path / FILE).is_file():
        raise RecordError(f"{path} is not empty and holds no trace: choose another output directory (--out).")
    return read_run(path)


def clear(path: Path) -> None:
    """Remove a trace of which no part is finished, and nothing else. Raises OSError."""
    shutil.rmtree(path / STAGING, ignore_errors=True)
    for name in PARTED:
        _remove((path / name).glob("part-*.parquet"))
        _remove((path / name).glob(f"{TEMPORARY}*"))
        if (path / name).is_dir() and not any((path / name).iterdir()):
            (path / name).rmdir()
    _remove(path / f"{name}.parquet" for name in SINGLE)
    _remove(path.glob(f"{TEMPORARY}*"))
    _remove([path / FILE])


def drop_leftovers(path: Path, done: Collection[int]) -> None:
    """Remove temporary files, and the parts that are not among those ``done``."""
    _remove(path.rglob(f"{TEMPORARY}*"))
    for name in PARTED:
        wanted = {part_file(path, name, part) for part in done}
        _remove(file for file in (path / name).glob("part-*.parquet") if file not in wanted)


def _is_empty(path: Path) -> bool:
    """Nothing there, or only what a kill before the first ``run.json`` leaves."""
    try:
        if path.exists() and not path.is_dir():
            raise RecordError(f"{path} is a file; a trace is a directory.")
        return not path.exists() or all(_is_ours(entry.name) for entry in path.iterdir())
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {reason(error)}.") from error


def _is_ours(name: str) -> bool:
    return name == LOCK or name.startswith(TEMPORARY)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
