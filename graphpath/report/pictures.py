"""Arrays as PNG data URIs. Pillow encodes; a browser enlarges them without smoothing."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from graphpath.report.pixels import Image

LOST = np.array([11, 127, 171], dtype=np.float64)
GAINED = np.array([209, 73, 91], dtype=np.float64)


def encode_image(image: Image) -> str:
    """The image itself; unknown pixels (NaN) are transparent."""
    colour = _as_rgb(image)
    known = ~np.isnan(image).any(axis=0)
    alpha = np.where(known, 255, 0)[..., None]
    return _as_uri(np.concatenate([np.nan_to_num(colour) * 255, alpha], axis=-1))


def encode_difference(before: Image, after: Image) -> tuple[str, float]:
    """``after - before``: darker in blue, brighter in red, and the largest change of a pixel.

    Colour grows to full at the largest change, so that small perturbations can be seen; colour channels
    are averaged.
    """
    change = (after - before).mean(axis=0).astype(np.float64)
    most = float(np.nanmax(np.abs(after - before), initial=0.0))
    strength = np.abs(np.nan_to_num(change)) / max(float(np.nanmax(np.abs(change), initial=0.0)), 1e-12)
    colour = np.where((change > 0)[..., None], GAINED, LOST)
    return _as_uri(np.concatenate([colour, strength[..., None] * 255], axis=-1)), most


def _as_rgb(image: Image) -> npt.NDArray[np.float64]:
    """(H, W, 3) in [0, 1]; one channel is grey, further ones than three are left out."""
    channels = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.clip(channels, 0, 1).transpose(1, 2, 0).astype(np.float64)


def _as_uri(rgba: npt.NDArray[np.float64]) -> str:
    buffer = io.BytesIO()
    Pillow.fromarray(np.round(rgba).astype(np.uint8), mode="RGBA").save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
