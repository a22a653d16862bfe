"""Samples of more than eight bits, brought to [0, 1] by the range that their file declares.

Unsigned samples of up to sixteen bits have the range of their bits unless tags say otherwise; floats are
taken to be in [0, 1]; of signed and 32-bit integers a file must declare the range. TIFF declares by
SMinSampleValue and SMaxSampleValue, or MinSampleValue and MaxSampleValue (TIFF 6.0, sections 8 and 19); PNG
by sBIT, which only counts where samples were stored unscaled, against its specification; Pillow scales PGM
itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from graphpath.data.notes import Notes
from graphpath.errors import DataError

Values = npt.NDArray[Any]

_BITS, _PHOTOMETRIC, _FORMAT = 258, 262, 339
_LOW, _HIGH = (340, 280), (341, 281)
_SIGNED, _FLOAT = 2, 3
_WHITE_IS_ZERO = 0
_ROUNDING = 1e-6
"""How far beyond its range, in parts of it, a sample may be."""

NARROW = 16
"""Sixteen-bit images that use less than one part in so many of their range are spoken of."""


@dataclass(frozen=True)
class Range:
    """The values of black and of white; ``declared``: by tags of the file, not only by its number of bits."""

    low: float
    high: float
    declared: bool = False
    inverted: bool = False


def is_deep(image: Image.Image) -> bool:
    """Whether ``image`` has one channel of more than eight bits, which Pillow would clip."""
    return image.mode.startswith("I") or image.mode == "F"


def scale_samples(image: Image.Image, data: bytes, name: str, notes: Notes) -> npt.NDArray[np.float32]:
    """float32 (H, W) in [0, 1] of a deep ``image``, whose file's bytes are ``data``.

    Raises DataError where the range is not known, or a sample is not within it.
    """
    tags: Mapping[int, Any] | None = getattr(image, "tag_v2", None)
    values = _read_values(image, tags)
    found = (
        _assume_range(image, data, values, name) if tags is None else _read_declared_range(tags, values, name)
    )
    _check_range(values, found, name)
    _note_range(values, found, name, notes)
    parts = np.clip((values.astype(np.float64) - found.low) / (found.high - found.low), 0, 1)
    return (1 - parts if found.inverted else parts).astype(np.float32)


def check_colours(image: Image.Image, name: str) -> None:
    """Refuses colours of 16 bits with a lower white: Pillow keeps their upper eight bits, which are dark."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    bits, high = _first_value(tags.get(_BITS, 8)), _read_tag(tags, _HIGH)
    if bits == 16 and high is not None and high < 1 << 15:
        raise DataError(
            f"{name}: it declares colours from 0 to {high:g} in 16 bits, of which only the upper 8 can be "
            "read; save it with 8 bits a colour"
        )


def _read_values(image: Image.Image, tags: Mapping[int, Any] | None) -> Values:
    values = np.asarray(image)
    unsigned = tags is not None and _first_value(tags.get(_FORMAT, 1)) == 1
    return values.view(np.uint32) if unsigned and values.dtype == np.int32 else values


def _read_declared_range(tags: Mapping[int, Any], values: Values, name: str) -> Range:
    """Of a TIFF."""
    bits, kind = int(_first_value(tags.get(_BITS, 1))), int(_first_value(tags.get(_FORMAT, 1)))
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    low, high = _read_tag(tags, _LOW), _read_tag(tags, _HIGH)
    if high is not None and np.isfinite(high):
        low = 0.0 if low is None else low
        if not low < high:
            raise DataError(f"{name}: it declares samples from {low:g} to {high:g}, which is no range")
        full = kind == 1 and bits <= 16 and (low, high) == (0, 2**bits - 1)
        return Range(low, high, not full, inverted)
    if kind == _FLOAT:
        return Range(0, 1, False, inverted)
    if kind == _SIGNED or bits > 16:
        raise DataError(_explain_unknown(values, "signed" if kind == _SIGNED else f"{bits}-bit", name))
    return Range(0, 2**bits - 1, bits not in (8, 16), inverted)


def _assume_range(image: Image.Image, data: bytes, values: Values, name: str) -> Range:
    """Of a format without such tags."""
    if image.mode == "F":
        return Range(0, 1)
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise DataError(_explain_unknown(values, "32-bit", name))
    bits = _read_significant_bits(data) if image.format == "PNG" else 16
    if bits < 16 and _is_unscaled(values, bits):
        return Range(0, 2**bits - 1, True)
    return Range(0, 65535)


def _explain_unknown(values: Values, kind: str, name: str) -> str:
    return (
        f"{name}: its samples are {kind} integers, here from {values.min()} to {values.max()}, and it does "
        "not declare which are black and white (SMinSampleValue, SMaxSampleValue); declare them, or save it "
        "with 8 or 16 bits"
    )


def _check_range(values: Values, found: Range, name: str) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{name}: some of its pixels are not finite")
    slack = (found.high - found.low) * _ROUNDING
    low, high = float(values.min()), float(values.max())
    if low < found.low - slack or high > found.high + slack:
        declares = "it declares" if found.declared else "floating-point pixels should have"
        raise DataError(
            f"{name}: pixels from {low:g} to {high:g}, outside of the range from {found.low:g} to "
            f"{found.high:g} that {declares}; scale them to it, or declare their range (SMinSampleValue, "
            "SMaxSampleValue)"
        )


def _note_range(values: Values, found: Range, name: str, notes: Notes) -> None:
    if found.declared:
        notes.add(f"images scaled by the range that they declare, {found.low:g} to {found.high:g}", name)
    elif values.dtype.kind != "f" and values.max() < (found.high + 1) / NARROW:
        notes.add(
            f"dark 16-bit images that use less than 1/{NARROW} of their range (of 12 bits or fewer? then "
            "scale them, or declare MaxSampleValue)",
            name,
        )


def _read_tag(tags: Mapping[int, Any], either: tuple[int, ...]) -> float | None:
    return next((float(_first_value(tags[tag])) for tag in either if tag in tags), None)


def _first_value(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _read_significant_bits(data: bytes) -> int:
    """sBIT of a grey PNG; 16 where it has none."""
    place = 8
    while place + 9 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"sBIT" and size:
            return min(max(data[place + 8], 1), 16)
        if kind == b"IDAT":
            break
        place += size + 12
    return 16


def _is_unscaled(values: Values, bits: int) -> bool:
    """Whether samples cannot be ``bits`` bits scaled up to 16: shifted, or their upper bits repeated."""
    if values.max() >= 1 << bits:
        return False
    upper = values.astype(np.uint32) >> (16 - bits)
    shifted = upper << (16 - bits)
    repeated = shifted | (upper >> max(2 * bits - 16, 0))
    return bool(((values != shifted) & (values != repeated)).any())
