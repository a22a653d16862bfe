"""The server's jars: fetched once by Maven into the cache, whole or not at all.

Neo4j Community and OpenGDS are licensed under the GPL; they are downloaded by the user's own Maven and not
part of graphpath. Where Maven looks (a mirror, a proxy) is set in the user's Maven settings.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

from graphpath.errors import ServerError
from graphpath.server import paths

POM: Final = files("graphpath.server").joinpath("pom.xml")
MANIFEST: Final = "manifest.json"
PLUGINS: Final = "plugins"
"""The folder, within the jars', of those that Neo4j searches for procedures."""
_REMEDY: Final = "set GRAPHPATH_CACHE to a folder that can be written"

Say = Callable[[str], None]


def version(component: str = "neo4j") -> str:
    """The version of Neo4j (or "browser", "gds") that the pom names."""
    found = re.search(
        rf"<{component}\.version>([\w.]+)</{component}\.version>", POM.read_text(encoding="utf-8")
    )
    assert found is not None, "the pom states the version"
    return found[1]


def folder_name(*, gds: bool = False) -> str:
    """What the folder of the jars is called in the cache."""
    return f"{version()}-gds-{version('gds')}" if gds else version()


def ensure_jars(
    cache: Path | None = None, *, gds: bool = False, say: Say = lambda _: None, timeout: float = 1800
) -> Path:
    """The folder with the server's jars, fetched where it is missing or damaged.

    Args:
        cache: the cache folder; ``paths.default_cache()`` where None.
        gds: with OpenGDS, whose jars lie in the folder ``plugins`` within.
        say: called with a sentence when a download begins.
        timeout: seconds that Maven may take.

    Raises:
        ServerError: no Maven, a download that failed, or a cache that cannot be written.
    """
    root = paths.make_private_folder((cache or paths.default_cache()) / "neo4j", _REMEDY)
    folder = root / folder_name(gds=gds)
    if is_complete(folder):
        return folder
    with paths.hold_lock(root / "lock", "", wait=True):
        # Another process may have fetched it while this one waited.
        if not is_complete(folder):
            what = "and OpenGDS (about 170 MB" if gds else "(about 140 MB"
            say(f"Fetching Neo4j {version()} {what}, once) into {folder} ...")
            _fetch(root, folder, gds, timeout)
    return folder


def is_complete(folder: Path) -> bool:
    """Whether every file of the manifest is in ``folder`` with its size."""
    try:
        sizes = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _fetch(root: Path, folder: Path, gds: bool, timeout: float) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerError(
            "Neo4j is fetched with Maven, and there is no mvn on the path: install it (Debian and Ubuntu: "
            "apt install maven), or use docker/compose.yaml."
        )
    _sweep(root)
    try:
        staged = Path(tempfile.mkdtemp(prefix=".partial-", dir=root))
    except OSError as error:
        raise ServerError(f"{root} cannot be written to ({error.strerror}); {_REMEDY}.") from error
    try:
        _run_maven(maven, staged, gds, timeout)
        _seal(staged, gds)
        shutil.rmtree(folder, ignore_errors=True)
        staged.rename(folder)
    except OSError as error:
        raise ServerError(
            f"{folder} cannot be written ({error.strerror}): make room, or {_REMEDY}."
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _run_maven(maven: str, staged: Path, gds: bool, timeout: float) -> None:
    pom = staged / "pom.xml"
    pom.write_text(POM.read_text(encoding="utf-8"), encoding="utf-8")
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    arguments = [maven, "--batch-mode", "--strict-checksums", "--no-transfer-progress", "-f", str(pom)]
    arguments += ["--activate-profiles", "gds"] if gds else []
    try:
        done = subprocess.run(  # noqa: S603 - no shell, our own words
            [*arguments, goal, f"-DoutputDirectory={staged}", "-DincludeScope=runtime"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=staged,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(
            f"Maven did not fetch Neo4j within {timeout:.0f} s: look at the network or Maven's settings, "
            "and try again; what it has is kept."
        ) from error
    if done.returncode != 0:
        raise ServerError(
            f"Maven could not fetch Neo4j (it ended with {done.returncode}): look at the network and at "
            "Maven's settings (mirror, proxy), and try again.",
            _select_errors(done.stdout + done.stderr),
        )


def _seal(staged: Path, gds: bool) -> None:
    """Writes the manifest of what came: a folder that has lost a file is then incomplete."""
    (staged / "pom.xml").unlink()
    wanted = [f"neo4j-server-{version()}.jar"]
    if gds:
        _move_plugins(staged)
        wanted.append(f"{PLUGINS}/proc-catalog-{version('gds')}.jar")
    found = sorted(staged.rglob("*.jar"))
    sizes = {path.relative_to(staged).as_posix(): path.stat().st_size for path in found}
    for name in wanted:
        if name not in sizes:
            raise ServerError(f"Maven ended well and brought no {Path(name).name}: try again.")
    manifest = staged / MANIFEST
    manifest.write_text(json.dumps(sizes, indent=1), encoding="utf-8")
    for path in (*(staged / name for name in sizes), manifest):
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _move_plugins(staged: Path) -> None:
    """The jars with the procedures of GDS go where Neo4j looks for some; the others stay on the class path.

    It reads every class of every jar there when it starts, so those without procedures would cost time only.
    """
    (staged / PLUGINS).mkdir()
    for path in staged.glob(f"proc-*-{version('gds')}.jar"):
        path.rename(staged / PLUGINS / path.name)


def _sweep(root: Path) -> None:
    """Deletes what interrupted downloads left. The caller has the lock, so nobody is at work there."""
    for left in root.glob(".partial-*"):
        shutil.rmtree(left, ignore_errors=True)


def _select_errors(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith("[ERROR]")] or output.splitlines()
    return "\n".join(lines[-12:])
