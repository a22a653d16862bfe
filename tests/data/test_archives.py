"""Zips of images, and the cache of what archives unpack to."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from graphpath.data import cache, index, open_images
from graphpath.errors import DataError
from tests.data.encoded import rgb, saved

NAMES = ["test/cat/a.png", "test/dog/a.png", "train/cat/c.png", "train/dog/d.png"]
CONTENTS = {name: saved(rgb(), "png") for name in NAMES}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHPATH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def zipped(path: Path, contents: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, contents: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in contents.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.size, member.type = len(data), tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(data))
    return path


Pack = Callable[[Path, dict[str, bytes]], Path]
PACKS = {
    "a.zip": zipped,
    "a.ZIP": lambda path, contents: zipped(path, contents, zipfile.ZIP_STORED),
    "b.zip": lambda path, contents: zipped(path, contents, zipfile.ZIP_LZMA),
    "a.tar": lambda path, contents: tarred(path, contents, "w"),
    "a.TAR.GZ": tarred,
    "a.tar.bz2": lambda path, contents: tarred(path, contents, "w:bz2"),
}


@pytest.mark.parametrize("prefix", ["", "pets-1.0/"])
@pytest.mark.parametrize("name", PACKS)
def test_an_archive_is_read_as_the_folder_that_it_holds(tmp_path: Path, name: str, prefix: str) -> None:
    contents = {**CONTENTS, "test/eel/": b"", "train/cat/.x.png": b"no", "__MACOSX/test/cat/._a.png": b"no"}
    packed = PACKS[name](tmp_path / name, {prefix + one: data for one, data in contents.items()})
    folder = tmp_path / "a"
    for one, data in contents.items():
        (folder / one).parent.mkdir(parents=True, exist_ok=True)
        (folder / one).mkdir() if one.endswith("/") else (folder / one).write_bytes(data)
    for split in ("test", "train"):
        ours, theirs = open_images(packed, split=split), open_images(folder, split=split)
        assert ours.classes == theirs.classes == ("cat", "dog", "eel")
        assert (
            ours.rows()
            .drop_columns(["sample", "dataset"])
            .equals(theirs.rows().drop_columns(["sample", "dataset"]))
        )
        assert torch.equal(ours.batch(0, 9), theirs.batch(0, 9))
        assert len(open_images(packed, split=split)) == 2


@pytest.mark.parametrize("name", ["../cat/1.png", "/cat/1.png", "cat/../../1.png", "cat\\..\\1.png"])
def test_a_zip_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"refused.*outside"):
        open_images(zipped(tmp_path / "bad.zip", {"cat/0.png": b"x", name: b"x"}))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_zip_with_a_link_or_device_is_refused(tmp_path: Path, kind: int) -> None:
    path = zipped(tmp_path / "bad.zip", CONTENTS)
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("cat/link.png")
        member.create_system, member.external_attr = 3, (kind | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="no plain file"):
        open_images(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "a.zip", CONTENTS).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match="encrypted"):
        open_images(tmp_path / "a.zip")


def test_a_zip_that_unpacks_to_too_much_is_refused_and_leaves_nothing(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MOST_BYTES", 1 << 10)
    bomb = zipped(tmp_path / "bomb.zip", {"cat/1.png": bytes(1 << 20)})
    with pytest.raises(DataError, match="unpacks to more than"):
        open_images(bomb)
    assert list(own_cache.iterdir()) == []


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path: Path, own_cache: Path) -> None:
    data = zipped(tmp_path / "a.zip", CONTENTS).read_bytes()
    size = len(CONTENTS[NAMES[0]]).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(data.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="not a whole archive"):
        open_images(tmp_path / "a.zip")
    assert list(own_cache.iterdir()) == []


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_an_archive_that_ends_early_or_is_none_is_refused(tmp_path: Path, name: str) -> None:
    whole = PACKS.get(name, tarred)(tmp_path / name, CONTENTS).read_bytes()
    for data in (b"", b"PK", whole[:100], whole[: len(whole) // 3], b"no archive at all" * 99):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"{name}: not a whole"):
            open_images(tmp_path / name)


def test_a_zip_called_tar_is_a_zip(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "a.zip", CONTENTS)
    assert len(open_images(packed.rename(tmp_path / "a.tar"))) == 2


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_no_permission_is_not_called_damage(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = PACKS.get(name, tarred)(tmp_path / name, CONTENTS)
    opened = Path.open

    def refused(self: Path, *args: object, **options: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(DataError, match=rf"{name}: cannot be read \(Permission denied\)"):
        open_images(path)


def test_the_cache_has_a_limit_and_says_what_it_removed(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (
        tarred(tmp_path / f"{n}.tar.gz", {f"{n}/{k}": v for k, v in CONTENTS.items()}) for n in "abc"
    )
    for path, age in ((one, 30), (two, 20)):
        assert open_images(path).notes == ()
        for file in own_cache.iterdir():
            if file.stat().st_mtime > 1e9:
                os.utime(file, (1e9 - age, 1e9 - age))
    open_images(one)  # now the one used last
    held = sum(file.stat().st_size for file in own_cache.iterdir())
    monkeypatch.setenv("GRAPHPATH_CACHE_GIB", str(held * 1.1 / (1 << 30)))
    (note,) = open_images(three).notes
    assert "what it held of 1 archives is removed" in note and str(own_cache) in note
    made: list[Path] = []
    unpacked = index.unpack
    monkeypatch.setattr(cache, "unpack", lambda path, target: made.append(path) or unpacked(path, target))
    open_images(one), open_images(three)
    assert made == []
    open_images(two)
    assert made == [two]


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHPATH_CACHE_GIB", text)
    with pytest.raises(DataError, match="GRAPHPATH_CACHE_GIB"):
        open_images(tarred(tmp_path / "a.tar.gz", CONTENTS))


@pytest.mark.parametrize("suffix", ["tar", "parquet"])
@pytest.mark.parametrize("left", [b"", b"x"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, own_cache: Path, suffix: str, left: bytes) -> None:
    path = tarred(tmp_path / "a.tar.gz", CONTENTS)
    expected = open_images(path).batch(0, 2)
    (file,) = own_cache.glob(f"*.{suffix}")
    file.write_bytes(left)
    assert torch.equal(open_images(path).batch(0, 2), expected)


def test_a_full_disk_is_told(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> index.Index:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "unpack", full)
    with pytest.raises(DataError, match=r"cannot be unpacked to the cache .*\(No space left on device\)"):
        open_images(tarred(tmp_path / "a.tar.gz", CONTENTS))
    assert list(own_cache.iterdir()) == []


def test_what_a_killed_process_left_in_the_cache_goes(tmp_path: Path, own_cache: Path) -> None:
    own_cache.mkdir()
    mine = [own_cache / f".tmp-{os.getpid()}-0-a.tar", own_cache / f".tmp-{os.getpid()}-a.tar"]
    dead = [own_cache / f".tmp-{2**22 + 1}-0-b.tar", own_cache / f".tmp-{2**22 + 1}-b.tar"]
    for left in (*mine, *dead):
        left.write_bytes(b"half")
    open_images(tarred(tmp_path / "c.tar.gz", CONTENTS))
    assert sorted(own_cache.glob(".tmp-*")) == sorted(mine)
