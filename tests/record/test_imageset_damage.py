"""Image sets that were changed, cut, half written or never were are refused, each by the file at fault."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from graphpath.errors import GraphpathError, RecordError
from graphpath.record import ImagePart, ImageSet, write_image_set
from graphpath.record.imageset import DESCRIPTION
from tests.synthetic import write_trace

PIXELS = np.random.default_rng(0).random((4, 1, 3, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image set of two parts, under a folder whose name pyarrow would take for a column."""
    folder = tmp_path_factory.mktemp("made") / "epsilon=0.3"
    folder.mkdir()
    trace = write_trace(folder.parent / "trace", samples=4)
    samples = trace.samples().to_table()
    parts = [ImagePart(samples.slice(at, 2), PIXELS[at : at + 2]) for at in (0, 2)]
    return write_image_set(folder / "set", parts, trace.categories().to_table(), {"success": 0.5}).path


@pytest.fixture
def made(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "set"))


def described(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / DESCRIPTION).read_text()))


def describe(path: Path, value: Mapping[str, object]) -> None:
    (path / DESCRIPTION).write_text(json.dumps(value))


def read(path: Path) -> tuple[object, ...]:
    opened = ImageSet(path)
    pixels = np.concatenate([part.pixels for part in opened.parts()]).tobytes()
    return pixels, opened.samples(), opened.categories(), opened.provenance


def test_a_folder_named_like_a_column_adds_none(whole: Path) -> None:
    assert ImageSet(whole).samples().schema.equals(pq.read_schema(whole / "samples.parquet"))
    np.testing.assert_array_equal(np.concatenate([part.pixels for part in ImageSet(whole).parts()]), PIXELS)


def test_every_flipped_bit_is_noticed(made: Path) -> None:
    right = read(made)
    random = np.random.default_rng(0)
    files = sorted(file for file in made.rglob("*") if file.is_file())
    noticed = 0
    for turn in range(300):
        file = files[turn % len(files)]
        before = file.read_bytes()
        at, bit = int(random.integers(len(before))), int(random.integers(8))
        file.write_bytes(before[:at] + bytes([before[at] ^ 1 << bit]) + before[at + 1 :])
        try:
            assert read(made) == right, f"bit {bit} of byte {at} of {file.name}"
        except GraphpathError as error:
            assert str(made) in str(error)
            noticed += 1
        file.write_bytes(before)
    assert noticed == 300


WRONG: list[dict[str, object]] = [
    {"images": "4"},
    {"images": None},
    {"images": 4.0},
    {"images": True},
    {"images": 5},
    {"parts": -1},
    {"parts": 10**12},
    {"parts": [2]},
    {"parts": 1},
    {"provenance": []},
    {"provenance": "pgd"},
    {"files": []},
    {"files": {}},
    {"digest": 7},
    {"schema": 9},
    {"schema": None},
    {"more": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("digests", [True, False])
def test_wrong_entries_are_refused_by_name(made: Path, wrong: dict[str, object], digests: bool) -> None:
    told = described(made)
    if not digests:
        del told["digest"], told["files"]
    describe(made, {**told, **wrong})
    with pytest.raises(RecordError):
        read(made)


@pytest.mark.parametrize("entry", ["schema", "images", "parts", "files"])
def test_a_lacking_entry_is_refused(made: Path, entry: str) -> None:
    told = described(made)
    del told[entry]
    describe(made, told)
    with pytest.raises(RecordError, match=DESCRIPTION):
        ImageSet(made)


def test_a_set_without_digests_is_read_as_before(made: Path) -> None:
    told = described(made)
    del told["digest"], told["files"]
    describe(made, told)
    assert read(made)[0] == PIXELS.tobytes()


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\ud800", "{}" * 2, '{"schema": 1}'])
def test_a_description_that_is_none_is_refused(made: Path, text: str) -> None:
    (made / DESCRIPTION).write_text(text, "utf-8", "surrogatepass")
    with pytest.raises(RecordError):
        ImageSet(made)


def test_pixels_that_are_no_numbers_are_refused(whole: Path, tmp_path: Path) -> None:
    pixels = PIXELS.copy()
    pixels[1, 0, 0, 0] = np.nan
    samples, categories = ImageSet(whole).samples(), ImageSet(whole).categories()
    made = write_image_set(tmp_path / "nan", [ImagePart(samples, pixels)], categories)
    with pytest.raises(
        RecordError, match=r"part-00000\.parquet is damaged: some of its pixels are not finite"
    ):
        made.pixels(0)


def test_what_killed_processes_left_goes_and_what_living_ones_write_stays(
    whole: Path, tmp_path: Path
) -> None:
    for name in (
        ".set.7-0.building",
        ".set.7-1.building",
        ".set.8-0.building",
        ".other.7-0.building",
        ".set.old",
        "set.7",
    ):
        (tmp_path / name / "images").mkdir(parents=True)
    samples, categories = ImageSet(whole).samples(), ImageSet(whole).categories()
    living = os.open(tmp_path / ".set.8-0.building", os.O_RDONLY)
    fcntl.flock(living, fcntl.LOCK_EX)
    write_image_set(tmp_path / "set", [ImagePart(samples, PIXELS)], categories)
    os.close(living)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([".set.8-0.building", ".other.7-0.building", ".set.old", "set.7", "set"])


def test_a_folder_that_cannot_be_written_is_told(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    samples, categories = ImageSet(whole).samples(), ImageSet(whole).categories()
    with pytest.raises(RecordError, match="cannot be written: Not a directory"):
        write_image_set(tmp_path / "file" / "set", [ImagePart(samples, PIXELS)], categories)
