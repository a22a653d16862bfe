"""The choice of a run: an id, a name, "latest", or the beginning of one id; and ids shown short."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from graphpath.errors import MethodError, QueryParameterError, RunNotFound

if TYPE_CHECKING:
    import pyarrow as pa

LATEST: Final = "latest"
"""The run that was loaded last."""
NAME: Final = re.compile(r"\w[\w.+-]{0,63}")
_DIGEST: Final = re.compile(r"-[0-9a-f]{10}$")
_SHOWN: Final = 4
"""Characters of an id's digest that are shown at least."""

COLUMNS: Final = "CALL table_info('Run') RETURN name"
NAMED: Final = """
MATCH (r:Run) RETURN r.id AS run, coalesce(r.complete, false) AS complete, r.name AS name, r.loaded AS loaded
ORDER BY run
"""
UNNAMED: Final = "MATCH (r:Run) RETURN r.id AS run, coalesce(r.complete, false) AS complete ORDER BY run"


class RunSource(Protocol):
    """What is asked: a store, or one at a moment."""

    @property
    def dialect(self) -> str: ...

    def execute(self, text: str, parameters: Mapping[str, object]) -> pa.Table: ...


@dataclass(frozen=True)
class StoredRun:
    """A run that a store holds. ``loaded`` is when, UTC; None for one that an older graphpath loaded."""

    run: str
    complete: bool
    name: str | None = None
    loaded: str | None = None


@dataclass(frozen=True)
class ChosenRun:
    """A run's id, and a sentence that says which it is where it was not named whole."""

    run: str
    note: str = ""


def has_names(state: RunSource) -> bool:
    """Whether runs have a name and the time of their load there: a file of before they had, which can only be
    rebuilt, has neither.
    """
    return state.dialect != "ladybug" or "name" in state.execute(COLUMNS, {}).to_pydict().get("name", [])


def read_stored_runs(state: RunSource) -> list[StoredRun]:
    """The runs that are there, by id."""
    return [StoredRun(**row) for row in state.execute(NAMED if has_names(state) else UNNAMED, {}).to_pylist()]


def choose_run(asked: str, runs: Sequence[StoredRun], *, unfinished: bool = False) -> ChosenRun | None:
    """The run that ``asked`` means: one's id, else its name, else "latest", else how one id begins.

    "latest" is the complete run that was loaded last; with ``unfinished``, of all runs. None where there is
    no such run. Raises QueryParameterError where several are meant.
    """
    if asked in {one.run for one in runs}:
        return ChosenRun(asked)
    if named := [one.run for one in runs if asked and one.name == asked]:
        return ChosenRun(_require_one(named, runs, f"are named {asked!r}", "say which by its id"))
    if asked == LATEST:
        return _choose_latest([one for one in runs if one.complete or unfinished])
    if beginning := [one.run for one in runs if asked and one.run.startswith(asked)]:
        run = _require_one(beginning, runs, f"begin with {asked!r}", "give more of the id")
        return ChosenRun(run, f"{asked!r} is run {run}.")
    return None


def _require_one(found: list[str], runs: Sequence[StoredRun], said: str, remedy: str) -> str:
    if len(found) > 1:
        shown = shorten_ids(one.run for one in runs)
        raise QueryParameterError(f"Several runs {said}: {', '.join(shown[run] for run in found)}; {remedy}.")
    return found[0]


def _choose_latest(runs: Sequence[StoredRun]) -> ChosenRun:
    if not runs:
        raise RunNotFound("The store holds no complete run; load a trace first (graphpath load).")
    timed = [one for one in runs if one.loaded]
    if not timed and len(runs) > 1:
        raise QueryParameterError(
            "The store does not say which run was loaded last, for an older graphpath loaded them: name one "
            f"of {join_ids(one.run for one in runs)}."
        )
    last = max(timed or runs, key=lambda one: (one.loaded or "", one.run))
    when = f", loaded at {last.loaded[:19].replace('T', ' ')} UTC" if last.loaded else ""
    return ChosenRun(last.run, f"The latest run is {last.run}{when}.")


def shorten_ids(runs: Iterable[str]) -> dict[str, str]:
    """Each id as it is shown: as much of it as distinguishes it from the others."""
    every = list(runs)
    return {run: _shorten(run, every) for run in every}


def join_ids(runs: Iterable[str]) -> str:
    """The ids, short, in one line."""
    return ", ".join(shorten_ids(runs).values())


def _shorten(run: str, every: Sequence[str]) -> str:
    digest = _DIGEST.search(run)
    for length in range(digest.start() + 1 + _SHOWN, len(run)) if digest else ():
        if sum(other.startswith(run[:length]) for other in every) == 1:
            return run[:length]
    return run


def check_name(name: str | None) -> None:
    """Refuse what cannot name a run. Raises MethodError."""
    if name is None:
        return
    if name == LATEST or _DIGEST.search(name):
        other = "the latest run" if name == LATEST else "an id"
        raise MethodError(f"{name!r} cannot name a run: it would be taken for {other}.")
    if not NAME.fullmatch(name):
        raise MethodError(
            f"{name!r} cannot name a run: expected a letter, a digit or _, then at most 63 letters, digits "
            "and . _ + - more."
        )
