"""What the processes of ``tests.faults.children`` are forked from: imported once, no thread started."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pandas as pd
import torch
from typer.testing import CliRunner

import graphpath.analysis
import graphpath.attacks
import graphpath.data
import graphpath.imports
import graphpath.report
import graphpath.stores.ladybug
import graphpath.tracing
import graphpath.verifying  # noqa: F401
from graphpath.cli import app
from graphpath.errors import GraphpathError
from graphpath.stores import open_store
from graphpath.studies import units
from graphpath.studies.study import Measurement
from tests.faults.privileges import give_up_privileges
from tests.stores.contents import assert_same, contents

torch.set_num_threads(1)
VOLATILE = ("Verdict", "VERDICT_ON")


def run(words: list[str], said: Path) -> None:
    """Run a command line and leave its exit status and what it printed in the file ``said``.

    It is the first of a process group, so that all it starts can be ended with it.
    """
    os.setsid()
    try:
        status, printed = OTHERS[words[0]](*words[1:]) if words[0] in OTHERS else _line(words)
    except GraphpathError as error:
        status, printed = 1, str(error)
    except BaseException:
        status, printed = 99, traceback.format_exc()
    building = said.with_suffix(".part")
    building.write_text(json.dumps([status, printed]), encoding="utf-8")
    building.replace(said)
    sys.stdout.flush()


def _line(words: list[str]) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 99, "".join(traceback.format_exception(result.exception))
    return result.exit_code, result.output


def _same_store(one: str, other: str) -> tuple[int, str]:
    """Whether two stores hold the same, verdicts' times and numbers aside."""
    held = []
    for path in (one, other):
        with open_store(path, buffer_bytes=128 << 20) as store:
            held.append({name: rows for name, rows in contents(store).items() if name not in VOLATILE})
            verdicts = len(store.query("verdicts/all"))
        held[-1]["runs"] = pd.DataFrame({"verdicts": [verdicts > 0]})
    try:
        assert_same(*held)
    except AssertionError as error:
        return 1, str(error)
    return 0, ""


def _unit(path: str) -> tuple[int, str]:
    """One unit of a study, measured where it is not there."""
    rows = pd.DataFrame({"claim": ["a"] * 500, "effect": [i / 7 for i in range(500)]})

    def make() -> tuple[Measurement, list[str]]:
        return Measurement(rows, {f"t{number}": rows for number in range(3)}), ["asked"]

    kept = units.measure_once(Path(path), make)
    return (
        (0, "") if kept.measured.effects.equals(rows) and len(kept.measured.tables) == 3 else (1, "differs")
    )


def _hang(path: str) -> tuple[int, str]:
    """Start another process, leave both numbers in the file, and never end."""
    other = subprocess.Popen(["sleep", "600"])
    Path(path).write_text(f"{os.getpid()} {other.pid}", encoding="utf-8")
    time.sleep(600)
    return 0, ""


def _unprivileged(*words: str) -> tuple[int, str]:
    """A command line as a user to whom files may be closed, which none are to root."""
    give_up_privileges()
    return _line(list(words))


def _no_room(most: str, *words: str) -> tuple[int, str]:
    """A command line that can make no file larger than ``most`` bytes, as on a disk that fills up."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
    return _line(list(words))


OTHERS = {
    "same-store": _same_store,
    "unit": _unit,
    "hang": _hang,
    "unprivileged": _unprivileged,
    "no-room": _no_room,
}
