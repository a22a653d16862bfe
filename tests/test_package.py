"""The package as others see it: its names, types, version, and the licences of what it installs."""

from __future__ import annotations

import builtins
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import graphpath as gp
from graphpath.errors import GraphpathError, MissingExtra
from graphpath.extras import LICENCES
from tests.queries.test_packaging import copied

PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

SCRIPT = """\
import graphpath as gp

def asked(trace: gp.Trace, method: gp.Method[object]) -> int:
    with gp.open("a.lbdb") as store:
        store.load(trace)
        reveal_type(store.query("runs/all"))
        reveal_type(store.explain("browse/sample"))
        reveal_type(store.runs())
    reveal_type(gp.open)
    reveal_type(gp.trace)
    reveal_type(gp.verify)
    reveal_type(gp.METHODS)
    reveal_type(gp.__version__)
    reveal_type(method.options)
    return trace.counts["edges"]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    build = (
        "import hatchling.build, sys; hatchling.build.build_wheel(sys.argv[1]); "
        "hatchling.build.build_sdist(sys.argv[1])"
    )
    source = copied(folder / "source")
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=source, check=True, capture_output=True)
    return folder


def test_every_public_name_is_there_and_none_beside() -> None:
    pytest.importorskip("torch", reason="the extra trace is not installed")
    assert {*gp.__all__, "open", "__version__"} == set(dir(gp))
    assert all(getattr(gp, name) is not None for name in dir(gp))
    with pytest.raises(AttributeError, match="no attribute 'opened'"):
        gp.opened  # noqa: B018


def test_a_star_import_leaves_open_alone() -> None:
    pytest.importorskip("torch", reason="the extra trace is not installed")
    names: dict[str, object] = {}
    exec("from graphpath import *; found = open", names)
    assert names["found"] is builtins.open
    assert {*gp.__all__} <= names.keys()
    assert gp.open is not builtins.open


def test_it_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "graphpath", "--help"], capture_output=True, text=True)
    assert ran.returncode == 0 and "trace" in ran.stdout and "load" in ran.stdout


def test_a_missing_extra_is_an_import_error_too() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "try:\n    from graphpath import trace\n"
        "except ImportError as error:\n"
        "    import graphpath\n"
        "    assert error.name == 'torch' and isinstance(error, graphpath.GraphpathError), error\n"
        "else:\n    raise SystemExit('no refusal')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert issubclass(MissingExtra, ImportError) and issubclass(MissingExtra, GraphpathError)


def test_the_version_stands_in_one_place(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    assert wheel.name.startswith(f"graphpath-{gp.__version__}-")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("METADATA")]
        told = archive.read(name).decode()
    assert f"\nVersion: {gp.__version__}\n" in told
    assert "\nLicense-Expression: Apache-2.0\n" in told
    assert "\nClassifier: Typing :: Typed\n" in told
    assert "-URL:" not in told  # there is no address to give
    command = [sys.executable, "-c", "from graphpath.cli import main; main()", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [
        "graphpath",
        gp.__version__,
    ]


def test_the_types_are_in_what_is_built(built: Path) -> None:
    [wheel], [sdist] = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        assert "graphpath/py.typed" in archive.namelist()
    with tarfile.open(sdist) as archive:
        assert f"graphpath-{gp.__version__}/graphpath/py.typed" in archive.getnames()


def test_the_changelog_has_the_form_that_tools_read(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("graphpath/CHANGELOG.md").decode()
    versions = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    kinds = re.findall(r"^### (.*)$", text, flags=re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.slow
def test_a_strict_script_sees_real_types(built: Path, tmp_path: Path) -> None:
    """A user's script outside the checkout, the wheel installed beside what it needs."""
    pytest.importorskip("mypy", reason="the extra dev is not installed")
    pytest.importorskip("torch", reason="the extra trace is not installed")
    python = installed(built, tmp_path / "venv")
    (tmp_path / "script.py").write_text(SCRIPT)
    # What torch brings is not of this package, and takes a minute to read.
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-torch.*,sympy.*,numpy.*]\nfollow_imports = skip\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "script.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key not in ("MYPYPATH", "PYTHONPATH")},
    )
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(revealed) == SCRIPT.count("reveal_type(")
    for kind, expected in zip(
        revealed,
        [
            ".DataFrame",
            "str",
            ".DataFrame",
            ".Store",
            ".Trace",
            ".Verdict",
            ".Methods",
            "str",
            "dict[",
        ],
        strict=True,
    ):
        assert expected in kind and kind != "Any", (kind, expected)


def installed(built: Path, folder: Path) -> Path:
    """A fresh environment with the wheel in it, that sees what is installed here; its Python."""
    venv.create(folder, with_pip=False)
    [site] = folder.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        archive.extractall(site)
    here = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "here.pth").write_text("\n".join(here))
    return folder / "bin" / "python"


def test_what_all_installs_is_under_no_licence_stricter_than_ours() -> None:
    """GPL alone would bind whoever passes it on with graphpath; LGPL, MPL and a choice of several do not."""
    found = {package: licence(package) for package in needed(["graphpath[all]"])}
    assert {"duckdb", "torch", "neo4j", "py2neo", "jinja2"} <= found.keys()
    assert "neo4j-viz" not in found
    assert not {package: text for package, text in found.items() if gpl_only(text)}


def test_an_extra_under_gpl_says_so_by_its_name() -> None:
    for extra in EXTRAS:
        if extra == "dev":
            continue
        binding = [name for name in needed([f"graphpath[{extra}]"]) if gpl_only(licence(name))]
        assert bool(binding) == extra.endswith("-gpl") == (extra in LICENCES), (extra, binding)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPL-3.0-only", True),
        ("GPLv2", True),
        ("AGPL-3.0-or-later", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("LGPL-3.0-or-later", False),
        ("GNU Lesser General Public License v3 or later (LGPLv3+)", False),
        ("MIT OR GPL-2.0-only", False),
        ("Apache-2.0", False),
        ("", False),
    ],
)
def test_what_counts_as_gpl(text: str, expected: bool) -> None:
    assert gpl_only(text) is expected


def gpl_only(text: str) -> bool:
    return not re.search(r"\bOR\b", text) and bool(
        re.search(r"(?<!L)GPL|(?<!Lesser )General Public License", text.replace("LGPL", ""))
    )


def licence(package: str) -> str:
    """What the package says of its licence, in one line."""
    told = metadata.metadata(package)
    if expression := told.get("License-Expression"):
        return expression
    classes = [text for text in told.get_all("Classifier") or [] if text.startswith("License ::")]
    first = (told.get("License") or "").strip().splitlines()[:1]
    return "; ".join(first + [text.rpartition(" :: ")[2] for text in classes])


def needed(asked: list[str]) -> Iterator[str]:
    """The packages that ``asked`` bring here, by name, those that are installed."""
    seen: set[tuple[str, str]] = set()
    waiting = [(text, "") for text in asked]
    while waiting:
        text, extra = waiting.pop()
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        for one in ("", *wanted.extras):
            if (name, one) not in seen:
                seen.add((name, one))
                waiting += [(more, one) for more in requirements(name, one)]
    yield from sorted({name for name, _ in seen if name != "graphpath" and is_here(name)})


def requirements(name: str, extra: str) -> list[str]:
    if name == "graphpath":  # as the project file says now, whatever was installed once
        return list(EXTRAS[extra] if extra else PROJECT["dependencies"])
    return metadata.requires(name) or [] if is_here(name) else []


def is_here(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
