"""What one unit found, kept in a directory that is either whole or absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.errors import RecordError, StudyError
from graphpath.record.building import build_directory
from graphpath.record.files import explain_unwritten, read_json, write_json
from graphpath.studies.study import Measurement

if TYPE_CHECKING:
    import pandas as pd

EFFECTS, TABLES, FACTS = "effects.parquet", "tables", "unit.json"


@dataclass(frozen=True)
class FinishedUnit:
    """A finished unit: what it found, and the commands that asked for it."""

    measured: Measurement
    asked: tuple[str, ...]


def read_facts(file: Path) -> dict[str, Any]:
    """What a study was run on: its ``study.json``. Raises StudyError for that of an older graphpath."""
    facts = read_json(file)
    if not {"on", "command"} <= facts.keys():
        raise StudyError(f"{file} is of an older graphpath: run that study again; its units are kept.")
    return facts


def is_finished(path: Path) -> bool:
    """Whether the unit in ``path`` is there."""
    return path.is_dir()


def measure_once(path: Path, make: Callable[[], tuple[Measurement, Sequence[str]]]) -> FinishedUnit:
    """The unit in ``path``, measured by ``make`` if it is not there. Raises RecordError for a damaged one."""
    if not is_finished(path):
        measured, asked = make()
        _write(path, measured, asked)
    return _read(path)


def _write(path: Path, measured: Measurement, asked: Sequence[str]) -> None:
    try:
        with build_directory(path, several=False) as building:
            (building / TABLES).mkdir()
            measured.effects.to_parquet(building / EFFECTS, index=False)
            for name, table in measured.tables.items():
                table.to_parquet(building / TABLES / f"{name}.parquet", index=False)
            write_json(building / FACTS, {"asked": list(asked)})
    except OSError as error:
        raise explain_unwritten(path, error) from error


def _read(path: Path) -> FinishedUnit:
    try:
        effects = _read_table(path / EFFECTS)
        tables = {file.stem: _read_table(file) for file in sorted((path / TABLES).iterdir())}
        asked = tuple(map(str, read_json(path / FACTS)["asked"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged ({error}): delete it, and it is measured again.") from error
    return FinishedUnit(Measurement(effects, tables), asked)


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)
