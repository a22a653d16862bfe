"""Programs in processes of their own, forked from one that has imported torch and what else takes seconds.

Nothing of graphpath is imported there. A program has to import itself what it uses, as in a fresh process.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

HEAVY = ("torch", "torchvision", "pandas", "pyarrow.parquet", "sklearn", "typer")
"""They start no thread when they are imported, but for one of an allocator, which knows of forks."""

SERVER = f"""
import json, os, sys, types
import {", ".join(HEAVY)}
for line in sys.stdin:
    job = json.loads(line)
    if (child := os.fork()) == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for place, file in enumerate(job["said"], 1):
            os.dup2(os.open(file, os.O_WRONLY), place)
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        sys.argv[1:] = job["words"]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(job["program"], "<string>", "exec"), main.__dict__)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def run(
    program: str, *words: object, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What ``python -c PROGRAM WORDS`` comes to in ``folder``, by default the current one."""
    server = _start_server()
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory(prefix="forked-") as kept:
        said = [Path(kept) / name for name in ("stdout", "stderr")]
        for file in said:
            file.touch()
        job = {
            "program": program,
            "words": [*map(str, words)],
            "folder": str(folder or Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
            "said": [*map(str, said)],
        }
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess([program, *words], status, *(file.read_text() for file in said))


@cache
def _start_server() -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "OMP_NUM_THREADS": "1"},
    )
    atexit.register(server.communicate)
    return server
