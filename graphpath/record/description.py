"""``run.json``: what a trace says of itself, with the digests of its files and its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphpath.errors import IncompleteTrace, RecordError
from graphpath.record.files import check_version, read_json, write_json

FILE = "run.json"
DIGEST = "digest"
"""The entry that holds the SHA-256 of all others, as JSON with sorted keys and no spaces."""

FILES = "files"
"""The entry that holds the SHA-256 of every other file of the trace, by its path in the directory."""

ROWS = "rows"
"""The entry that says how many rows of each merged table came from each part, in the order of the parts."""

_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "name": (str,),
    "method": (str,),
    "parameters": (dict,),
    "model": (dict,),
    "dataset": (dict, str),
    "seeds": (dict,),
    "versions": (dict,),
    "device": (str,),
    "parts": (list,),
    "counts": (dict,),
    FILES: (dict,),
    ROWS: (dict,),
}


def write_run(path: Path, run: Mapping[str, object]) -> None:
    """Write ``run`` with its digest as the run.json in the directory ``path``."""
    try:
        write_json(path / FILE, {**_strip_digest(run), DIGEST: digest_run(run)})
    except TypeError as error:
        raise RecordError(f"The description of run {run.get('id')!r} cannot be JSON: {error}.") from error


def digest_run(run: Mapping[str, object]) -> str:
    """The SHA-256 of all entries of ``run`` but its digest."""
    plain = json.dumps(_strip_digest(run), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def _strip_digest(run: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in run.items() if name != DIGEST}


def read_run(path: Path) -> dict[str, Any]:
    """The run.json in the directory ``path``, of a trace that may be unfinished.

    Raises:
        RecordError: it cannot be read, is of another schema, was changed since it was written, or an entry is
            not of its kind.
    """
    file = path / FILE
    run = read_json(file)
    check_version(file, run.get("schema"))
    if DIGEST in run and run[DIGEST] != digest_run(run):
        raise RecordError(
            f"{file} is damaged: it is not what was written (by its own digest). Restore it, or delete "
            f"{path} and trace again."
        )
    if "id" not in run:
        raise RecordError(f"{file} lacks id: trace again into a new directory.")
    for name, kinds in _KINDS.items():
        if name in run and not isinstance(run[name], kinds):
            raise _explain_wrong(file, name, run[name], " or ".join(kind.__name__ for kind in kinds))
    return run


def read_finished_run(path: Path) -> dict[str, Any]:
    """The run.json of a finished trace.

    Raises:
        IncompleteTrace: the trace was interrupted.
        RecordError: as ``read_run``, or there is none.
    """
    file = path / FILE
    if not file.is_file():
        raise RecordError(
            f"{path} is no trace: it has no run.json. A trace is what `graphpath trace` writes."
        )
    run = read_run(path)
    if not run.get("complete"):
        raise IncompleteTrace(
            f"{path} holds an unfinished trace of run {run['id']!r}: run the same `graphpath trace` "
            "again and it goes on where it stopped."
        )
    if missing := [key for key in ("parts", "counts") if key not in run]:
        raise RecordError(f"{file} lacks {', '.join(missing)}: trace again into a new directory.")
    if not all(_is_count(part) for part in run["parts"]):
        raise _explain_wrong(file, "parts", run["parts"], "numbers of parts")
    if not all(_is_count(count) for count in run["counts"].values()):
        raise _explain_wrong(file, "counts", run["counts"], "a number of rows for each table")
    return run


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _explain_wrong(file: Path, name: str, value: object, expected: str) -> RecordError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return RecordError(f"{file}: {name} is {shown}; expected {expected}. Trace again into a new directory.")
