"""The query files are found in a checkout, in an editable install, and in a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from graphpath import queries

CHECKOUT = Path(__file__).resolve().parents[2]
LIST = "from graphpath import queries; print(queries.find_root()); print(*queries.catalogue())"


def listed(path: Path) -> tuple[Path, list[str]]:
    """Where graphpath finds its queries when it is imported from ``path``, and their names."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", LIST]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=path)
    where, names = output.stdout.splitlines()
    return Path(where), names.split()


def copied(folder: Path) -> Path:
    """What a wheel is built from, copied, so that the build leaves nothing in the checkout."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("graphpath", "cypher"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (CHECKOUT / name).exists():
            shutil.copy(CHECKOUT / name, folder / name)
    (folder / "README.md").touch()
    return folder


def test_a_checkout_uses_the_folder_beside_the_package() -> None:
    """An editable install imports the package from the checkout too."""
    where, names = listed(CHECKOUT)
    assert where == CHECKOUT / "cypher"
    assert names == list(queries.catalogue())


def test_a_wheel_holds_every_query_and_finds_it(tmp_path: Path) -> None:
    build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=copied(tmp_path / "source"), check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    files = {path.relative_to(CHECKOUT / "cypher") for path in (CHECKOUT / "cypher").rglob("*.cypher")}
    unpacked = tmp_path / "site" / "graphpath" / "cypher"
    assert {path.relative_to(unpacked) for path in unpacked.rglob("*.cypher")} == files
    where, names = listed(tmp_path / "site")
    assert where == unpacked
    assert names == list(queries.catalogue())


def test_querying_needs_no_torch() -> None:
    code = "import sys; from graphpath import queries; queries.catalogue(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CHECKOUT)
