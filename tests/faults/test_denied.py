"""Files and folders that are closed to the user, and disks that are full: one sentence, and nothing changes.

The commands run in forked processes, which as root give up the right to pass over permissions.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch")

from graphpath.stores.staging import LEAST_ROOM
from tests.faults.children import none_left, start
from tests.faults.privileges import can_be_denied
from tests.faults.verbs import EDGES, MODEL, OTHER, STORE, VERBS, need, place_for

NAMES = [name for name in VERBS if name != "unit"]  # which is no verb of the command line
CHANGING = ["load", "delete", "verify"]
closable = pytest.mark.skipif(not can_be_denied(), reason="root writes everywhere here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the verbs' inputs are made, once."""
    return tmp_path_factory.mktemp("denied")


@contextmanager
def closed(path: Path, mode: int = 0) -> Iterator[None]:
    """``path`` with the permissions ``mode`` until the block ends."""
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


def state(place: Path) -> dict[str, bytes]:
    """All that lies in ``place``."""
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def ended(folder: Path, words: list[str]) -> tuple[int, str]:
    with none_left():
        return start(words, folder / "said").ended()


def refused(folder: Path, words: list[str]) -> str:
    """What a command says that is refused: in a sentence, or by the parser of the command line."""
    status, said = ended(folder, words)
    assert status in (1, 2), said
    assert "Traceback" not in said and "should not happen" not in said
    if status == 2:
        return " ".join(said.replace("│", " ").split())
    last = said.strip().splitlines()[-1]
    assert last.startswith("graphpath: ") and said.count("graphpath: ") == 1
    return last


@closable
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_may_not_be_written_or_entered(folder: Path, name: str) -> None:
    verb = VERBS[name]
    place = place_for(folder, "place", verb)
    before = state(place)
    for mode in (0o555, 0):
        with closed(place, mode):
            assert verb.makes in refused(folder, ["unprivileged", *verb.words(place)])
        assert state(place) == before


@closable
@pytest.mark.parametrize(
    ("name", "needed"),
    [
        *(("attack", MODEL), ("trace", MODEL), ("verify", MODEL), ("load", OTHER), ("report", STORE)),
        *(("load", f"{OTHER}/edges/part-00000.parquet"), ("load", f"{OTHER}/run.json"), ("import", EDGES)),
    ],
)
def test_an_input_that_may_not_be_read(folder: Path, name: str, needed: str) -> None:
    place = place_for(folder, "place", VERBS[name])
    before = state(place)
    with closed(folder / needed):
        assert Path(needed).name in refused(folder, ["unprivileged", *VERBS[name].words(place)])
    assert state(place) == before


@closable
@pytest.mark.parametrize("words", [["query", "browse/runs", "--csv"], ["runs"]])
def test_a_store_that_may_not_be_read(folder: Path, words: list[str]) -> None:
    need(folder, STORE)
    with closed(folder / STORE):
        said = refused(folder, ["unprivileged", *words, "--store", str(folder / STORE)])
    assert STORE in said and "ermission denied" in said


@closable
@pytest.mark.parametrize("name", CHANGING)
def test_a_store_that_is_changed_and_may_not_be_read(folder: Path, name: str) -> None:
    place = place_for(folder, "place", VERBS[name])
    with closed(place / STORE):
        assert "ermission denied" in refused(folder, ["unprivileged", *VERBS[name].words(place)])


@pytest.mark.parametrize("name", ["train", "attack", "trace", "import", "report"])
def test_a_file_for_which_there_is_no_room(folder: Path, name: str) -> None:
    """After 400 and 2,000 bytes; what an attack has made before stays for the next try, hidden."""
    verb = VERBS[name]
    for most in (400, 2000):
        place = place_for(folder, "place", verb)
        said = refused(folder, ["no-room", str(most), *verb.words(place)])
        assert "cannot be written: File too large." in said
        assert not (place / verb.makes).exists()
        assert [entry.name for entry in place.iterdir()] == ([".set.attack"] if name == "attack" else [])


@contextmanager
def small_disk(path: Path, kib: int) -> Iterator[Path]:
    """A file system of its own with so much room."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small tmpfs")
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(path)]
    if (done := subprocess.run(mount, capture_output=True, text=True)).returncode:
        pytest.skip(f"no tmpfs here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("name", CHANGING)
def test_a_store_on_a_full_disk(folder: Path, name: str) -> None:
    """With room for nothing, and for more than a copy, where the engine itself would meet the end."""
    verb = VERBS[name]
    place = place_for(folder, "place", verb)
    size = (place / STORE).stat().st_size // 1024 + 8
    more = LEAST_ROOM // 1024 - 512  # with more a change is begun, and ends well
    assert size < more
    for room in (0, more):
        with small_disk(folder / "small", size + room) as disk:
            (disk / "place").mkdir()
            shutil.copy(place / STORE, disk / "place" / STORE)
            before = state(disk)
            words = [word.replace(f"{place}/", f"{disk / 'place'}/") for word in verb.words(place)]
            said = refused(folder, words)
            assert ("oom" in said or "o space left" in said) and "engine refused" not in said
            assert state(disk) == before
