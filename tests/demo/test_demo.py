"""The demo end to end: its files, its answers, its reruns, and whose directories it leaves alone."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from graphpath.demo import run_demo
from graphpath.demo.directory import claim
from graphpath.errors import DataError


class Recorder:
    """Remembers what the demo reports."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.words: list[str] = []
        self.answers: list[tuple[int, str, str]] = []
        self.tables: list[tuple[pd.DataFrame, str]] = []

    @contextmanager
    def begin_step(self, title: str, unit: str):
        self.steps.append(title)
        yield lambda done, total: None

    def end_step(self, words: str) -> None:
        self.words.append(words)

    def show_answer(self, number: int, question: str, answer: str) -> None:
        self.answers.append((number, question, answer))

    def show_table(self, frame: pd.DataFrame, command: str) -> None:
        self.tables.append((frame, command))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder]:
    out, told = tmp_path_factory.mktemp("demo") / "out", Recorder()
    assert run_demo(out, seed=1, show=told) == out / "report.html"
    return out, told


def test_it_goes_all_the_way(ran: tuple[Path, Recorder]) -> None:
    out, told = ran
    names = {path.name for path in out.iterdir()}
    assert {"demo.json", "cnn-digits.pt", "images", "traces", "pathways.lbdb", "report.html"} <= names
    assert [number for number, _, _ in told.answers] == [1, 2, 3]
    assert "<svg" in (out / "report.html").read_text()


def test_the_readme_loads_its_traces(ran: tuple[Path, Recorder]) -> None:
    from tests.documents import commands

    loads = [command.words for command in commands() if "graphpath-demo/traces" in command.text]
    assert loads
    for words in loads:
        for word in words:
            if word.startswith("graphpath-demo/"):
                assert (ran[0] / word.removeprefix("graphpath-demo/") / "run.json").is_file()


def test_the_tables_are_what_their_commands_give(ran: tuple[Path, Recorder]) -> None:
    import io
    import shlex

    from typer.testing import CliRunner

    from graphpath.cli import app

    for frame, command in ran[1].tables:
        words = shlex.split(command)
        assert words[0] == "graphpath"
        again = CliRunner().invoke(app, [*words[1:], "--csv"])
        assert again.exit_code == 0, again.output
        read = pd.read_csv(io.StringIO(again.stdout), dtype=frame.dtypes.astype(str).to_dict())
        pd.testing.assert_frame_equal(read, frame, check_dtype=False)


def test_images_of_one_class_are_more_alike_than_of_two(ran: tuple[Path, Recorder]) -> None:
    """What the demo shows must be so: class pathways mean something, and attacks divert."""
    tables = {command.split()[2]: frame for frame, command in ran[1].tables}
    alike = tables["categories/consistency"].set_index("layer")
    assert (alike.weighted_J_within > 3 * alike.weighted_J_between).all()
    asked = [frame for frame, command in ran[1].tables if "pathways/largest_overlap" in command]
    assert [[*frame.what.unique()] for frame in asked] == [["edges", "neurons"], ["edges", "feature maps"]]
    overlap = asked[0].set_index(["what", "relation"]).J
    assert all(overlap[what, "within"] > 1.5 * overlap[what, "across"] for what in ("neurons", "edges"))
    diverted = tables["adversarial/divergence"].set_index("layer")
    assert diverted.weighted_J[-1] < 0.6
    assert tables["adversarial/pairs"].fooled.any()


def test_run_again_it_takes_up_what_is_there_and_says_the_same(ran: tuple[Path, Recorder]) -> None:
    out, told = ran
    kept = [out / "cnn-digits.pt", *(out / "traces").rglob("*.parquet")]
    before = [path.stat().st_mtime_ns for path in kept]
    again = Recorder()
    run_demo(out, seed=1, show=again)
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert again.answers == told.answers


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answers_elsewhere(ran: tuple[Path, Recorder], tmp_path: Path) -> None:
    again = Recorder()
    run_demo(tmp_path / "elsewhere", seed=1, show=again)
    assert again.answers == ran[1].answers
    for (frame, _), (other, _) in zip(ran[1].tables, again.tables, strict=True):
        pd.testing.assert_frame_equal(frame, other, check_exact=False, rtol=1e-6)


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="no demo directory"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(DataError, match="no demo directory"):
        run_demo(tmp_path / "thesis.tex")


def test_another_seed_begins_anew_and_removes_only_the_demos_own_files(tmp_path: Path) -> None:
    claim(tmp_path / "demo", 0)
    for name in ("cnn-digits.pt", "pathways.lbdb", "notes.txt"):
        (tmp_path / "demo" / name).write_text("")
    (tmp_path / "demo" / "traces" / "original").mkdir(parents=True)
    claim(tmp_path / "demo", 0)
    assert (tmp_path / "demo" / "cnn-digits.pt").exists()
    claim(tmp_path / "demo", 5)
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["demo.json", "notes.txt"]
    assert json.loads((tmp_path / "demo" / "demo.json").read_text())["seed"] == 5
