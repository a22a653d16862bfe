"""How failures are told: one sentence, an exit status, never a traceback unless it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from graphpath.cli import failures
from graphpath.cli.failures import guard
from graphpath.errors import DataError


def fails_with(error: BaseException):
    def verb() -> None:
        """A verb."""
        raise error

    app = typer.Typer()
    app.command()(guard(verb))
    return CliRunner().invoke(app, [])


def test_our_own_error_is_its_message() -> None:
    result = fails_with(DataError("a.png cannot\nbe [read]: expected a PNG."))
    assert result.exit_code == 1
    assert result.stderr == "graphpath: a.png cannot be [read]: expected a PNG.\n"


def test_an_interruption_says_how_to_go_on() -> None:
    result = fails_with(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == "graphpath: Interrupted; nothing was changed.\n"


def test_every_verb_that_works_long_says_what_an_interruption_leaves() -> None:
    from graphpath.cli import attack, demo, load, report, trace, train

    for verb in (attack, demo, load, report, trace, train):
        assert verb.INTERRUPTED and not verb.INTERRUPTED.endswith(".")


def test_an_unexpected_error_is_told_with_its_type_and_what_to_do() -> None:
    result = fails_with(ZeroDivisionError("by zero"))
    assert result.exit_code == 1
    assert "ZeroDivisionError: by zero" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_package_names_the_extra() -> None:
    result = fails_with(ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert "pip install 'graphpath[trace]'" in result.stderr


def test_with_debug_the_error_itself_comes() -> None:
    token = failures.debugging.set(True)
    try:
        assert isinstance(fails_with(DataError("x")).exception, DataError)
    finally:
        failures.debugging.reset(token)


@pytest.mark.parametrize("words", [["trace", "--data", "digits"], ["nonsense"], ["trace", "--limit", "many"]])
def test_a_command_line_that_cannot_be_parsed_exits_with_two(call, words) -> None:
    assert call(*words).exit_code == 2


def test_a_reader_that_goes_away_is_no_error(store) -> None:
    program = "from graphpath.cli import main; main()"
    words = [
        sys.executable,
        "-c",
        program,
        "query",
        "categories/exclusive_edges",
        "--store",
        str(store),
        "--csv",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
