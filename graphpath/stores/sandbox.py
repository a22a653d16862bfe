"""The user's own Cypher, in a process of its own with limits on time and memory.

Some queries crash the embedded engine; then a child is lost, and the caller gets a QueryFailed. The child
is a fresh interpreter that imports the engine and Arrow, nothing else.
"""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphpath.errors import GraphpathError, QueryFailed, QueryParameterError

GRACE = 10.0
"""Seconds beyond the time limit for starting up and giving up; then the child is killed."""

BOOT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from graphpath.stores.sandbox import main
main()
"""


@dataclass(frozen=True)
class Limits:
    """Seconds for one query (None: no limit), and bytes for the engine's buffer pool.

    The process as a whole may take ``headroom`` bytes beyond the buffer pool.
    """

    seconds: float | None = 60.0
    buffer_bytes: int = 512 << 20
    headroom: int = 2 << 30


def run_apart(
    path: Path, text: str, parameters: Mapping[str, object], limits: Limits, *, write: bool
) -> pa.Table:
    """The rows that ``text`` returns from the database file ``path``, run in a child process.

    Raises:
        QueryFailed: the engine refused it, crashed, or went beyond a limit.
    """
    with tempfile.TemporaryDirectory(prefix="graphpath-") as directory:
        answer = Path(directory) / "answer.arrow"
        job = {"path": path, "text": text, "parameters": plain(parameters), "limits": limits}
        paths = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
        limit = None if limits.seconds is None else limits.seconds + GRACE
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and text
                [sys.executable, "-c", BOOT, paths],
                input=pickle.dumps({**job, "write": write, "answer": answer}),
                capture_output=True,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise QueryFailed(
                f"The query took longer than {limits.seconds:g} seconds and was stopped."
            ) from error
        return _answer(done, answer, limits)


def plain(parameters: Mapping[str, object]) -> dict[str, object]:
    """``parameters`` with numpy scalars and arrays as plain Python values."""
    found: dict[str, object] = {}
    for name, value in parameters.items():
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, tuple | set | frozenset):
            value = list(value)
        try:
            pickle.dumps(value)
        except Exception as error:
            raise QueryParameterError(
                f"Parameter {name!r} is no value that Cypher knows: {value!r}."
            ) from error
        found[name] = value
    return found


def _answer(done: subprocess.CompletedProcess[bytes], answer: Path, limits: Limits) -> pa.Table:
    message = done.stderr.decode(errors="replace").strip()
    if done.returncode == 0 and answer.exists():
        with pa.ipc.open_file(answer) as file:
            return file.read_all()
    if done.returncode == REFUSED:
        if "Interrupted" in message and limits.seconds is not None:
            raise QueryFailed(f"The query took longer than {limits.seconds:g} seconds and was stopped.")
        raise QueryFailed(message)
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise QueryFailed(
            f"The query crashed the engine ({name}); the store is unharmed. Phrase it otherwise."
        )
    last = message.splitlines()[-1] if message else f"exit status {done.returncode}"
    raise QueryFailed(f"The query's process failed: {last}")


REFUSED = 3


def main() -> None:
    """The child: read the job from standard input, write the rows as an Arrow file."""
    job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    try:
        _run(job)
    except GraphpathError as error:
        sys.stderr.write(str(error))
        sys.exit(REFUSED)
    except MemoryError:
        sys.stderr.write("The query ran out of memory.")
        sys.exit(REFUSED)


def _run(job: dict[str, Any]) -> None:
    from graphpath.stores.engine import Session

    limits: Limits = job["limits"]
    space = _address_space(job["path"], write=job["write"])
    _limit_memory(space + limits.buffer_bytes + limits.headroom)
    session = Session(
        job["path"],
        read_only=not job["write"],
        buffer_bytes=limits.buffer_bytes,
        max_bytes=space,
        timeout=limits.seconds,
    )
    with session:
        table = session.execute(job["text"], job["parameters"])
        if job["write"]:
            session.checkpoint()
    with pa.OSFile(str(job["answer"]), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _address_space(path: Path, *, write: bool) -> int:
    """The power of two of bytes that the engine may map for the file: room to grow when it is written."""
    needed = max(path.stat().st_size * (8 if write else 2), 1 << 30)
    return 1 << (needed - 1).bit_length()


def _limit_memory(size: int) -> None:
    """Let the system refuse this process more than ``size`` bytes of address space."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (size, size))
