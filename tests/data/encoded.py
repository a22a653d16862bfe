"""Image files of many kinds, made with Pillow, and grey TIFFs of any kind of sample, written out by hand."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
Values = np.ndarray[Any, np.dtype[Any]]


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colours(height: int = 6, width: int = 9) -> Values:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def rgb() -> Image.Image:
    return Image.fromarray(colours())


def clear() -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (6, 9, 4), dtype=np.uint8))


def eight_bits() -> Iterator[tuple[str, bytes]]:
    """What torchvision reads too, by file name."""
    for kind in ("png", "bmp", "tiff", "gif", "ppm", "webp"):
        yield f"rgb.{kind}", saved(rgb(), kind)
        yield f"grey.{kind.upper()}", saved(rgb().convert("L"), kind)
    for kind, endings in {"png": "png", "tiff": "tif", "webp": "webp", "gif": "gif"}.items():
        yield f"alpha.{endings}", saved(clear(), kind)
    yield "photo.JPG", saved(rgb(), "jpeg", quality=60)
    yield "photo.jpeg", saved(rgb().convert("L"), "jpeg")
    yield "cmyk.jpg", saved(rgb().convert("CMYK"), "jpeg")
    yield "progressive.jpg", saved(rgb(), "jpeg", progressive=True)
    yield "cmyk.tif", saved(rgb().convert("CMYK"), "tiff")
    yield "la.png", saved(clear().convert("LA"), "png")
    yield "palette.png", saved(rgb().convert("P", palette=Image.Palette.ADAPTIVE), "png")
    yield "palette-clear.png", saved(rgb().quantize(8), "png", transparency=bytes(range(8)))
    yield "grey-clear.png", saved(rgb().convert("L"), "png", transparency=7)
    yield "bits.png", saved(rgb().convert("1"), "png")
    yield "bits.tif", saved(rgb().convert("1"), "tiff", compression="group4")
    yield "lzw.tif", saved(rgb(), "tiff", compression="tiff_lzw")
    yield "ycc.tif", saved(rgb().convert("YCbCr"), "tiff", compression="jpeg")
    more = [rgb(), rgb()]
    for kind in ("gif", "webp", "tiff", "png"):
        yield f"several.{kind}", saved(rgb(), kind, save_all=True, append_images=more)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[274] = turn
        for kind in ("jpeg", "png", "webp", "tiff"):
            yield f"turned-{turn}.{kind}", saved(rgb(), kind, exif=exif)
    yield "a-jpeg-called.png", saved(rgb(), "jpeg")


def tiff(values: Values, *, white: int = 1, **tags: float) -> bytes:
    """An uncompressed little-endian TIFF of one strip; ``tags`` are of TIFF 6.0, by name."""
    kinds = {"u": 1, "i": 2, "f": 3}
    numbers = {"MinSampleValue": 280, "MaxSampleValue": 281, "SMinSampleValue": 340, "SMaxSampleValue": 341}
    height, width = values.shape
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    entries = [
        (256, 3, width), (257, 3, height), (258, 3, values.dtype.itemsize * 8), (259, 3, 1), (262, 3, white),
        (273, 4, 8), (277, 3, 1), (278, 3, height), (279, 4, len(data)), (339, 3, kinds[values.dtype.kind]),
        *((numbers[name], 12, value) for name, value in tags.items()),
    ]  # fmt: skip
    wide: list[bytes] = []
    start = 8 + len(data) + 2 + 12 * len(entries) + 4
    directory = struct.pack("<H", len(entries))
    for number, kind, value in sorted(entries):
        if kind == 12:
            directory += struct.pack("<HHII", number, kind, 1, start + 8 * len(wide))
            wide.append(struct.pack("<d", value))
        else:
            directory += struct.pack("<HHII", number, kind, 1, int(value))
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4) + b"".join(wide)


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """``png`` with another chunk after its header."""
    body = kind + content
    return png[:33] + struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def deep() -> Iterator[bytes]:
    """Grey images of more than eight bits."""
    values = RNG.integers(0, 4096, (5, 7), dtype=np.uint16)
    yield tiff(values, MaxSampleValue=4095)
    yield tiff(values, SMinSampleValue=0, SMaxSampleValue=4095)
    yield tiff(values * 16, white=0)
    yield tiff(values.astype(np.int16), SMinSampleValue=-1024, SMaxSampleValue=4095)
    yield tiff(values.astype(np.int32), SMaxSampleValue=8190)
    yield tiff(values.astype(np.uint32), SMaxSampleValue=4095)
    yield tiff((values / 4095).astype(np.float32))
    yield tiff(values.astype(np.float32), SMinSampleValue=0, SMaxSampleValue=5000)
    yield saved(Image.fromarray(values * 16), "png")
    yield with_chunk(saved(Image.fromarray(values), "png"), b"sBIT", b"\x0c")
    yield b"P5 7 5 4095\n" + values.astype(">u2").tobytes()
