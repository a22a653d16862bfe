"""The README: its set-up, its picture, and what it must not hold."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.documents import CHECKOUT, documents, text_of

README = text_of("README.md")


def test_it_is_read_in_five_minutes() -> None:
    assert len(README.encode()) <= 12_288


def test_two_commands_do_all_set_up() -> None:
    found = [line for line in README.splitlines() if line.startswith("python3 -m venv ")]
    assert len(found) == 2
    assert found[0].endswith(".venv/bin/graphpath demo")
    assert found[1].endswith(".venv/bin/python -m pytest -n auto --dist loadgroup")


def test_ci_runs_the_readmes_own_test_command() -> None:
    script = (CHECKOUT / ".ci" / "run").read_text()
    pattern = re.search(r"grep --max-count=1 '([^']+)' README.md", script)
    assert pattern is not None
    matched = [line for line in README.splitlines() if re.search(pattern[1], line)]
    assert len(matched) == 1
    assert subprocess.run(["bash", "-n", CHECKOUT / ".ci" / "run"], check=False).returncode == 0


def test_the_picture_is_a_small_svg_that_fetches_nothing() -> None:
    from xml.etree import ElementTree

    from graphpath.report.standalone import read_style

    text = (CHECKOUT / "graphpath" / "report" / "example.svg").read_text()
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert f"<style>{read_style()}</style>" in text
    assert len(text) < 100_000
    assert not re.search(r'href="(?!data:|#)', text)
    assert {*re.findall(r'href="#([^"]+)"', text)} == {*re.findall(r'<symbol id="([^"]+)"', text)}


@pytest.mark.parametrize("document", documents())
def test_no_registry_and_no_path_of_a_machine_is_named(document: str) -> None:
    assert not re.search(r"pypi|pythonhosted|conda|/work/|/home/|/tmp/|/root/", text_of(document))


def test_the_dockerfile_copies_what_exists_and_does_not_run_as_root() -> None:
    text = (CHECKOUT / "docker" / "Dockerfile").read_text()
    for copied in re.findall(r"^COPY (.+) \S+$", text, flags=re.MULTILINE):
        assert all((CHECKOUT / name).exists() for name in copied.split())
    assert re.search(r"^FROM python:3\.\d+\.\d+-slim-\w+$", text, flags=re.MULTILINE)
    assert text.index("USER graphpath") < text.index("ENTRYPOINT")
