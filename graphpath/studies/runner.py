"""Runs a study unit by unit, goes on where it stopped, and writes its results."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphpath.errors import StudyError
from graphpath.ids import digest
from graphpath.locks import hold_file_lock
from graphpath.models import LoadedModel
from graphpath.progress import Progress, as_progress
from graphpath.record.files import write_json
from graphpath.studies import verdicts
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import GROUP, TRAINED
from graphpath.studies.page import write_page
from graphpath.studies.published import compare_with_printed
from graphpath.studies.setting import Setting
from graphpath.studies.study import Measurement, Option, Study
from graphpath.studies.tables import concatenate, write_table
from graphpath.studies.units import FinishedUnit, measure_once

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Result:
    """A study that was run: its folder, the verdicts (a row a claim and part), and all tables."""

    study: Study
    folder: Path
    page: Path
    verdicts: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class _Unit:
    network: str
    seed: int
    part: str

    def __str__(self) -> str:
        return " ".join(word for word in (self.part, self.network, f"seed {self.seed}") if word)

    @property
    def folder(self) -> str:
        return str(self).replace(" ", "-").replace("/", "-")


def run_study(
    study: Study,
    setting: Setting,
    options: Mapping[str, Option] | None = None,
    *,
    progress: Progress | None = None,
) -> Result:
    """Run ``study`` in ``setting`` and write its tables, figures and page below ``setting.folder``.

    A finished unit is measured again only where ``options`` (by default the study's own), the networks or the
    images have changed. ``progress(what, done, total)`` is called on the way.

    Raises StudyError for an option that the study does not have, for a setting that it cannot be run in, or
    where another process is at work in ``setting.out``. What measuring raises is passed on; finished units
    stay.
    """
    setting.check(study)
    asked = resolve_options(study, options or {})
    with _lock_settings(setting.out):
        return _run(study, setting, asked, progress)


def _lock_settings(out: Path) -> AbstractContextManager[None]:
    """Networks, traces and stores are shared between studies: one process at a time."""
    return hold_file_lock(
        out / ".lock",
        lambda holder: StudyError(
            f"{out} is being worked in by {holder}: wait for it, or give another --out."
        ),
        lambda error: StudyError(f"{out} cannot be written ({error.strerror}): give another --out."),
    )


def _run(study: Study, setting: Setting, asked: Mapping[str, Option], progress: Progress | None) -> Result:
    folder = setting.folder / study.name
    setting = setting.compose_pairs() if study.pairs else setting
    units = [_Unit(n, s, p) for p in study.parts for s in setting.seeds for n in study.networks]
    found = {unit: _measure_units(study, setting, asked, unit, folder, progress) for unit in units}
    tables = concatenate({_unit_columns(unit): one.measured for unit, one in found.items()})
    facts: dict[str, Any] = {
        **setting.describe(),
        "accuracy": [setting.measure_accuracy(seed) for seed in setting.seeds],
    }
    changed = [f"{name}={value}" for name, value in asked.items() if value != study.options[name]]
    facts["command"] = [*setting.format_command(), *(word for one in changed for word in ("--option", one))]
    judged = verdicts.make_table(study, tables["effects"])
    published = compare_with_printed(study, tables, _summarise(facts, asked))
    for name, table in {**tables, "verdicts": judged, "published": published}.items():
        write_table(folder, name, table)
    write_json(folder / "study.json", {**facts, "study": study.name, "options": dict(asked)})
    commands = {str(unit): one.asked for unit, one in found.items() if unit.network == TRAINED}
    page = write_page(folder, study, facts, asked, tables, judged, published, commands)
    return Result(study, folder, page, judged, tables)


def _summarise(facts: Mapping[str, Any], options: Mapping[str, Option]) -> str:
    """What was measured on."""
    return ", ".join([f"{facts['network']} ({facts['data']})", *(f"{n} {v}" for n, v in options.items())])


def resolve_options(study: Study, options: Mapping[str, Option]) -> dict[str, Option]:
    """The study's options with ``options`` in their places. Raises StudyError."""
    for name, value in options.items():
        if name not in study.options:
            known = ", ".join(study.options) or "none"
            raise StudyError(f"{study.name} has no option {name!r}; it has {known}.")
        default = study.options[name]
        whole = isinstance(default, int) and not isinstance(value, int)
        if whole or isinstance(default, str) != isinstance(value, str):
            raise StudyError(f"{study.name}: {name}={value!r} should be like its default, {default!r}.")
    return {**study.options, **options}


def _unit_columns(unit: _Unit) -> tuple[tuple[str, str | int], ...]:
    return (("network", unit.network), ("seed", unit.seed), ("part", unit.part))


def _measure_units(
    study: Study,
    setting: Setting,
    options: Mapping[str, Option],
    unit: _Unit,
    folder: Path,
    progress: Progress | None,
) -> FinishedUnit:
    model = setting.network(unit.network, unit.seed, progress)
    path = folder / "units" / f"{unit.folder}-{_unit_key(study, setting, options, model)}"
    path.parent.mkdir(parents=True, exist_ok=True)

    def tell(what: str, done: int, total: int) -> None:
        as_progress(progress)(f"{study.name}, {unit}: {what}", done, total)

    def make() -> tuple[Measurement, list[str]]:
        tell("measuring", 0, 0)
        with Bench(setting, unit.seed, unit.network, model, options, unit.part, tell) as bench:
            return study.measure(bench), bench.asked

    return measure_once(path, make)


def _unit_key(study: Study, setting: Setting, options: Mapping[str, Option], model: LoadedModel) -> str:
    """What a unit rests on, in ten digits."""
    more: list[object] = [len(setting.seeds)] if study.over == GROUP else []
    if study.categories and setting.scheme is not None:
        more += [model.classes, setting.scheme.name, setting.scheme.rows]
    return digest(
        study.name, study.version, dict(options), model.sha256, setting.images().fingerprint, *more
    )[:10]
