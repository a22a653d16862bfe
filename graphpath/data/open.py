"""Images by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from graphpath.data.archive import open_archive
from graphpath.data.base import BaseImages
from graphpath.data.files import open_file, open_folder
from graphpath.data.fit import PixelFormat, Size, as_size, fit_images
from graphpath.data.layout import is_image_name
from graphpath.data.named import NAMED
from graphpath.data.stored import open_stored
from graphpath.errors import DataError
from graphpath.record.imageset import is_image_set
from graphpath.tars import is_archive, is_zip

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
    exif: bool = False,
) -> BaseImages:
    """The images that ``spec`` names.

    ``spec`` is ``digits``, ``mnist``, ``cifar10`` or ``m2nist`` (the last three from ``root``, in
    torchvision's layout; ``m2nist`` is composed of MNIST), or the path of an image folder (a sub-folder a
    class, or train/ and test/ of such), a tar or zip of one, a single image, or an image set. Names come
    first: for a folder called digits give ``./digits``.
    ``split`` chooses where there is something to choose.
    ``limit`` takes that many images, as evenly from all classes as they allow, chosen by ``seed``.
    ``size`` (a side, or height and width) and ``channels`` (1 or 3) bring them to a model's shape; images
    in files are read as colour unless ``channels`` is 1.
    Pixels of files are those of torchvision's ``ImageFolder``; ``exif`` turns them as their EXIF orientation
    says, which it does not. ``notes`` of what is returned says where such and other things were met.
    ``download`` allows torchvision to fetch what ``root`` lacks; otherwise nothing is ever fetched.

    Raises ``DataError`` in one sentence where something is missing or damaged.
    """
    where = None if root is None else Path(root)
    try:
        images = _open_set(spec, where, split, PixelFormat(as_size(size), channels, exif), download)
    except OSError as error:
        raise DataError(f"{spec}: cannot be read ({error.strerror or error})") from error
    return images.limit(limit, seed)


def _open_set(
    spec: str | Path, root: Path | None, split: str, pixel_format: PixelFormat, download: bool
) -> BaseImages:
    if (make := NAMED.get(str(spec))) is not None:
        if split not in SPLITS:
            raise DataError(f"{spec}: it has the splits {' and '.join(SPLITS)}, not {split!r}")
        return fit_images(make(split, root, download), pixel_format.size, pixel_format.channels)
    path = Path(spec)
    if is_image_set(path):
        return fit_images(open_stored(path), pixel_format.size, pixel_format.channels)
    if path.is_dir():
        return open_folder(path, split, pixel_format)
    if is_archive(path) or is_zip(path):
        return open_archive(path, split, pixel_format)
    if path.is_file() and is_image_name(path.name):
        return open_file(path, pixel_format)
    raise DataError(_explain_unknown(spec, path))


def _explain_unknown(spec: str | Path, path: Path) -> str:
    kinds = "an image folder, a tar or zip of one, an image or an image set"
    if path.exists():
        return f"{path}: neither {kinds}"
    close = difflib.get_close_matches(str(spec), NAMED, n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else f"expected {', '.join(sorted(NAMED))}, or the path of {kinds}"
    )
    return f"data {str(spec)!r} is unknown, and no such file: {hint}"
