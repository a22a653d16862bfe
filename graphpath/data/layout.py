"""What the names in an image folder mean: a sub-folder a class, perhaps below train/ and test/."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from graphpath.data.decode import EXTENSIONS
from graphpath.data.rows import UNLABELLED
from graphpath.errors import DataError

SPLIT_NAMES = frozenset({"test", "train", "val", "valid", "validation"})
WHOLE = "all"
"""The split of a folder that is not divided."""

_CLUTTER = frozenset({"$RECYCLE.BIN", "@eaDir", "System Volume Information", "__MACOSX", "lost+found"})
"""Folders that systems leave behind."""

_OTHER_IMAGES = frozenset(
    {
        *(".apng", ".avif", ".cr2", ".dcm", ".dng", ".exr", ".hdr", ".heic", ".heif", ".ico", ".j2k"),
        *(".jfif", ".jp2", ".jpe", ".jxl", ".nef", ".npy", ".pbm", ".pfm", ".pnm", ".svg", ".tga"),
    }
)
"""Images by their suffix that are not among those taken, and whose absence is noted."""

CLASS_DEPTH = 2
"""How far down a folder may be that means something: a class, or a class below a split."""


@dataclass(frozen=True)
class Listing:
    """What a folder or an archive holds, by names relative to it, with forward slashes."""

    files: Sequence[str]
    folders: Sequence[str]
    """Without those below ``CLASS_DEPTH``."""


@dataclass(frozen=True)
class FolderLayout:
    """The images of one split of a folder, in order of their names."""

    split: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    """Relative to the folder, with forward slashes."""
    labels: tuple[int, ...]
    notes: tuple[str, ...] = ()
    """What should be known of it: classes without images, files left out."""


def is_image_name(name: str) -> bool:
    """Whether ``name`` is that of an image that means something; hidden ones do not."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS and not is_clutter(name)


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden, or in a folder that is hidden or a system's own."""
    return any(part.startswith(".") or part in _CLUTTER for part in name.split("/"))


def arrange(listing: Listing, split: str, where: str) -> FolderLayout:
    """The images that belong to ``split``, with their classes.

    Where the folder has train/, test/ or val/, only that of ``split`` is taken; otherwise everything is,
    as the split "all". A sub-folder is a class, whatever lies below it, and if nothing does; classes are
    numbered by name, over all splits. A folder with images and no sub-folder is unlabelled. Raises
    ``DataError`` naming what does not fit.
    """
    images = sorted(name for name in listing.files if is_image_name(name))
    folders = [name for name in listing.folders if not is_clutter(name)]
    _check_names([*images, *folders], where)
    left_out = _note_ignored(listing.files)
    if not images:
        also = f" ({left_out[0]})" if left_out else ""
        raise DataError(f"{where}: no images in it; expected one sub-folder a class, with images{also}")
    splits = {name.split("/")[0] for name in images if "/" in name}
    if not splits <= SPLIT_NAMES or not splits:
        return _label_images(images, _list_classes(folders, images, 0), "", WHOLE, where, left_out)
    if split not in splits:
        raise DataError(f"{where}: it has no images in {split}/; its splits are {', '.join(sorted(splits))}")
    of_splits = [name for name in folders if name.split("/")[0] in SPLIT_NAMES]
    own = [name for name in images if name.startswith(f"{split}/")]
    return _label_images(own, _list_classes(of_splits, images, 1), f"{split}/", split, where, left_out)


def _list_classes(folders: Sequence[str], images: Sequence[str], depth: int) -> list[str]:
    """The folders ``depth`` folders down, whether they hold images or not."""
    parts = [name.split("/") for name in folders] + [name.split("/")[:-1] for name in images]
    return sorted({part[depth] for part in parts if len(part) > depth})


def _label_images(
    images: Sequence[str], classes: list[str], prefix: str, split: str, where: str, notes: tuple[str, ...]
) -> FolderLayout:
    inner = [name.removeprefix(prefix).split("/") for name in images]
    loose = [name for name, parts in zip(images, inner, strict=True) if len(parts) == 1]
    if len(loose) == len(images):
        return FolderLayout(split, (), tuple(images), (UNLABELLED,) * len(images), notes)
    if loose:
        raise DataError(f"{where}: {loose[0]} lies beside the class folders; move it into one of them")
    number = {name: label for label, name in enumerate(classes)}
    labels = tuple(number[parts[0]] for parts in inner)
    empty = sorted(set(classes) - {parts[0] for parts in inner})
    empty_note = (_name_few(f"classes without images in {where}", empty),) if empty else ()
    return FolderLayout(split, tuple(classes), tuple(images), labels, (*empty_note, *notes))


def _note_ignored(files: Sequence[str]) -> tuple[str, ...]:
    """What is said of images of kinds that are not read."""
    others = [
        name for name in files if PurePosixPath(name).suffix.lower() in _OTHER_IMAGES and not is_clutter(name)
    ]
    kinds = ", ".join(sorted({PurePosixPath(name).suffix.lower() for name in others}))
    return (
        (_name_few(f"files left out, for {kinds} is not among the images read", sorted(others)),)
        if others
        else ()
    )


def _name_few(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{what}: {', '.join(names[:3])}{more}"


def _check_names(names: Iterable[str], where: str) -> None:
    """Names are kept as text, which bytes of another encoding are not."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"{where}: the name {name!a} is not UTF-8; rename it") from None


def count_wrappers(listing: Listing) -> int:
    """How many leading folders all image names share and mean nothing: "photos" in photos/cat/1.jpg.

    A folder that would leave no class below it, has another beside it, or is a split, means something.
    """
    parts = [name.split("/") for name in listing.files if is_image_name(name)]
    beside = [name.split("/") for name in listing.folders if not is_clutter(name)]
    depth = 0
    while parts and all(len(p) > depth + 2 for p in parts):
        heads = {p[depth] for p in [*parts, *(b for b in beside if len(b) > depth)]}
        if len(heads) > 1 or heads <= SPLIT_NAMES:
            break
        depth += 1
    return depth
