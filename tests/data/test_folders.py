"""Image folders as they are found: empty and linked classes, odd names, pipes, what systems leave behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torchvision.datasets import ImageFolder

from graphpath.data import files, open_images
from graphpath.errors import DataError
from tests.data.encoded import rgb, saved

PNG = saved(rgb(), "png")


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)
    return root


def test_empty_class_folders_count(shared_cases: Path) -> None:
    images = open_images(shared_cases / "empty_class_folder", size=8)
    assert images.classes == tuple("0123456789")
    folders = [int(row["detail"].split('"')[3].split("/")[0]) for row in images.rows().to_pylist()]
    assert images.labels.tolist() == folders
    assert images.notes == (f"classes without images in {shared_cases / 'empty_class_folder'}: 4",)


def test_classes_are_those_of_all_splits_so_that_numbers_mean_the_same(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "train/ant/1.png", "train/bee/1.png", "train/cat/1.png", "test/cat/1.png")
    (root / "test" / "dog").mkdir()
    (root / "notes").mkdir()
    for split, labels in (("train", [0, 1, 2]), ("test", [2])):
        images = open_images(root, split=split)
        assert images.classes == ("ant", "bee", "cat", "dog") and images.labels.tolist() == labels


def test_linked_classes_count_and_circles_end(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "cat/1.png", "dog/1.png")
    put(tmp_path / "elsewhere", "1.png", "deep/2.png")
    (root / "bee").symlink_to(tmp_path / "elsewhere")
    (root / "ewe").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "again").symlink_to(root / "cat")
    (root / "dog" / "all").symlink_to(root)
    (root / "itself").symlink_to(root)
    (root / "nowhere").symlink_to(tmp_path / "gone")
    images = open_images(root)
    assert images.classes == ("bee", "cat", "dog", "ewe")
    assert images.labels.tolist() == [0, 0, 1, 2, 3, 3]


def test_links_between_many_folders_do_not_multiply(tmp_path: Path) -> None:
    for one in range(12):
        put(tmp_path / "pets", f"cat/{one}/1.png")
    for one in range(12):
        for other in range(12):
            (tmp_path / "pets" / "cat" / str(one) / f"to{other}").symlink_to(tmp_path / f"pets/cat/{other}")
    assert len(open_images(tmp_path / "pets")) == 12


ODD = [
    "10",
    "2",
    "zwölf",
    "猫",
    "a b",
    "a\\b",
    "x\x1b[31mred",
    "line\nbreak",
    "%s",
    "{0}",
    "-rf",
    "*",
    "con",
    "'",
]


def test_odd_names_are_classes_as_in_torchvision(tmp_path: Path) -> None:
    root = put(tmp_path / "odd", *(f"{name}/{name}.png" for name in ODD))
    images, theirs = open_images(root), ImageFolder(str(root))
    assert list(images.classes) == theirs.classes == sorted(ODD)
    assert images.labels.tolist() == theirs.targets
    assert images.batch(0, len(ODD)).shape[0] == len(ODD)


def test_what_systems_leave_behind_is_no_class(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "cat/1.png", "dog/1.PNG", "cat/._1.png", ".git/1.png", "__MACOSX/cat/1.png")
    put(root, "@eaDir/cat/1.png", "cat/.cache/1.png")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "cat/Thumbs.db", "cat/png", "cat/.png"):
        (root / name).write_bytes(b"x")
    images = open_images(root)
    assert images.classes == ("cat", "dog") and len(images) == 2 and images.notes == ()


def test_images_of_kinds_that_are_not_read_are_said_to_be_left_out(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "cat/1.png", "cat/2.avif", "dog/1.HEIC", "dog/2.png")
    images = open_images(root)
    assert len(images) == 2
    assert images.notes == (
        "files left out, for .avif, .heic is not among the images read: cat/2.avif, dog/1.HEIC",
    )
    (root / "cat" / "1.png").unlink()
    (root / "dog" / "2.png").unlink()
    with pytest.raises(DataError, match=r"no images in it.*\(files left out, for .avif"):
        open_images(root)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [_pipe, _socket, _device])
def test_nothing_waits_for_a_pipe(tmp_path: Path, make: Callable[[Path], None]) -> None:
    root = put(tmp_path / "pets", "cat/1.png", "dog/1.png")
    make(root / "cat" / "2.png")
    images = open_images(root)
    with pytest.raises(DataError, match=r"2\.png: no plain file"):
        images.batch(0, 3)
    for name in ("a.tar", "a.tar.gz", "a.zip", "a.png", "plain"):
        make(tmp_path / name)
        with pytest.raises(DataError, match="neither an image folder"):
            open_images(tmp_path / name)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = put(tmp_path / "pets", "cat/1.png", "dog/1.png")
    scandir = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(files.os, "scandir", refused)
    with pytest.raises(DataError, match=r"pets/dog: cannot be read \(Permission denied\)"):
        open_images(root)


def test_a_name_in_no_encoding_is_named(tmp_path: Path) -> None:
    put(tmp_path / "pets", "cat/1.png", os.fsdecode(b"caf\xe9/1.png"))
    with pytest.raises(DataError, match=r"'caf\\udce9/1.png' is not UTF-8; rename it"):
        open_images(tmp_path / "pets")


@pytest.mark.parametrize("spec", ["x" * 5000, "a\0b", "~/nowhere", "", ".nothing/../../x"])
def test_specs_that_lead_nowhere_are_refused(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        open_images(spec)


def test_limited_images_speak_only_of_themselves(tmp_path: Path) -> None:
    from PIL import Image

    root = put(tmp_path / "pets", "cat/1.png", "dog/1.png")
    (root / "cat" / "1.png").write_bytes(saved(Image.new("RGB", (9, 6)), "png"))
    images = open_images(root)
    dog = images.subset([1])
    assert torch.equal(dog.batch(0, 1), images.batch(1, 2)) and dog.notes == ()
