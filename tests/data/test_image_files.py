"""Image folders, and tars of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image

from graphpath.data import cache, index, open_images
from graphpath.data.decode import decode
from graphpath.data.fit import fit
from graphpath.data.layout import Listing, arrange, count_wrappers
from graphpath.errors import DataError

RNG = np.random.default_rng(0)


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "png")
    return buffer.getvalue()


def colours(height: int = 6, width: int = 6) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


NAMES = ["test/cat/a.png", "test/cat/b.png", "test/dog/a.png", "train/cat/c.png", "train/dog/d.png"]


@pytest.fixture
def contents() -> dict[str, np.ndarray]:
    return {name: colours() for name in NAMES}


@pytest.fixture
def folder(tmp_path: Path, contents: dict[str, np.ndarray]) -> Path:
    root = tmp_path / "pets"
    for name, values in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(values))
    (root / "train" / "cat" / ".hidden.png").write_bytes(b"no image")
    (root / "README.txt").write_text("ignored")
    return root


def make_tar(path: Path, contents: dict[str, np.ndarray], mode: str, prefix: str = "") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, values in contents.items():
            data = png(values)
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_a_folder_has_a_class_per_sub_folder(folder: Path, contents: dict[str, np.ndarray]) -> None:
    images = open_images(folder)
    assert (images.dataset, images.split, images.classes) == ("pets", "test", ("cat", "dog"))
    assert images.labels.tolist() == [0, 0, 1]
    expected = np.stack([contents[name] for name in NAMES[:3]]).transpose(0, 3, 1, 2) / np.float32(255)
    np.testing.assert_array_equal(images.batch(0, 3).numpy(), expected)
    assert images.rows()["detail"].to_pylist()[2] == '{"file":"test/dog/a.png"}'
    assert len(open_images(folder, split="train")) == 2


def test_a_folder_without_splits_is_taken_whole(folder: Path) -> None:
    images = open_images(folder / "train", split="test")
    assert (images.split, images.classes, len(images)) == ("all", ("cat", "dog"), 2)


def test_a_folder_of_loose_images_and_one_image_are_unlabelled(folder: Path) -> None:
    images = open_images(folder / "test" / "cat")
    assert images.labels.tolist() == [-1, -1] and images.classes == ()
    one = open_images(folder / "test" / "cat" / "b.png")
    assert len(one) == 1 and torch.equal(one.batch(0, 1), images.batch(1, 2))


def test_what_a_folder_lacks_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images in val/; its splits are test, train"):
        open_images(folder, split="val")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images in it"):
        open_images(tmp_path / "empty")
    (folder / "train" / "stray.png").write_bytes(png(colours()))
    with pytest.raises(DataError, match=r"train/stray.png lies beside"):
        open_images(folder, split="train")
    with pytest.raises(DataError, match=r"README.txt: neither"):
        open_images(folder / "README.txt")


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_a_corrupt_image_is_named_and_the_rest_can_be_read(folder: Path, keep: int) -> None:
    file = folder / "test" / "cat" / "b.png"
    file.write_bytes(file.read_bytes()[:keep])
    images = open_images(folder)
    with pytest.raises(DataError, match=r"test/cat/b.png: not a readable image"):
        images.batch(0, 3)
    assert images.subset([0, 2]).batch(0, 2).shape == (2, 3, 6, 6)


def test_a_file_that_vanished_is_named(folder: Path) -> None:
    images = open_images(folder)
    (folder / "test" / "dog" / "a.png").unlink()
    with pytest.raises(DataError, match=r"test/dog/a.png: cannot be read"):
        images.batch(2, 3)


def test_images_of_other_sizes_need_one_size(folder: Path) -> None:
    (folder / "test" / "dog" / "a.png").write_bytes(png(colours(9, 12)))
    with pytest.raises(DataError, match=r"9x12 pixels, the first image has 6x6; give a size"):
        open_images(folder).batch(0, 3)
    assert open_images(folder, size=5).batch(0, 3).shape == (3, 3, 5, 5)


def test_an_image_with_too_many_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphpath.data.decode.MOST_PIXELS", 35)
    with pytest.raises(DataError, match=r"big.png: 6x6 pixels are more than 35"):
        decode(png(colours()), "big.png")


def test_every_kind_of_png_becomes_colour_or_grey() -> None:
    grey = RNG.integers(0, 256, (4, 5), dtype=np.uint8)
    assert torch.equal(decode(png(grey), "grey"), torch.from_numpy(grey / np.float32(255)).expand(3, 4, 5))
    deep = RNG.integers(0, 65536, (4, 5), dtype=np.uint16)
    np.testing.assert_allclose(decode(png(deep), "deep", channels=1)[0].numpy(), deep / 65535, atol=1e-7)
    colour = colours()
    luma = colour @ np.array([0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(decode(png(colour), "c", channels=1)[0].numpy(), luma, atol=1e-6)
    clear = np.dstack([colour, np.full((6, 6), 10, np.uint8)])
    assert torch.equal(decode(png(clear), "alpha"), decode(png(colour), "colour"))


def test_resizing_covers_and_cuts_out_the_centre() -> None:
    wide = torch.zeros(1, 1, 4, 12)
    wide[..., 4:8] = 1
    assert torch.equal(fit(wide, (4, 4), None), torch.ones(1, 1, 4, 4))
    flat = torch.full((2, 3, 7, 5), 0.25)
    torch.testing.assert_close(fit(flat, (3, 9), None), torch.full((2, 3, 3, 9), 0.25))


def test_layout_takes_nested_folders_as_their_class() -> None:
    layout = arrange(Listing(["b/x/1.png", "a/2.JPG", "a/notes.txt"], []), "test", "here")
    assert layout.classes == ("a", "b")
    assert dict(zip(layout.names, layout.labels, strict=True)) == {"a/2.JPG": 0, "b/x/1.png": 1}


@pytest.mark.parametrize(
    ("names", "depth"),
    [
        (["photos/cat/1.png", "photos/dog/1.png"], 1),
        (["cat/1.png", "dog/1.png"], 0),
        (["cat/1.png"], 0),
        (["test/cat/1.png"], 0),
        (["data/photos/test/cat/1.png", "data/photos/train/cat/1.png"], 2),
    ],
)
def test_folders_that_mean_nothing_are_left_out(names: list[str], depth: int) -> None:
    assert count_wrappers(Listing(names, [])) == depth


@pytest.mark.parametrize(
    ("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.xz", "w:xz")]
)
@pytest.mark.parametrize("prefix", ["", "./", "pets-1.0/"])
def test_a_tar_is_read_as_the_folder_that_it_holds(
    tmp_path: Path, folder: Path, contents: dict[str, np.ndarray], ending: str, mode: str, prefix: str
) -> None:
    tar = make_tar(tmp_path / f"pets.{ending}", contents, mode, prefix)
    for split in ("test", "train"):
        packed, plain = open_images(tar, split=split), open_images(folder, split=split)
        assert packed.rows().equals(plain.rows())
        assert torch.equal(packed.batch(0, 9), plain.batch(0, 9))
        assert packed.classes == plain.classes


def test_a_tar_is_indexed_once_and_again_when_it_changes(
    tmp_path: Path, contents: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[Path] = []
    scan: Callable[[Path, Path], index.Index] = index.unpack
    monkeypatch.setattr(cache, "unpack", lambda path, plain: scans.append(path) or scan(path, plain))
    tar = make_tar(tmp_path / "pets.tar.gz", contents, "w:gz")
    first = open_images(tar)
    assert torch.equal(open_images(tar).batch(0, 3), first.batch(0, 3))
    assert len(scans) == 1
    make_tar(tar, {**contents, "test/dog/z.png": colours()}, "w:gz")
    assert len(open_images(tar)) == 4 and len(scans) == 2


@pytest.mark.parametrize(("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz")])
def test_a_truncated_tar_is_refused_wherever_it_ends(
    tmp_path: Path, contents: dict[str, np.ndarray], ending: str, mode: str
) -> None:
    whole = make_tar(tmp_path / f"whole.{ending}", contents, mode).read_bytes()
    used = len(whole) if ending == "tar.gz" else len(whole.rstrip(b"\0"))
    ends = {0, 100, 512, 1024, used // 4, used // 2, used // 2 // 512 * 512, used - 1}
    for number, end in enumerate(sorted(end for end in ends if end < used)):
        tar = tmp_path / f"cut-{number}.{ending}"
        tar.write_bytes(whole[:end])
        with pytest.raises(DataError, match=f"cut-{number}"):
            open_images(tar)


def test_a_damaged_header_within_a_tar_is_refused(tmp_path: Path, contents: dict[str, np.ndarray]) -> None:
    tar = make_tar(tmp_path / "pets.tar", contents, "w")
    data = bytearray(tar.read_bytes())
    with tarfile.open(tar) as opened:
        offset = opened.getmembers()[2].offset
    data[offset : offset + 100] = b"\xff" * 100
    tar.write_bytes(data)
    with pytest.raises(DataError, match="truncated or damaged"):
        open_images(tar)


@pytest.mark.parametrize("name", ["../cat/1.png", "/cat/1.png", "cat/../../1.png", "cat\\..\\1.png"])
def test_a_tar_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    tar = make_tar(tmp_path / "bad.tar", {"cat/0.png": colours(), name: colours()}, "w")
    with pytest.raises(DataError, match=r"refused.*outside"):
        open_images(tar)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_tar_with_a_link_or_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = make_tar(tmp_path / "bad.tar", {"cat/0.png": colours()}, "w")
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("cat/1.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(DataError, match="no plain file"):
        open_images(path)


def test_a_tar_that_unpacks_to_too_much_is_refused_and_leaves_nothing(
    tmp_path: Path, contents: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MOST_BYTES", 1 << 10)
    monkeypatch.setenv("GRAPHPATH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="unpacks to more than"):
        open_images(make_tar(tmp_path / "bomb.tar.gz", contents, "w:gz"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_corrupt_image_in_a_tar_is_named(tmp_path: Path, contents: dict[str, np.ndarray]) -> None:
    tar = make_tar(tmp_path / "pets.tar", contents, "w")
    with tarfile.open(tar) as opened:
        member = opened.getmember("test/cat/b.png")
    data = bytearray(tar.read_bytes())
    data[member.offset_data : member.offset_data + member.size] = bytes(member.size)
    tar.write_bytes(data)
    with pytest.raises(DataError, match=r"pets.tar: test/cat/b.png: not a readable image"):
        open_images(tar).batch(0, 3)


def test_the_real_cifar10_archive(shared_data: Path) -> None:
    images = open_images(shared_data / "cifar10-imagefolder.tar.gz", limit=20)
    assert images.shape == (3, 32, 32) and len(images.classes) == 10
    assert np.bincount(images.labels).tolist() == [2] * 10
    assert 0.3 < images.batch(0, 20).mean().item() < 0.7
