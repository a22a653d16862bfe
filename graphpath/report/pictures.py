"""Arrays as PNG data URIs. Pillow encodes; a browser enlarges them without smoothing."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from graphpath.report.pixels import Image

DARKER = np.array([40, 52, 66], dtype=np.float64)
BRIGHTER = np.array([176, 87, 141], dtype=np.float64)
"""Neither is a colour that a drawing of a pathway has."""


EXACT = 64
"""Larger images are photographs: they are brought to a side of at most ``LARGE`` and compressed with loss."""
LARGE = 320
SMALL = 96
"""The side of an image that lies under feature maps, at most."""


def encode_image(image: Image) -> str:
    """The image itself; unknown pixels (NaN) are transparent. A whole large one is a JPEG."""
    colour = _as_rgb(image)
    known = _find_known(image)
    if known.all() and max(image.shape[1:]) > EXACT:
        return _as_jpeg(_shrink(_as_pillow(colour), LARGE), 85)
    alpha = np.where(known, 255, 0)[..., None]
    return _as_uri(np.concatenate([np.nan_to_num(colour) * 255, alpha], axis=-1))


def choose_look(uri: str) -> str:
    """The class of an image's element: what is kept exactly is shown pixel by pixel."""
    return "pixels" if uri.startswith("data:image/png") else "photograph"


def encode_thumbnail(image: Image) -> str:
    """The image small and grey, to lie under other colours; unknown pixels (NaN) are transparent."""
    colour = _as_rgb(image)
    known = _find_known(image)
    grey = np.repeat(np.nan_to_num(colour).mean(axis=-1, keepdims=True), 3, axis=-1)
    if known.all() and max(image.shape[1:]) > EXACT:
        return _as_jpeg(_shrink(_as_pillow(grey).convert("L"), SMALL), 75)
    small = _shrink(_as_pillow(np.concatenate([grey, known[..., None]], axis=-1)), SMALL)
    return _as_png(small)


def encode_difference(before: Image, after: Image) -> tuple[str, float]:
    """``after - before``: darker in slate, brighter in pink, and the largest change of a pixel.

    Colour grows to full at the largest change, so that small perturbations can be seen; colour channels
    are averaged.
    """
    change = (after - before).mean(axis=0).astype(np.float64)
    most = float(np.nanmax(np.abs(after - before), initial=0.0))
    strength = np.abs(np.nan_to_num(change)) / max(float(np.nanmax(np.abs(change), initial=0.0)), 1e-12)
    colour = np.where((change > 0)[..., None], BRIGHTER, DARKER)
    return _as_uri(np.concatenate([colour, strength[..., None] * 255], axis=-1)), most


def _find_known(image: Image) -> npt.NDArray[np.bool_]:
    """(H, W)"""
    return np.asarray(~np.isnan(image).any(axis=0), dtype=np.bool_)


def _as_rgb(image: Image) -> npt.NDArray[np.float64]:
    """(H, W, 3) in [0, 1]; one channel is grey, further ones than three are left out."""
    channels = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.clip(channels, 0, 1).transpose(1, 2, 0).astype(np.float64)


def _as_uri(rgba: npt.NDArray[np.float64]) -> str:
    return _as_png(Pillow.fromarray(np.round(rgba).astype(np.uint8), mode="RGBA"))


def _as_pillow(colour: npt.NDArray[np.float64]) -> Pillow.Image:
    """(H, W, 3 or 4) in [0, 1]."""
    mode = "RGB" if colour.shape[-1] == 3 else "RGBA"
    return Pillow.fromarray(np.round(colour * 255).astype(np.uint8), mode=mode)


def _shrink(picture: Pillow.Image, side: int) -> Pillow.Image:
    """With a longer side of at most ``side``."""
    most = max(picture.size)
    if most <= side:
        return picture
    width, height = (max(1, round(length * side / most)) for length in picture.size)
    return picture.resize((width, height), Pillow.Resampling.LANCZOS)


def _as_png(picture: Pillow.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _as_jpeg(picture: Pillow.Image, quality: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
