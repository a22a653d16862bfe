"""Tars and zips that were damaged or made with malice, opened and read as ``--data`` does."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path
from unittest.mock import patch

from graphpath.data import open_images
from tests.data.encoded import rgb, saved
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random, mutated

PNG = saved(rgb(), "png")
NAMES = [
    "cat/1.png", "dog/1.png", "cat/2.PNG", "photos/cat/1.png", "test/cat/1.png", "train/dog/1.png",
    "cat/", "dog/", "eel/", "../out.png", "/tmp/out.png", "cat/../../out.png",
    "cat//1.png", "./cat/1.png", "cat/./1.png", "cat", "cat/1.png/2.png", "\x00/1.png",
    "cat\\1.png", "C:\\out.png", "x" * 300 + "/1.png", "\x1b[31m/1.png", "é/1.png", "__MACOSX/cat/._1.png",
    ".git/1.png", "cat/1.txt", "1.png", "", ".", "/",
    "cat\n/1.png", "-rf/1.png", "a=b/1.png",
]  # fmt: skip
_SPECIAL = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
KINDS = (*(tarfile.REGTYPE,) * 60, *_SPECIAL)
ENDINGS = ("tar", "tar.gz", "tar.xz", "tar.bz2", "zip")


def _prepare(folder: Path) -> Attempt:
    inside = folder / "inside"
    inside.mkdir()

    def attempt(random: Random) -> None:
        ending = ENDINGS[int(random.integers(len(ENDINGS)))]
        packed = inside / f"images.{ending}"
        data = _zipped(random) if ending == "zip" else _tarred(ending, random)
        packed.write_bytes(mutated(data, random) if random.random() < 0.5 else data)
        with patch.dict(os.environ, GRAPHPATH_CACHE=str(inside / "cache"), GRAPHPATH_CACHE_GIB="0.0001"):
            try:
                images = open_images(packed, size=4)
                images.batch(0, len(images))
            finally:
                _check(folder, inside)

    return attempt


def _check(folder: Path, inside: Path) -> None:
    """Nothing may be written but the cache, and nothing half written is left there."""
    expected = {"cache", *(f"images.{ending}" for ending in ENDINGS)}
    if {*folder.iterdir()} != {inside} or not {one.name for one in inside.iterdir()} <= expected:
        raise Wrong("something was written outside of the cache")
    if left := [
        file.name for file in (inside / "cache").glob("*") if file.suffix not in (".tar", ".parquet")
    ]:
        raise Wrong(f"left in the cache: {left}")


def _chosen(random: Random) -> list[str]:
    """Mostly good names: one bad one is enough to have the whole refused."""
    most = 9 if random.random() < 0.8 else len(NAMES)
    return [NAMES[int(random.integers(most))] for _ in range(int(random.integers(0, 8)))]


def _content(random: Random) -> bytes:
    return (PNG, PNG, PNG, b"", b"no image", mutated(PNG, random))[int(random.integers(6))]


def _tarred(ending: str, random: Random) -> bytes:
    buffer = io.BytesIO()
    formats = (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    mode = "w" + {"tar": "", "tar.gz": ":gz", "tar.xz": ":xz", "tar.bz2": ":bz2"}[ending]
    with tarfile.open(fileobj=buffer, mode=mode, format=formats[int(random.integers(2))]) as archive:  # type: ignore[call-overload]
        for name in _chosen(random):
            member = tarfile.TarInfo(name)
            member.type = KINDS[int(random.integers(len(KINDS)))]
            data = _content(random) if member.type == tarfile.REGTYPE and not name.endswith("/") else b""
            member.type = tarfile.DIRTYPE if name.endswith("/") else member.type
            member.size, member.linkname = len(data), "/etc/passwd"
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _zipped(random: Random) -> bytes:
    buffer = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in dict.fromkeys(_chosen(random)):
            member = zipfile.ZipInfo(name or "x")
            member.compress_type = methods[int(random.integers(4))]
            member.external_attr = (0o100644, 0o100644, 0o120777, 0)[int(random.integers(4))] << 16
            archive.writestr(member, b"" if name.endswith("/") else _content(random))
    return buffer.getvalue()


LOOPS = {"archives": Loop("tars and zips, damaged or with hostile members", _prepare, 200)}
