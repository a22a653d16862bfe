"""neo4j-admin, run from the class path: ``database import full``, ``database dump``, ``check`` ..."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from graphpath.errors import ServerError
from graphpath.server import java
from graphpath.server.jars import ensure_jars

MAIN = "org.neo4j.cli.AdminTool"


def run_admin(
    arguments: Sequence[str],
    home: Path,
    *,
    heap: int = 512,
    timeout: float | None = None,
    cache: Path | None = None,
    gds: bool = False,
) -> str:
    """Runs neo4j-admin with ``arguments`` on the home of a server, and returns what it wrote.

    A word ``@FILE`` stands for the words in FILE, so that a secret need not be on the command line.

    Args:
        arguments: as after ``neo4j-admin``: ``["database", "import", "full", "neo4j", ...]``.
        home: the server's home; its conf/neo4j.conf must exist.
        heap: MiB of Java heap.
        timeout: seconds that it may take; None = any.
        cache, gds: whose jars are used; see ``jars.ensure_jars``.

    Raises:
        ServerError: it failed (``log`` has the last of what it wrote), took too long, or cannot be run.
    """
    words = java.build_command(java.find_java(), ensure_jars(cache, gds=gds), heap, MAIN, arguments)
    name = " ".join(("neo4j-admin", *(word for word in arguments[:3] if word[0] not in "@-")))
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the words are the caller's own
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            cwd=home,
            env=build_environment(home),
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"{name} did not end within {timeout:.0f} s and was ended.") from error
    except OSError as error:
        raise ServerError(f"{name} cannot be run in {home} ({error.strerror}).") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise ServerError(f"{name} failed (it ended with {done.returncode}) on {home}.", tail)
    return done.stdout


def build_environment(home: Path) -> dict[str, str]:
    """This process's environment with NEO4J_HOME and NEO4J_CONF of ``home``, and nothing else of Neo4j's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    return kept | {"NEO4J_HOME": str(home), "NEO4J_CONF": str(home / "conf")}
