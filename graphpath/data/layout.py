"""What the names in an image folder mean: a sub-folder a class, perhaps below train/ and test/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from graphpath.data.decode import EXTENSIONS
from graphpath.data.rows import UNLABELLED
from graphpath.errors import DataError

SPLIT_NAMES = frozenset({"test", "train", "val", "valid", "validation"})
WHOLE = "all"
"""The split of a folder that is not divided."""


@dataclass(frozen=True)
class Layout:
    """The images of one split of a folder, in order of their names."""

    split: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    """Relative to the folder, with forward slashes."""
    labels: tuple[int, ...]


def is_image_name(name: str) -> bool:
    """Whether ``name`` is that of an image; hidden files and folders are not."""
    path = PurePosixPath(name)
    return path.suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in path.parts)


def arrange(names: Sequence[str], split: str, where: str) -> Layout:
    """The images among ``names`` that belong to ``split``, with their classes.

    Where the folder has train/, test/ or val/, only that of ``split`` is taken; otherwise everything is,
    as the split "all". A sub-folder is a class, whatever lies below it; classes are numbered by name.
    A folder with images and no sub-folder is unlabelled. Raises ``DataError`` naming what does not fit.
    """
    images = sorted(name for name in names if is_image_name(name))
    if not images:
        raise DataError(f"{where}: no images in it; expected one sub-folder a class, with images")
    splits = {name.split("/")[0] for name in images if "/" in name}
    if not splits <= SPLIT_NAMES or not splits:
        return _classed(images, "", WHOLE, where)
    if split not in splits:
        raise DataError(f"{where}: it has no {split}/; its splits are {', '.join(sorted(splits))}")
    return _classed([name for name in images if name.startswith(f"{split}/")], f"{split}/", split, where)


def _classed(images: Sequence[str], prefix: str, split: str, where: str) -> Layout:
    inner = [name.removeprefix(prefix).split("/") for name in images]
    loose = [name for name, parts in zip(images, inner, strict=True) if len(parts) == 1]
    if len(loose) == len(images):
        return Layout(split, (), tuple(images), (UNLABELLED,) * len(images))
    if loose:
        raise DataError(f"{where}: {loose[0]} lies beside the class folders; move it into one of them")
    classes = sorted({parts[0] for parts in inner})
    number = {name: label for label, name in enumerate(classes)}
    return Layout(split, tuple(classes), tuple(images), tuple(number[parts[0]] for parts in inner))


def unwrapped(names: Sequence[str]) -> int:
    """How many leading folders all image names share and mean nothing: "photos" in photos/cat/1.jpg.

    A folder that would leave no class below it, or is a split, means something.
    """
    parts = [name.split("/") for name in names if is_image_name(name)]
    depth = 0
    while parts and all(len(p) > depth + 2 for p in parts):
        heads = {p[depth] for p in parts}
        if len(heads) > 1 or heads <= SPLIT_NAMES:
            break
        depth += 1
    return depth
