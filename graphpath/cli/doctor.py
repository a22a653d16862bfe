"""``graphpath doctor``: what is installed, and whether a store is in order."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from graphpath.cli import arguments as a
from graphpath.cli.output import Output, output_options
from graphpath.errors import GraphpathError
from graphpath.extras import EXTRAS
from graphpath.plugins import METHODS, find_registered, format_owner

Finding = tuple[str, str, str]
"""(what was looked at, "ok" | "absent" | "wrong", detail)."""

REQUIRED = ("duckdb", "ladybug", "networkx", "numpy", "pandas", "pyarrow")
PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow"}


@output_options
def command(
    store: Annotated[str | None, typer.Option("--store", help="Also look into this store.")] = None,
    database: a.Database = None,
    *,
    output: Output,
) -> None:
    """Check the installation and, with --store, a store; exit status 1 when something is wrong."""
    import pandas as pd

    found = [
        *check_installation(),
        *check_part("queries", _check_queries),
        *check_part("methods", _check_methods),
    ]
    if store is not None:
        found += check_part("store", lambda: _check_store(store, database))
    output.show(pd.DataFrame(found, columns=["checked", "state", "detail"]))
    if any(state == "wrong" for _, state, _ in found):
        raise typer.Exit(1)


def check_installation() -> Iterator[Finding]:
    """Python, the required packages, and the optional ones."""
    yield "python", "ok", platform.python_version()
    yield "graphpath", "ok", _read_version("graphpath")
    for name in REQUIRED:
        yield (
            (name, "ok", _read_version(name)) if _is_importable(name) else (name, "wrong", "does not import")
        )
    for name, extra in EXTRAS.items():
        if _is_importable(name):
            yield name, "ok", _read_version(name) + _list_devices(name)
        else:
            yield name, "absent", f"pip install 'graphpath[{extra}]'"


def check_part(name: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What ``look`` finds; an error of graphpath's is a finding too."""
    try:
        return list(look())
    except GraphpathError as error:
        return [(name, "wrong", str(error))]


def _check_queries() -> Iterator[Finding]:
    from graphpath.queries import catalogue, find_root

    yield "queries", "ok", f"{len(catalogue())} in {find_root()}"


def _check_methods() -> Iterator[Finding]:
    """The tracing methods of other packages."""
    if not find_registered(METHODS) or not _is_importable("torch"):
        return
    from graphpath.tracing.registry import METHODS as KNOWN

    for name, method in KNOWN.items():
        if method.distribution is not None:
            yield f"method {name}", "ok", f"of {format_owner(method.distribution)}"
    for name, why in KNOWN.refused.items():
        yield f"method {name}", "wrong", why


def _check_store(uri: str, database: str | None) -> Iterator[Finding]:
    with a.open_store(uri, database) as kept:
        runs, gds = kept.runs(), kept.offers("gds")
    yield "store", "ok", f"{uri}: {len(runs)} runs"
    if "://" not in uri:
        yield "digest", *_check_digest(Path(uri))
    else:
        yield "graph data science", *(("ok", "for gds/*") if gds else ("absent", "gds/* need it"))
    for row in runs.itertuples():
        name = f"run {row.run}"
        if not row.complete:
            yield name, "wrong", "its load never finished; load its trace again, or delete it"
        elif not (Path(str(row.path)) / "run.json").is_file():
            yield name, "ok", f"its trace is no longer at {row.path}: it can be queried, not rebuilt"
        else:
            yield name, "ok", f"{row.pathways:,} pathways, {row.edges:,} edges"


def _check_digest(path: Path) -> tuple[str, str]:
    """Whether the file is as it was written; every byte is read."""
    from graphpath.stores import seal

    kept = seal.check(path, whole=True)
    return "ok" if kept else "absent", "every byte as written" if kept else "kept from the next change on"


def _is_importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _read_version(name: str) -> str:
    try:
        return version(PACKAGES.get(name, name))
    except PackageNotFoundError:
        return "not installed as a package"


def _list_devices(name: str) -> str:
    if name != "torch":
        return ""
    torch = importlib.import_module(name)
    return f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ", no CUDA device"
