"""Java: found, its version checked, and the options that Neo4j needs on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from graphpath.errors import ServerError
from graphpath.server.jars import PLUGINS

VERSIONS: Final = (17, 21)
"""What Neo4j 5.26 runs on."""

OPTIONS: Final = (
    "-XX:+UseG1GC",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
    "-Dlog4j2.disable.jmx=true",
    "-Djava.awt.headless=true",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in ("java.nio", "java.io", "sun.nio.ch", "java.lang", "java.util")
    ),
)
_VERSION = re.compile(r'version "(?:1\.)?(\d+)[^"]*"')
_WANTED: Final = (
    "install Java 17 or 21 (Debian and Ubuntu: apt install openjdk-17-jre-headless) or point JAVA_HOME at one"
)


def find_java() -> Path:
    """The ``java`` of $JAVA_HOME, or the one on the path, of a version that Neo4j runs on.

    Raises:
        ServerError: there is none, it does not run, or it is of another version.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        where = f"in JAVA_HOME ({home})" if home else "on the path"
        raise ServerError(f"Neo4j needs Java, and there is none {where}: {_WANTED}.")
    said = _read_version(Path(found))
    version = _VERSION.search(said)
    if version is None:
        raise ServerError(f"{found} does not say which version of Java it is: {_WANTED}.", said.strip())
    if int(version[1]) not in VERSIONS:
        raise ServerError(f"Neo4j 5.26 needs Java 17 or 21, and {found} is Java {version[1]}: {_WANTED}.")
    return Path(found)


def build_command(java: Path, jars: Path, heap: int, main: str, arguments: Iterable[str]) -> list[str]:
    """The command line that runs class ``main`` from the jars in ``jars`` with ``heap`` MiB."""
    # The stars are expanded by Java itself; no shell is involved.
    patterns = [jars / "*", *([jars / PLUGINS / "*"] if (jars / PLUGINS).is_dir() else [])]
    path = os.pathsep.join(map(str, patterns))
    return [str(java), f"-Xms{heap}m", f"-Xmx{heap}m", *OPTIONS, "-cp", path, main, *arguments]


def _read_version(java: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own Java
            [str(java), "-version"], capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(f"{java} does not run ({error}): {_WANTED}.") from error
    if done.returncode != 0:
        raise ServerError(f"{java} does not run: {_WANTED}.", (done.stderr or done.stdout).strip())
    return done.stderr + done.stdout
