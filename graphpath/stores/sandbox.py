"""The user's own Cypher, in a process of its own with limits on time and memory.

Some queries crash the embedded engine; then a child is lost, and the caller gets a QueryFailed. The child is
a fresh interpreter that imports the engine and Arrow, nothing else. Its job comes as JSON, its answer goes as
an Arrow stream. Where it only reads, it opens the file read-only under a name in a directory of its own.
Whatever the engine would leave beside the file stays there, and the system lets it write no file at all.
It ends with its parent, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphpath.errors import GraphpathError, QueryFailed
from graphpath.stores.values import decode, encode, to_plain

GRACE = 10.0
"""Seconds beyond the time limit for starting up and giving up; then the child is killed."""

BOOT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from graphpath.stores.sandbox import main
main()
"""
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Of the child: allocators that reserve no gigabytes of addresses before anybody asks for them."""


@dataclass(frozen=True)
class Limits:
    """Seconds for one query (None: no limit), and bytes for the engine's buffer pool.

    The process as a whole may take ``headroom`` bytes beyond the buffer pool.
    """

    seconds: float | None = 60.0
    buffer_bytes: int = 512 << 20
    headroom: int = 2 << 30


def run_in_child(
    path: Path, text: str, parameters: Mapping[str, object], limits: Limits, *, write: bool
) -> pa.Table:
    """The rows that ``text`` returns from the database file ``path``, run in a child process.

    Raises:
        QueryFailed: the engine refused it, crashed, or went beyond a limit.
        QueryParameterError: a parameter is no value that Cypher knows.
    """
    job = {
        "text": text,
        "parameters": encode(to_plain(parameters)),
        "limits": asdict(limits),
        "write": write,
        "parent": os.getpid(),
    }
    with tempfile.TemporaryDirectory(prefix="graphpath-") as directory:
        file = path.absolute()
        if not write:
            file = Path(directory) / "store.lbdb"
            file.symlink_to(path.resolve())
        return _run_child(job | {"path": str(file)}, limits)


def _run_child(job: Mapping[str, object], limits: Limits) -> pa.Table:
    paths = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
    watched, writing_end = os.pipe()  # the child sees its end close when this process ends
    try:
        with subprocess.Popen(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", BOOT, paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT},
            pass_fds=[watched],
            start_new_session=True,  # this process reports an interruption
        ) as child:
            try:
                limit = None if limits.seconds is None else limits.seconds + GRACE
                request = json.dumps({**job, "watched": watched}).encode()
                answer, diagnosis = child.communicate(request, timeout=limit)
            except subprocess.TimeoutExpired as error:
                child.kill()
                raise _explain_timeout(limits) from error
            except BaseException:
                child.kill()
                raise
        return _read_answer(child.returncode, answer, diagnosis.decode(errors="replace").strip(), limits)
    finally:
        os.close(watched)
        os.close(writing_end)


def _read_answer(status: int, answer: bytes, diagnosis: str, limits: Limits) -> pa.Table:
    if status == 0:
        with pa.ipc.open_stream(answer) as stream:
            return stream.read_all()
    if status == REFUSED:
        raise (
            _explain_timeout(limits)
            if "Interrupted" in diagnosis and limits.seconds is not None
            else QueryFailed(diagnosis)
        )
    if status < 0:
        name = signal.Signals(-status).name
        raise QueryFailed(
            f"The query crashed the engine ({name}); the store is unharmed. Phrase it otherwise."
        )
    last = diagnosis.splitlines()[-1] if diagnosis else f"exit status {status}"
    raise QueryFailed(f"The query's process failed: {last}")


def _explain_timeout(limits: Limits) -> QueryFailed:
    return QueryFailed(f"The query took longer than {limits.seconds:g} seconds and was stopped.")


REFUSED = 3


def main() -> None:
    """The child: read the job from standard input, write the rows to standard output."""
    job = json.load(sys.stdin)
    from graphpath.stores.orphans import end_with

    end_with(job["parent"], job["watched"])
    rows = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no row
    try:
        table = _run_job(job)
    except GraphpathError as error:
        sys.stderr.write(str(error))
        sys.exit(REFUSED)
    except MemoryError:
        sys.stderr.write("The query ran out of memory.")
        sys.exit(REFUSED)
    with os.fdopen(rows, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def _run_job(job: dict[str, Any]) -> pa.Table:
    from graphpath.stores.engine import LadybugSession

    path, write, limits = Path(job["path"]), bool(job["write"]), Limits(**job["limits"])
    space, buffer = _choose_sizes(path, limits, write=write)
    _limit_process(space + buffer + limits.headroom, write=write)
    session = LadybugSession(
        path,
        read_only=not write,
        buffer_bytes=buffer,
        max_bytes=space,
        timeout=limits.seconds,
    )
    with session:
        table = session.execute(job["text"], decode(job["parameters"]))
        if write:
            session.checkpoint()
    return table


def _choose_sizes(path: Path, limits: Limits, *, write: bool) -> tuple[int, int]:
    """Bytes that the engine may map for the file, a power of two, and for its buffer pool.

    A file that is written gets room to grow. Where this process may have few addresses (``ulimit -v``), both
    are as small as will do.
    """
    size = max(path.stat().st_size * (8 if write else 1), 1 << 30)
    space, buffer = 1 << (size - 1).bit_length(), limits.buffer_bytes
    if (most := _read_address_limit()) is not None:
        buffer = max(SMALLEST, min(buffer, most - space - OWN))
    return space, buffer


OWN = 768 << 20
"""Bytes of addresses that the interpreter, the engine's code and Arrow take."""
SMALLEST = 64 << 20


def _read_address_limit() -> int | None:
    """Bytes of addresses that this process was given; None: no limit."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _limit_process(size: int, *, write: bool) -> None:
    """Let the system refuse this process more than ``size`` bytes of addresses, and, unless it is to
    ``write``, any byte of a file."""
    import resource

    size = min(size, _read_address_limit() or size)
    if sys.platform != "darwin":  # which has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    if not write:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
