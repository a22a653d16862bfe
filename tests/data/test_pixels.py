"""Pixels of encoded images: those of torchvision's ImageFolder, and of deep files by what they declare."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image, ImageOps
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import default_loader
from torchvision.transforms.functional import to_tensor

from graphpath.data import open_images
from graphpath.data.decode import CLEAR, CONSTANT, ORIENTED, SEVERAL, decode
from graphpath.data.notes import Notes
from graphpath.errors import DataError
from tests.data.encoded import clear, colours, eight_bits, rgb, saved, tiff, with_chunk

GREY = np.random.default_rng(1).integers(0, 4096, (5, 7), dtype=np.uint16)
DECLARED = "images scaled by the range that they declare"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kinds")
    for name, data in eight_bits():
        (root / "cat").mkdir(exist_ok=True)
        (root / "cat" / name).write_bytes(data)
    (root / "dog").mkdir()
    (root / "dog" / "1.png").write_bytes(saved(rgb(), "png"))
    return root


def one(data: bytes, **options: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """The first channel, and what was noted."""
    notes = Notes()
    return decode(data, "x", notes=notes, **options)[0].numpy(), notes.sentences()


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_pixels_labels_and_classes_are_those_of_torchvisions_image_folder(kinds: Path) -> None:
    ours = open_images(kinds, size=8)
    theirs = ImageFolder(str(kinds), loader=lambda path: path, is_valid_file=lambda name: True)
    assert list(ours.classes) == theirs.classes and len(ours) == len(theirs)
    labels = dict(theirs.samples)
    for row, label in zip(ours.rows()["detail"].to_pylist(), ours.labels.tolist(), strict=True):
        path = str(kinds / row.removeprefix('{"file":"').removesuffix('"}'))
        assert labels[path] == label
        expected = to_tensor(default_loader(path))
        assert torch.equal(decode(Path(path).read_bytes(), path), expected), path


def test_what_was_met_is_said_once_a_kind(kinds: Path) -> None:
    images = open_images(kinds, size=8)
    assert images.notes == ()
    images.batch(0, len(images))
    images.batch(0, len(images))
    said = {note.split(":")[0]: note for note in images.limit(5).notes}
    assert set(said) == {ORIENTED, CLEAR, SEVERAL}
    assert ": 21, such as" in said[ORIENTED]  # seven turns of three kinds; Pillow turns a TIFF itself
    assert ": 6, such as" in said[CLEAR] and ": 4, such as" in said[SEVERAL]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_as_pillow_does(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[274] = turn
    data = saved(rgb(), kind, exif=exif)
    notes = Notes()
    turned = decode(data, "x", exif=True, notes=notes)
    with Image.open(io.BytesIO(data)) as image:
        assert torch.equal(turned, to_tensor(ImageOps.exif_transpose(image).convert("RGB")))
    assert notes.sentences() == ()


def test_turned_images_are_other_samples(shared_cases: Path) -> None:
    plain, turned = (open_images(shared_cases / "exif6", exif=exif) for exif in (False, True))
    assert not torch.equal(plain.batch(0, 1), turned.batch(0, 1))
    assert torch.equal(torch.rot90(plain.batch(0, 1), -1, (2, 3)), turned.batch(0, 1))
    assert plain.fingerprint != turned.fingerprint
    assert turned.notes == () and plain.notes[0].startswith(ORIENTED)


def test_an_image_that_is_all_alpha_is_told_to_be_constant(shared_cases: Path) -> None:
    images = open_images(shared_cases / "alpha_only")
    assert images.batch(0, 1).min() == images.batch(0, 1).max()
    assert [note.split(":")[0] for note in images.notes] == [CLEAR, CONSTANT]


def test_floats_are_what_they_are(shared_cases: Path) -> None:
    images = open_images(shared_cases / "float_tiff", channels=1)
    with Image.open(shared_cases / "float_tiff" / "0.tiff") as image:
        np.testing.assert_array_equal(images.batch(0, 1)[0, 0].numpy(), np.asarray(image))
    assert images.notes == ()


DEEP = {
    "12 bits, declared": (tiff(GREY, MaxSampleValue=4095), GREY / 4095, True),
    "12 bits, declared signedly": (tiff(GREY, SMinSampleValue=0, SMaxSampleValue=4095), GREY / 4095, True),
    "16 bits": (tiff(GREY * 16), GREY * 16 / 65535, False),
    "16 bits, all declared": (
        tiff(GREY * 16, MinSampleValue=0, MaxSampleValue=65535),
        GREY * 16 / 65535,
        False,
    ),
    "white is 0": (tiff(GREY * 16, white=0), 1 - GREY * 16 / 65535, False),
    "signed": (
        tiff(GREY.astype(np.int16) - 1024, SMinSampleValue=-1024, SMaxSampleValue=3071),
        GREY / 4095,
        True,
    ),
    "32 bits": (tiff(GREY.astype(np.int32), SMinSampleValue=0, SMaxSampleValue=8190), GREY / 8190, True),
    "32 bits, unsigned": (
        tiff(GREY.astype(np.uint32) * (1 << 20), SMaxSampleValue=4095.0 * (1 << 20)),
        GREY / 4095,
        True,
    ),
    "floats": (tiff((GREY / 4095).astype(np.float32)), GREY / 4095, False),
    "floats, declared": (
        tiff(GREY.astype(np.float32), SMinSampleValue=-5, SMaxSampleValue=5000),
        (GREY + 5.0) / 5005,
        True,
    ),
    "PNG": (saved(Image.fromarray(GREY * 16), "png"), GREY * 16 / 65535, False),
    "PNG with 12 significant bits": (
        with_chunk(saved(Image.fromarray(GREY << 4 | GREY >> 8), "png"), b"sBIT", b"\x0c"),
        (GREY << 4 | GREY >> 8) / 65535,
        False,
    ),
    "PNG with 12 unscaled bits": (
        with_chunk(saved(Image.fromarray(GREY), "png"), b"sBIT", b"\x0c"),
        GREY / 4095,
        True,
    ),
    "PGM of 12 bits": (b"P5 7 5 4095\n" + GREY.astype(">u2").tobytes(), GREY / 4095, False),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_files_are_scaled_by_what_they_declare(kind: str) -> None:
    data, expected, told = DEEP[kind]
    pixels, notes = one(data)
    np.testing.assert_allclose(pixels, expected, atol=1e-5)
    assert [note.split(",")[0] for note in notes] == [DECLARED] * told


UNKNOWN = {
    "floats to 255": (tiff(GREY.astype(np.float32) / 16), "outside of the range from 0 to 1"),
    "floats below 0": (tiff((GREY / 4095 - 0.5).astype(np.float32)), "outside of the range"),
    "no number": (tiff(np.full((2, 2), np.nan, np.float32)), "not finite"),
    "no number, declared": (tiff(np.full((2, 2), np.inf, np.float32), SMaxSampleValue=3), "not finite"),
    "32 bits": (tiff(GREY.astype(np.int32)), r"32-bit|signed.*does not declare"),
    "32 bits, unsigned": (tiff(GREY.astype(np.uint32)), "32-bit integers.*does not declare"),
    "signed": (tiff(GREY.astype(np.int16)), "signed integers.*does not declare"),
    "more than declared": (
        tiff(GREY, MaxSampleValue=255),
        "outside of the range from 0 to 255 that it declares",
    ),
    "no range": (tiff(GREY, MinSampleValue=9, MaxSampleValue=9), "9 to 9, which is no range"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_out_of_a_known_range_is_refused(kind: str) -> None:
    data, sentence = UNKNOWN[kind]
    with pytest.raises(DataError, match=f"x: .*{sentence}"):
        one(data)


def test_twelve_bits_that_nothing_declares_are_told_to_be_dark() -> None:
    for data in (tiff(GREY), saved(Image.fromarray(GREY), "png")):
        pixels, notes = one(data)
        np.testing.assert_allclose(pixels, GREY / 65535, atol=1e-7)
        assert len(notes) == 1 and notes[0].startswith("dark 16-bit images that use less than 1/16")


def test_colours_of_sixteen_bits_with_a_lower_white_are_refused() -> None:
    with pytest.raises(DataError, match="colours from 0 to 4095 in 16 bits"):
        decode(_deep_colours(GREY, 4095), "x")
    assert decode(_deep_colours(GREY * 16, 65535), "x").max() > 0.9


def _deep_colours(values: np.ndarray, most: int) -> bytes:
    data = np.repeat(values[:, :, None], 3, 2).astype("<u2").tobytes()
    height, width = values.shape
    bits = 8 + len(data)
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 8), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data)), (281, 3, 1, most),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<I", bits + 6)
    return head + data + struct.pack("<HHH", 16, 16, 16) + directory + bytes(4)


@pytest.mark.parametrize("level", [0, 7, 255])
def test_nearly_constant_images_are_told(level: int) -> None:
    values = np.full((4, 4), level, np.uint8)
    values[0, 0] ^= 7
    assert one(saved(Image.fromarray(values), "png"))[1] == (f"{CONSTANT}: x",)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "tiff", "bmp", "ppm"])
def test_a_file_that_is_not_whole_is_refused(kind: str) -> None:
    data = saved(rgb(), kind)
    for end in (0, 1, 10, len(data) // 2):
        with pytest.raises(DataError, match="x: not a readable image") as refused:
            decode(data[:end], "x")
        assert "0x" not in str(refused.value)


def test_formats_that_start_programs_are_not_read() -> None:
    with pytest.raises(DataError, match="no known format"):
        decode(saved(rgb(), "eps"), "x.png")


def test_a_needle_is_not_blown_up() -> None:
    with pytest.raises(DataError, match="too narrow"):
        decode(saved(Image.fromarray(colours(1, 50_000)), "png"), "x", size=(224, 224))


def test_transparency_of_a_palette_gives_no_warning_of_pillows() -> None:
    data = saved(clear().convert("RGB").quantize(4), "png", transparency=bytes(range(4)))
    assert one(data)[1] == (f"{CLEAR}: x",)
