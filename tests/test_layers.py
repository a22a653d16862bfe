"""The data flow one way, and each library with its owner. Imports are read, not run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "graphpath"

REACHES = {
    "errors": set(),
    "extras": set(),
    "addresses": set(),
    "classes": set(),
    "ids": set(),
    "plugins": set(),
    "naming": {"errors"},
    "progress": set(),
    "systems": {"errors"},
    "printable": set(),
    "schema": set(),
    "shares": set(),
    "spoken": set(),
    "sql": set(),
    "locks": {"errors"},
    "tars": {"errors"},
    "titles": set(),
    "whole": {"errors"},
    "record": {"errors", "ids"},
    "shapes": set(),
    "modules": {"errors"},
    "data": {"record", "shapes"},
    "models": {"data", "modules", "record"},
    "server": {"queries"},
    "attacks": {"models", "modules", "data", "record"},
    "network": {"errors", "modules", "shapes"},
    "tracing": {"network", "models", "modules", "data", "record"},
    "attribution": {"tracing", "network", "models", "data", "record"},
    "verifying": {"shares", "tracing", "network", "models", "data", "record", "stores", "queries"},
    "stores": {"record", "queries", "server"},
    "queries": set(),
    "analysis": {"record", "stores", "queries"},
    "chance": {"record", "stores", "queries"},
    "export": {"record", "stores", "queries", "server"},
    "imports": {"record"},
    "detect": {"shares", "record", "stores", "queries", "analysis"},
    "maps": {"data", "queries", "record", "stores"},
    "report": {"record", "stores", "queries", "analysis", "export", "data"},
    "demo": {"record", "stores", "queries", "report", "tracing", "attacks", "models", "data"},
    "studies": {
        "chance",
        "detect",
        "maps",
        "record",
        "stores",
        "queries",
        "report",
        "analysis",
        "attribution",
        "tracing",
        "network",
        "attacks",
        "models",
        "modules",
        "data",
    },
    "cli": {
        "chance",
        "demo",
        "detect",
        "studies",
        "imports",
        "server",
        "record",
        "stores",
        "queries",
        "export",
        "maps",
        "report",
        "tracing",
        "verifying",
        "attacks",
        "models",
        "data",
    },
}
"""What a part may import besides ``ANYWHERE``. Nothing reaches back toward images or caller."""

ANYWHERE = {
    "addresses",
    "classes",
    "errors",
    "extras",
    "ids",
    "locks",
    "naming",
    "plugins",
    "printable",
    "progress",
    "schema",
    "spoken",
    "sql",
    "systems",
    "tars",
    "titles",
    "whole",
}

OWNERS = {
    "torch": {
        "studies",
        "demo",
        "network",
        "tracing",
        "attribution",
        "verifying",
        "models",
        "modules",
        "data",
        "attacks",
    },
    "torchvision": {"models", "data", "network"},
    "captum": {"attacks", "attribution"},
    "timm": {"models"},
    "safetensors": {"models"},
    "sklearn": {"data", "detect", "studies"},
    "scipy": {"detect", "report", "studies", "verifying"},
    "ladybug": {"stores"},
    "duckdb": {"sql", "stores"},
    "neo4j": {"stores"},
    "neo4j_viz": {"export"},
    "py2neo": {"export"},
    "matplotlib": set(),
    "jinja2": {"report"},
    "PIL": {"report", "data", "maps"},
    "typer": {"cli"},
    "rich": {"cli"},
}
"""Who may import a library."""

LAZY = {("stores", "queries"), ("stores", "server"), ("report", "data")}
"""Imports that must wait until they are used: inside a function, or for type checkers only."""


def parts() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).with_suffix("").parts[0], path


@cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """Every imported module, and whether it is imported when the file is."""
    return tuple(_find_imports(path))


def _find_imports(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text())
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in later) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield from ((f"{node.module}.{alias.name}", id(node) not in later) for alias in node.names)


def test_every_part_has_its_place() -> None:
    assert {part for part, _ in parts()} - {"__init__", "__main__"} <= REACHES.keys()


@pytest.mark.parametrize("part", sorted(REACHES))
def test_a_part_imports_only_what_lies_before_it(part: str) -> None:
    for found, path in parts():
        if found != part:
            continue
        for module, at_once in imports(path):
            names = module.split(".")
            if names[0] != "graphpath" or len(names) < 2 or names[1] not in REACHES:
                continue
            target = names[1]
            allowed = target in REACHES[part] | ANYWHERE | {part}
            assert allowed, f"{path} imports {module}"
            assert not (at_once and (part, target) in LAZY), f"{path} imports {module} too early"


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_a_library_has_its_owner(library: str) -> None:
    for part, path in parts():
        for module, _ in imports(path):
            if module.split(".")[0] == library:
                assert part in OWNERS[library], f"{path} imports {library}"


BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""
TRACING = ("torch", "torchvision", "captum", "sklearn")


def without(blocked: tuple[str, ...], program: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run ``program`` where the ``blocked`` modules cannot be imported."""
    text = BLOCKED.format(blocked=set(blocked)) + program
    return subprocess.run(
        [sys.executable, "-c", text, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=PACKAGE.parent,
    )


def test_importing_graphpath_imports_nothing_heavy() -> None:
    program = "import graphpath, sys; print(*sorted(sys.modules))"
    loaded = set(without((), program).stdout.split())
    assert "graphpath" in loaded
    assert not loaded & {*TRACING, "pandas", "ladybug", "duckdb", "jinja2", "PIL"}


def test_the_query_side_works_without_torch(tmp_path: Path) -> None:
    from graphpath.stores import open_store
    from tests.imports.published import write_summit
    from tests.synthetic import write_trace

    trace = write_trace(tmp_path / "clean", run="clean", samples=8)
    [summit] = write_summit(tmp_path / "json", graphs=1)
    store = tmp_path / "a.lbdb"
    cli = "from graphpath.cli import main; main()"
    for words in (
        ["load", trace.path, "--store", store],
        ["runs", "--store", store],
        ["schema", "--store", store],
        ["query", "--list"],
        ["import", "summit", summit, "--out", tmp_path / "summit"],
        ["query", "categories/similarity", "--store", store],
        ["report", "--store", store, "--out", tmp_path / "page"],
        ["doctor", "--store", store],
        ["trace", "--help"],
    ):
        done = without(TRACING, cli, *words)
        assert done.returncode == 0, (words, done.stderr)
    with open_store(store) as opened:
        assert len(opened.runs()) == 1


@pytest.mark.parametrize("module", ["data", "models", "attacks", "network", "tracing", "verifying"])
def test_a_part_that_needs_torch_says_what_to_install(module: str) -> None:
    program = f"""
from graphpath.errors import MissingExtra
try:
    import graphpath.{module}
except MissingExtra as error:
    print(error)
"""
    said = without(("torch",), program).stdout
    assert said.startswith("graphpath.") and "needs torch" in said and "'graphpath[trace]'" in said


def test_windows_is_told_what_runs_there() -> None:
    """Where there are no file locks: an ImportError of ours, and a sentence on the command line."""
    for words in (["runs", "--store", "a.lbdb"], ["--help"]):
        done = without(("fcntl",), "from graphpath.cli import main; main()", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("graphpath: graphpath runs on Linux and macOS")
        assert len(done.stderr.splitlines()) == 1
    program = (
        "import graphpath as gp\ntry: gp.open('a.lbdb')\n"
        "except ImportError as error: print(type(error).__name__)"
    )
    assert without(("fcntl",), program).stdout.split() == ["UnsupportedSystem"]


def test_what_the_main_functions_need_is_told() -> None:
    done = without(("torch",), "import graphpath as gp; gp.trace")
    assert done.stderr.splitlines()[-1] == (
        "graphpath.errors.MissingExtra: graphpath.tracing needs torch, which is not installed: "
        "pip install 'graphpath[trace]'."
    )


def test_every_extra_that_is_told_exists_and_brings_its_module() -> None:
    import tomllib

    from graphpath.extras import EXTRAS

    packages = {"sklearn": "scikit-learn", "PIL": "pillow", "neo4j_viz": "neo4j-viz"}
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    for module, extra in EXTRAS.items():
        wanted = packages.get(module, module)
        brought = [re.split(r"[=<>\[]", line)[0] for line in project["optional-dependencies"][extra]]
        assert wanted in brought, module


def test_a_verb_that_needs_torch_says_so() -> None:
    done = without(
        TRACING, "from graphpath.cli import main; main()", "train", "--data", "digits", "--out", "x.pt"
    )
    assert done.returncode == 1
    assert "graphpath[trace]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_without_its_extra_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.lbdb").write_text("")
    words = ["report", "--store", tmp_path / "a.lbdb", "--out", tmp_path]
    done = without(("jinja2",), "from graphpath.cli import main; main()", *words)
    assert done.returncode == 1
    assert "graphpath[report]" in done.stderr
