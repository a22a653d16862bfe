"""Every command of every document runs in the state that the document has built by then.

The networks and images are fewer than the documents' (``SMALLER``), names that depend on them are looked up
(``LOOKED_UP``), and what is too dear or needs another machine is named with its reason (``LEFT_OUT``).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from graphpath.cli import app
from graphpath.server import Server
from tests import samples
from tests.documents import Command, commands
from tests.synthetic import write_trace

pytest.importorskip("torch")

LEFT_OUT = {
    r"python3 -m venv": "installs graphpath anew, over the network",
    r"graphpath demo$": "a minute: tests/demo runs it",
    r"graphpath query .*--store graphpath-demo/": "the demo's own: tests/demo asks what it tells",
    r"graphpath study (--all|lyu|effective_path)": "minutes to hours: tests/studies runs them on few images",
    r"graphpath train --data cifar10": "two hours, on CIFAR-10",
    r"graphpath neo4j (start|stop|status|browser)": "tests/server starts, opens and stops servers",
    r"graphpath query gds/": "tests/stores/contract/test_gds.py, which has the library, asks them",
    r"(cp docker/|docker )": "needs Docker: .ci/run builds the image",
    r"graphpath import summit class-graphs-even": "needs Summit's published file: tests/imports reads a part",
    r"graphpath query .*--store summit\.lbdb": "needs Summit's published file: tests/imports reads a part",
    r"graphpath (export graphml|verify --cypher)$": "named within a sentence: tests/cli runs them",
}
"""Commands that are not run here, and why."""

SMALLER: dict[str, str] = {
    r"^graphpath train .*": " --epochs 2 --limit 600",
    r"^graphpath (attack|trace) (?!.*(--limit|--split train|--data (attacked|adversarial))).*": " --limit 40",
    r"^graphpath trace .*--split train.*": " --limit 80",  # the classes' run is the one of most originals
    r"^graphpath verify .*": " --draws 2",
}
"""What is added to commands that fit."""


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    status: int
    stdout: str
    stderr: str


def reason(command: Command) -> str | None:
    return next((why for pattern, why in LEFT_OUT.items() if re.match(pattern, command.text)), None)


def smaller(text: str) -> str:
    text = text.replace("--limit 100", "--limit 20")
    return text + "".join(more for pattern, more in SMALLER.items() if re.match(pattern, text))


RUN = [command for command in commands() if reason(command) is None]


class Sandbox:
    """Where the documents' commands are run one after the other: in the current folder."""

    def __init__(self, server: Callable[[], Server]) -> None:
        self.server = server

    def run(self, command: Command) -> Ran:
        text = smaller(command.text)
        for pattern, look in LOOKED_UP.items():
            if re.search(pattern, text):
                text = re.sub(pattern, look(self), text)
        if not command.ours:
            shown = subprocess.run(text, shell=True, capture_output=True, text=True, check=False)
            return Ran(shown.returncode, shown.stdout, shown.stderr)
        result = CliRunner().invoke(app, shlex.split(text, comments=True)[1:])
        return Ran(result.exit_code, result.stdout, result.stderr)

    def on_server(self) -> str:
        """The address of the real server, whose password the environment tells."""
        server = self.server()
        os.environ["GRAPHPATH_NEO4J_PASSWORD"] = server.password
        return server.uri

    def attacked(self) -> str:
        """One of the five images that the document has scored."""
        words = (
            "detect score --detector detector.json --store digits.lbdb --model digits.pt --data attacked/bim"
        )
        CliRunner().invoke(app, [*words.split(), "--limit", "5", "--parquet", "scored.parquet"])
        return str(pd.read_parquet("scored.parquet")["sample"][0])


LOOKED_UP: dict[str, Callable[[Sandbox], str]] = {
    r"bolt://(localhost|127\.0\.0\.1):7687": Sandbox.on_server,
    r"(?<=--explain )\d+": Sandbox.attacked,
    r"^python(?= )": lambda _: shlex.quote(sys.executable),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Path]:
    """A folder for each document, and for the samples at the README's end, with what they begin with."""
    made = {chapter: tmp_path_factory.mktemp("document") for chapter in _chapters()}
    for (document, made_up), folder in made.items():
        if made_up:
            samples.sample_store(folder).close()
        elif document != "README.md":
            write_trace(folder / "traces" / "clean", run="clean")
    return made


@pytest.fixture(scope="module")
def done() -> set[Command]:
    """The commands that were run already."""
    return set()


def _chapters() -> dict[tuple[str, bool], list[Command]]:
    chapters: dict[tuple[str, bool], list[Command]] = {}
    for command in RUN:
        chapters.setdefault((command.document, command.sample), []).append(command)
    return chapters


@pytest.mark.parametrize("command", RUN, ids=lambda command: f"{command.document}:{command.line}")
def test_it_runs_and_answers(
    command: Command,
    folders: dict[tuple[str, bool], Path],
    done: set[Command],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After all those before it: they are run first where this one is asked for alone."""
    chapter = (command.document, command.sample)
    monkeypatch.chdir(folders[chapter])
    monkeypatch.setenv("GRAPHPATH_NEO4J_PASSWORD", "")
    sandbox = Sandbox(lambda: request.getfixturevalue("neo4j_server"))
    for before in _chapters()[chapter]:
        if before == command:
            break
        if before not in done:
            done.add(before)
            sandbox.run(before)
    done.add(command)
    result = sandbox.run(command)
    assert result.status == 0, f"{command.text}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    assert "(no rows)" not in result.stdout, command.text
    if "--csv" in command.words:
        assert len(result.stdout.splitlines()) > 1, command.text


def test_nothing_is_left_out_that_is_no_longer_there() -> None:
    for pattern in LEFT_OUT:
        assert any(re.match(pattern, command.text) for command in commands()), pattern
    assert len(RUN) > 60


def test_the_demos_own_commands_are_those_that_it_tells() -> None:
    """As questions: their ids are of the network that the demo has trained."""
    from graphpath.demo import questions

    told = Path(questions.__file__).read_text(encoding="utf-8")
    for command in commands():
        if "--store graphpath-demo/" in command.text:
            assert f'"{command.words[2]}"' in told
