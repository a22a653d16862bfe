"""A small package from outside the tree: a tracing method, and a folder of queries."""

from __future__ import annotations

from pathlib import Path

from tests.queries.outside import write_folder

MODULE = '''\
"""The loudest neurons, and nothing else."""

from __future__ import annotations

from typing import Literal

from graphpath.tracing import Batch, Method, Selection, join, most


def select(batch: Batch, *, sparsity: float = 0.5, sign: Literal["any", "positive"] = "any") -> Selection:
    """The neurons with the largest activations."""
    output = batch.held.output
    return join(batch, most(batch, output.abs() if sign == "any" else output.clamp(min=0), sparsity))


METHOD = Method("loudest", "a test", False, select)


def method() -> Method[Selection]:
    return METHOD
'''
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "loud-ways"
version = "1.2"
dependencies = ["graphpath"]

[project.entry-points."graphpath.methods"]
loudest = "loud:method"

[tool.hatch.build.targets.wheel]
include = ["loud"]
"""


def write_source(folder: Path) -> Path:
    """The package's source, as its author has it; its queries are in ``loud/queries``."""
    package = folder / "loud"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MODULE)
    (folder / "pyproject.toml").write_text(PROJECT)
    write_folder(package / "queries")
    return folder


def write_installed(
    folder: Path, points: dict[str, str], module: str = MODULE, name: str = "loud-ways", version: str = "1.2"
) -> Path:
    """``folder`` as if the package were installed in it, its module ``NAME`` with underscores."""
    module_name = name.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module_name}.py").write_text(module)
    info = folder / f"{module_name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "".join(f"{point} = {module_name}:{value}\n" for point, value in points.items())
    (info / "entry_points.txt").write_text(f"[graphpath.methods]\n{lines}")
    return folder
