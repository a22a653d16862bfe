"""Images by name."""

from __future__ import annotations

from pathlib import Path

from graphpath.data.base import BaseImages
from graphpath.data.fit import Fitted, Size, as_size
from graphpath.data.named import NAMED
from graphpath.errors import DataError

SPLITS = ("test", "train")


def open_images(
    spec: str | Path,
    *,
    root: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    seed: int = 0,
    size: int | Size | None = None,
    channels: int | None = None,
    download: bool = False,
) -> BaseImages:
    """The images that ``spec`` names.

    ``spec`` is ``digits``, ``mnist`` or ``cifar10`` (the last two from ``root``, in torchvision's layout).
    ``limit`` takes that many images, as evenly from all classes as they allow, chosen by ``seed``.
    ``size`` (a side, or height and width) and ``channels`` (1 or 3) bring them to a model's shape.
    """
    where = None if root is None else Path(root)
    images = _open(spec, where, split, download)
    wanted = as_size(size)
    if (wanted or images.shape[1:]) != images.shape[1:] or (channels or images.shape[0]) != images.shape[0]:
        images = Fitted(images, wanted, channels)
    return images.limit(limit, seed)


def _open(spec: str | Path, root: Path | None, split: str, download: bool) -> BaseImages:
    make = NAMED.get(str(spec))
    if make is None:
        raise DataError(f"data {str(spec)!r} is unknown: expected {', '.join(sorted(NAMED))}")
    if split not in SPLITS:
        raise DataError(f"{spec}: it has the splits {' and '.join(SPLITS)}, not {split!r}")
    return make(split, root, download)
