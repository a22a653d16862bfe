"""What is printed: no escape sequence gets through, a full disk is told, and a closed pipe is quiet."""

from __future__ import annotations

import json
import os
import pty
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from graphpath.cli.output import Output, escape_formulas, show_table
from graphpath.cli.say import join_styled, make_console, say
from graphpath.printable import printable

MAIN = "from graphpath.cli import main; main()"
HOSTILE = "a\x1b[31mred\x07\x9b2J\u202egnp.exe\r\x00"
FULL = Path("/dev/full")


def graphpath(words: Sequence[object], **options) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", MAIN, *map(str, words)]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcödé 漢字 🙂", "plain, ünïcödé 漢字 🙂"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        (os.fsdecode(b"caf\xe9"), "caf\\udce9"),
        ("two\nlines\t\r", "two\\nlines\\t\\r"),
    ],
)
def test_what_a_terminal_obeys_is_shown_by_number(text, shown) -> None:
    assert printable(text) == shown


def test_lines_and_tabs_stay_where_a_text_may_have_several() -> None:
    assert printable("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


def test_names_are_no_markup_no_emoji_and_no_escape_sequence(capsys) -> None:
    name = f"mynet:fire: [red]x[/] {HOSTILE}"
    say(name)
    make_console().print(join_styled((name, "bold"), " ", name))
    show_table(pd.DataFrame({name: [name], "list": [[name]]}))
    shown = capsys.readouterr().out
    assert shown.count("mynet:fire: [red]x[/] a\\x1b[31mred\\x07\\x9b2J\\u202egnp.exe\\r\\x00") == 6
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r\x00")


def test_an_error_and_a_wrong_command_line_hold_no_escape_sequence() -> None:
    hostile = HOSTILE.replace("\x00", "")
    for words in (["query", hostile], [hostile], ["query", "--store"], ["trace", f"--{hostile}"]):
        done = graphpath(words, stdout=subprocess.PIPE)
        assert done.returncode in (1, 2)
        assert not set((done.stdout + done.stderr).decode()) & set("\x1b\x07\x9b\u202e\r\x00")


def test_csv_is_safe_on_a_terminal_and_as_it_is_for_a_program(capsys) -> None:
    frame = pd.DataFrame({"name": [HOSTILE, "=1+1"]})
    Output(csv=True).show(frame)
    assert HOSTILE in capsys.readouterr().out
    main, terminal = pty.openpty()
    program = f"""
import pandas as pd
from graphpath.cli.output import Output
Output(csv=True).show(pd.DataFrame({{"name": [{HOSTILE!r}]}}))
"""
    subprocess.run([sys.executable, "-c", program], stdout=terminal, check=True)
    os.close(terminal)
    shown = os.read(main, 10_000)
    os.close(main)
    assert b"\\x1b[31mred" in shown and b"\x1b" not in shown


def test_json_holds_no_control_character(capsys) -> None:
    Output(json=True).show(pd.DataFrame({"name": [HOSTILE + "\x7f"]}))
    shown = capsys.readouterr().out
    assert json.loads(shown) == [{"name": HOSTILE + "\x7f"}]
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r\x00\x7f")


def test_a_spreadsheet_gets_no_formula(capsys) -> None:
    texts = ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", " =1", "plain", "a=b", "\uff1d1"]
    frame = pd.DataFrame({"=name": texts, "score": [-1.5] * len(texts)})
    safe = escape_formulas(frame)
    assert safe.columns.tolist() == ["'=name", "score"]
    assert [text[0] == "'" for text in safe["'=name"]] == [True] * 7 + [False, False, True]
    assert safe.score.tolist() == frame.score.tolist()
    Output(csv=True, spreadsheet=True).show(frame)
    assert "\n'+1,-1.5\n" in capsys.readouterr().out


def test_spreadsheet_belongs_to_csv(call) -> None:
    assert call("query", "--list", "--spreadsheet").exit_code == 2
    assert call("query", "--list", "--spreadsheet", "--csv").exit_code == 0


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["--list"], ["--list", "--csv"], ["--list", "--json"], ["--help"]])
def test_a_full_disk_is_a_sentence(words) -> None:
    with FULL.open("wb") as full:
        done = graphpath(["query", *words], stdout=full)
    assert done.returncode == 1
    told = done.stderr.decode()
    assert told.startswith("graphpath: ") and told.count("\n") == 1
    assert "No space left" in told and "should not happen" not in told


@pytest.mark.parametrize("words", [["--list"], ["--list", "--csv"], ["--list", "--json"], ["--help"]])
def test_a_reader_that_has_gone_is_quiet(words) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = graphpath(["query", *words], stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_no_standard_output_at_all_is_no_error() -> None:
    done = graphpath(["query", "--list"], preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_parquet_file_is_whole_or_as_it_was(tmp_path) -> None:
    """Files of this process end at 4 KiB; the answer takes more."""
    file = tmp_path / "rows.parquet"
    for before in (None, b"what was there"):
        if before is not None:
            file.write_bytes(before)
        done = graphpath(
            ["query", "--list", "--parquet", file],
            stdout=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        )
        assert done.returncode == 1
        told = done.stderr.decode()
        assert told.startswith(f"graphpath: {file} cannot be written: File too large.")
        assert told.count("\n") == 1
        assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_parquet_file_goes_through_a_link_and_into_a_pipe(call, tmp_path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real.parquet")
    assert call("query", "--list", "--parquet", tmp_path / "link").exit_code == 0
    assert (tmp_path / "link").is_symlink()
    expected = pd.read_parquet(tmp_path / "real.parquet")
    done = graphpath(["query", "--list", "--parquet", "/dev/stdout"], stdout=subprocess.PIPE)
    (tmp_path / "piped").write_bytes(done.stdout)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "piped"), expected)


def test_values_of_several_types_are_refused_in_a_sentence(tmp_path) -> None:
    from graphpath.errors import GraphpathError

    frame = pd.DataFrame({"mixed": [1, "a", [2]]})
    with pytest.raises(GraphpathError, match="several types"):
        Output(parquet=tmp_path / "rows.parquet").show(frame)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_prints_in_one_place() -> None:
    """Whatever else printed would print names as they are."""
    folder = Path(__file__).resolve().parents[2] / "graphpath"
    for path in [*folder.glob("cli/*.py")]:
        if path.name != "say.py":
            text = path.read_text(encoding="utf-8")
            for other in ("typer.echo(", "typer.secho(", " print(", "escape("):
                assert other not in text, f"{path.name} prints by {other}"
