"""Patches as one picture: a row of tiles for each feature map, under its title."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from graphpath.whole import write_whole

if TYPE_CHECKING:
    from graphpath.maps.examples import Examples

TILE: Final = 120
"""The side of a tile, in pixels; a patch fills it by its longer side."""
GAP: Final = 8
TITLE: Final = 20
CAPTION: Final = 16
PAPER: Final = (255, 255, 255)
OUTSIDE: Final = (226, 229, 234)
"""What lies beyond the image."""
INK: Final = (33, 37, 41)
RIGHT_AND_WRONG: Final = ((90, 98, 106), (176, 58, 46))
"""The colour of a caption where the network was right, and where it was not."""


def draw_sheet(found: Sequence[Examples]) -> Image.Image:
    """Tiles of the patches of some feature maps, the strongest on the left.

    Below each is the class that its image was taken for, in red where that was wrong.
    """
    columns = max((len(one.rows) for one in found), default=0)
    high = TITLE + TILE + CAPTION + GAP
    wide = max(GAP + columns * (TILE + GAP), 3 * TILE)
    sheet = Image.new("RGB", (wide, GAP + max(1, len(found)) * high), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, one in enumerate(found):
        top = GAP + number * high
        _write(draw, (GAP, top), one.title, 14, INK)
        captions = zip(one.rows["predicted"], one.rows["correct"], strict=True)
        for place, (patch, (name, right)) in enumerate(zip(one.patches, captions, strict=True)):
            left = GAP + place * (TILE + GAP)
            sheet.paste(make_tile(patch), (left, top + TITLE))
            _write(draw, (left, top + TITLE + TILE + 2), str(name), 11, RIGHT_AND_WRONG[not right])
    return sheet


def write_sheet(found: Sequence[Examples], path: str | Path) -> Path:
    """Write :func:`draw_sheet` as a PNG, whole or not at all. Returns the path."""
    target, sheet = Path(path), draw_sheet(found)
    write_whole(target, lambda temporary: sheet.save(temporary, format="PNG"))
    return target


def encode_sheet(found: Sequence[Examples]) -> tuple[bytes, int, int]:
    """:func:`draw_sheet` as a PNG of 256 colours, small enough to stand in a page; its width and height."""
    sheet, kept = draw_sheet(found), io.BytesIO()
    sheet.convert("P", palette=Image.Palette.ADAPTIVE).save(kept, format="PNG", optimize=True)
    return kept.getvalue(), sheet.width, sheet.height


def make_tile(patch: npt.NDArray[np.float32]) -> Image.Image:
    """A patch (C, H, W) in [0, 1] as a square of ``TILE``: few pixels stay pixels, NaN is ``OUTSIDE``."""
    channels = patch[:3] if len(patch) >= 3 else np.repeat(patch[:1], 3, axis=0)
    known = np.asarray(~np.isnan(channels).any(0))
    colour = np.clip(np.nan_to_num(channels), 0, 1).transpose(1, 2, 0) * 255
    pixels = np.where(known[..., None], np.round(colour), OUTSIDE).astype(np.uint8)
    high, wide = pixels.shape[:2]
    scale = TILE / max(high, wide)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    way = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    tile = Image.new("RGB", (TILE, TILE), PAPER)
    shown = Image.fromarray(pixels).resize(size, way)
    tile.paste(shown, ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return tile


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: tuple[int, int, int]
) -> None:
    """One line, cut where the tile ends; signs that the font lacks are left to it."""
    font = ImageFont.load_default(size)
    room = 3 * TILE if size > 11 else TILE
    while text and draw.textlength(text, font) > room:
        text = text[:-1]
    draw.text(place, text, colour, font)
