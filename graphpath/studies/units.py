"""What one unit found, kept in a directory that is either whole or absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.errors import RecordError, StudyError
from graphpath.record.building import built
from graphpath.record.files import read_json, write_json
from graphpath.studies.study import Measured

if TYPE_CHECKING:
    import pandas as pd

EFFECTS, TABLES, FACTS = "effects.parquet", "tables", "unit.json"


@dataclass(frozen=True)
class Kept:
    """A finished unit: what it found, and the commands that asked for it."""

    measured: Measured
    asked: tuple[str, ...]


def facts_of(file: Path) -> dict[str, Any]:
    """On what a study was run: its ``study.json``. Raises StudyError for that of an older graphpath."""
    told = read_json(file)
    if not {"on", "command"} <= told.keys():
        raise StudyError(f"{file} is of an older graphpath: run that study again; its units are kept.")
    return told


def finished(path: Path) -> bool:
    """Whether the unit in ``path`` is there."""
    return path.is_dir()


def kept(path: Path, make: Callable[[], tuple[Measured, Sequence[str]]]) -> Kept:
    """The unit in ``path``, measured by ``make`` if it is not there. Raises RecordError for a damaged one."""
    if not finished(path):
        measured, asked = make()
        _write(path, measured, asked)
    return _read(path)


def _write(path: Path, measured: Measured, asked: Sequence[str]) -> None:
    with built(path) as building:
        (building / TABLES).mkdir()
        measured.effects.to_parquet(building / EFFECTS, index=False)
        for name, table in measured.tables.items():
            table.to_parquet(building / TABLES / f"{name}.parquet", index=False)
        write_json(building / FACTS, {"asked": list(asked)})


def _read(path: Path) -> Kept:
    try:
        effects = _table(path / EFFECTS)
        tables = {file.stem: _table(file) for file in sorted((path / TABLES).iterdir())}
        asked = tuple(map(str, read_json(path / FACTS)["asked"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged ({error}): delete it, and it is measured again.") from error
    return Kept(Measured(effects, tables), asked)


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)
