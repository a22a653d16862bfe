"""The README: its commands, its query table, its Python, and what it must not hold."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graphpath import queries
from graphpath.cli import app
from graphpath.server import Server

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def graphpath_lines() -> list[list[str]]:
    """Every graphpath command of the README, transcript included, as words."""
    text = "\n".join([*blocks("sh"), *blocks("")]).replace("\\\n", " ")
    lines = [line.removeprefix("$ ").strip() for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("graphpath ")]


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


@pytest.mark.parametrize("words", graphpath_lines(), ids=" ".join)
def test_every_command_has_its_verb_and_options(words: list[str]) -> None:
    verb, given = words[1], [word.partition("=")[0] for word in words if word.startswith("--")]
    verbs = words[1:3] if verb in ("detect", "export", "import", "neo4j") else [verb]
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*verbs, "--help"])
    assert shown.exit_code == 0
    known = set(re.findall(r"--[a-z-]+", shown.stdout))
    if verb == "query" and not words[2].startswith("--"):
        known |= {f"--{name.replace('_', '-')}" for name in queries.find(words[2]).parameters}
    assert set(given) <= known


def test_the_query_table_is_the_catalogue() -> None:
    rows = [f"| `{name}` | {query.title} |" for name, query in queries.catalogue().items()]
    expected = "\n".join(["| query | answers |", "|---|---|", *rows])
    shown = README.split("<!-- queries -->\n")[1].split("\n<!-- end of queries -->")[0]
    assert shown == expected, f"Put this between the marks:\n{expected}"


def test_the_python_example_runs(tmp_path: Path) -> None:
    example = "\n".join([*blocks("python")[:2], *blocks("py")])
    program = f"{example}\nprint(len(shared), mine.columns.tolist(), graph.number_of_edges())"
    program += "\nassert min(map(len, (crossed, vectors, key, chains, verdict.decision))) > 0"
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", program],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shared, _, _, edges = done.stdout.split()
    assert int(shared) > 0 and int(edges) > 0
    assert "['layer', 'neurons']" in done.stdout


def test_the_ways_out_of_neo4j_run(neo4j_server: Server, tmp_path: Path) -> None:
    from graphpath.stores import open_store
    from tests.synthetic import write_trace

    pytest.importorskip("py2neo", reason="the extra py2neo is not installed")
    pytest.importorskip("neo4j_viz", reason="the extra viz-gpl is not installed")
    write_trace(tmp_path / "traces" / "clean")
    with open_store(neo4j_server.uri, password=neo4j_server.password) as store:
        for run in store.runs().run:
            store.delete(run)
    example = blocks("python")[2]
    assert example.count("bolt://localhost:7687") == 2
    program = example.replace("bolt://localhost:7687", neo4j_server.uri)
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nprint(len(neurons), len(places), len(picture.data))"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**_environment(), "GRAPHPATH_NEO4J_PASSWORD": neo4j_server.password},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(int(size) > 0 for size in done.stdout.split())
    assert (tmp_path / "pathway.graphml").stat().st_size > 1000


def test_every_path_that_it_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (CHECKOUT / target).is_file(), target


def test_the_picture_is_a_small_svg_that_fetches_nothing() -> None:
    from xml.etree import ElementTree

    from graphpath.report.standalone import style

    text = (CHECKOUT / "graphpath" / "report" / "example.svg").read_text()
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert f"<style>{style()}</style>" in text
    assert len(text) < 100_000
    assert not re.search(r'href="(?!data:)', text)


def test_no_registry_and_no_path_of_a_machine_is_named() -> None:
    assert not re.search(r"pypi|pythonhosted|conda|/work/|/home/|/tmp/|/root/", README)


def test_the_dockerfile_copies_what_exists_and_does_not_run_as_root() -> None:
    text = (CHECKOUT / "docker" / "Dockerfile").read_text()
    for copied in re.findall(r"^COPY (.+) \S+$", text, flags=re.MULTILINE):
        assert all((CHECKOUT / name).exists() for name in copied.split())
    assert re.search(r"^FROM python:3\.\d+\.\d+-slim-\w+$", text, flags=re.MULTILINE)
    assert text.index("USER graphpath") < text.index("ENTRYPOINT")


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(CHECKOUT)}
