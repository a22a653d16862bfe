"""One flipped bit in a file of ours: refused by its name, or the same answer; a trace is mended."""

from __future__ import annotations

import shutil
from pathlib import Path

from graphpath.errors import RecordError, StoreUnavailable
from graphpath.record import TABLES, Trace
from graphpath.stores import open_store
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random
from tests.stores.contents import assert_same, contents
from tests.synthetic import write_trace

SMALL = {"samples": 6, "part_size": 2, "edges_per_pathway": 12, "routes": 2}


def flip(file: Path, random: Random) -> None:
    """Change one bit of ``file``."""
    data = bytearray(file.read_bytes())
    bit = int(random.integers(8 * len(data)))
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def _bytes(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in _files(path)}


def _trace(folder: Path) -> Attempt:
    write_trace(folder / "whole", **SMALL)
    whole = _bytes(folder / "whole")
    held = _read(folder / "whole")

    def attempt(random: Random) -> None:
        path = folder / "flipped"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(folder / "whole", path)
        files = _files(path)
        file = files[int(random.integers(len(files)))]
        flip(file, random)
        try:
            same = _read(path) == held
        except RecordError as error:
            if str(file) not in str(error):
                raise Wrong(f"{file.name} was flipped: {error}") from error
            if file.name != "run.json" and write_trace(path, **SMALL) and _bytes(path) != whole:
                raise Wrong(f"{file.name} was not mended") from error
            raise
        if not same:
            raise Wrong(f"{file} was read otherwise")

    return attempt


def _read(path: Path) -> tuple[object, ...]:
    trace = Trace(path)
    return trace.run, {name: trace.dataset(name).to_table() for name in TABLES}


def _store(folder: Path) -> Attempt:
    with open_store(folder / "whole.lbdb", buffer_bytes=128 << 20) as store:
        store.load(write_trace(folder / "trace", **SMALL))
        held = contents(store)

    def attempt(random: Random) -> None:
        path = shutil.copy(folder / "whole.lbdb", folder / "flipped.lbdb")
        flip(path, random)
        try:
            with open_store(path, buffer_bytes=128 << 20) as opened:
                found = contents(opened)
        except StoreUnavailable as error:
            if str(path) not in str(error):
                raise Wrong(str(error)) from error
            raise
        assert_same(found, held, exact=True)

    return attempt


LOOPS = {
    "trace-flips": Loop("a flipped bit in a trace, read and written again", _trace, 40),
    "store-flips": Loop("a flipped bit in an embedded store", _store, 40),
}
