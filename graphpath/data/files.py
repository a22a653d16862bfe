"""Images in files: a folder, or one image."""

from __future__ import annotations

import os
import stat
from abc import abstractmethod
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from graphpath.data.base import BaseImages, Positions
from graphpath.data.decode import decode
from graphpath.data.fit import PixelFormat
from graphpath.data.layout import CLASS_DEPTH, SPLIT_NAMES, WHOLE, FolderLayout, Listing, arrange, is_clutter
from graphpath.data.notes import Notes
from graphpath.data.rows import UNLABELLED, build_sample_rows
from graphpath.errors import DataError

MOST_BYTES = 1 << 30
"""No image's file may be larger."""


class EncodedImages(BaseImages):
    """Images that are decoded when they are read. A sample's id includes its file's name in the set.

    With ``exif`` each is turned as its EXIF orientation says; the ids say so, for the pixels are others.
    """

    def __init__(self, dataset: str, layout: FolderLayout, pixel_format: PixelFormat) -> None:
        self._layout, self._pixel_format, self._met = layout, pixel_format, Notes()
        first = decode(
            self._read_bytes(0),
            self._describe_image(0),
            pixel_format.size,
            pixel_format.channels,
            exif=pixel_format.exif,
        )
        channels_, height, width = first.shape
        super().__init__(dataset, layout.split, layout.classes, (channels_, height, width))

    def note_in(self, notes: Notes) -> None:
        """Say what is met among ``notes``, those of several sets together."""
        self._met = notes

    @abstractmethod
    def _read_bytes(self, position: int) -> bytes:
        """The encoded image; ``DataError`` where it cannot be read."""

    @abstractmethod
    def _describe_image(self, position: int) -> str:
        """What messages call this image."""

    def __len__(self) -> int:
        return len(self._layout.names)

    def _sample_rows(self) -> pa.Table:
        turned = {"exif": True} if self._pixel_format.exif else {}
        details = [{"file": name, **turned} for name in self._layout.names]
        return build_sample_rows(
            self.dataset, self.split, self._layout.labels, index=np.arange(len(self)), details=details
        )

    def read(self, positions: Positions) -> torch.Tensor:
        if not len(positions):
            return torch.empty((0, *self.shape))
        return torch.stack([self._decode(int(position)) for position in positions])

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self._layout.notes, *self._met.sentences())

    def _decode(self, position: int) -> torch.Tensor:
        where, pixel_format = self._describe_image(position), self._pixel_format
        pixels = decode(
            self._read_bytes(position),
            where,
            pixel_format.size,
            pixel_format.channels,
            exif=pixel_format.exif,
            notes=self._met,
        )
        if tuple(pixels.shape) != self.shape:
            raise DataError(
                f"{where}: {pixels.shape[1]}x{pixels.shape[2]} pixels, the first image has "
                f"{self.shape[1]}x{self.shape[2]}; give a size (--size) that all are brought to"
            )
        return pixels


class FolderImages(EncodedImages):
    """The images of a folder on disk."""

    def __init__(self, root: Path, dataset: str, layout: FolderLayout, pixel_format: PixelFormat) -> None:
        self._root = root
        super().__init__(dataset, layout, pixel_format)

    def _describe_image(self, position: int) -> str:
        return str(self._root / self._layout.names[position])

    def _read_bytes(self, position: int) -> bytes:
        return read_plain(self._root / self._layout.names[position])


def read_plain(path: Path) -> bytes:
    """The bytes of a plain file; ``DataError`` for anything else, which might keep a reader waiting."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise DataError(f"{path}: no plain file (a pipe, socket, device or folder); remove it")
        if facts.st_size > MOST_BYTES:
            raise DataError(f"{path}: {facts.st_size >> 20} MiB, more than an image has")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def open_folder(path: Path, split: str, pixel_format: PixelFormat) -> FolderImages:
    """The images below ``path``: one sub-folder a class, or train/ and test/ of such."""
    return FolderImages(path, path.resolve().name, arrange(list_folder(path), split, str(path)), pixel_format)


def open_file(path: Path, pixel_format: PixelFormat) -> FolderImages:
    """One image, not labelled."""
    layout = FolderLayout(WHOLE, (), (path.name,), (UNLABELLED,))
    return FolderImages(path.parent, path.resolve().parent.name, layout, pixel_format)


_Identity = tuple[int, int]


def list_folder(root: Path) -> Listing:
    """All files below ``root``, and its folders, linked ones followed.

    A folder that is linked into itself is entered once, and within one class no folder twice, so that links
    that lead in circles end. Raises ``DataError`` for a folder that cannot be listed.
    """
    files: list[str] = []
    folders: list[str] = []
    facts = root.stat()
    open_ones: list[tuple[str, int, set[_Identity]]] = [("", 0, {(facts.st_dev, facts.st_ino)})]
    while open_ones:
        prefix, depth, seen = open_ones.pop()
        for entry in _read_entries(root / prefix):
            name = prefix + entry.name
            if (identity := _identify_folder(entry)) is None:
                files.append(name)
            elif not is_clutter(entry.name) and identity not in seen:
                own = depth == 0 or (depth == 1 and prefix[:-1] in SPLIT_NAMES)
                inner = set(seen) if own else seen
                inner.add(identity)
                open_ones.append((f"{name}/", depth + 1, inner))
                folders += [name] if depth < CLASS_DEPTH else []
    return Listing(files, folders)


def _read_entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error


def _identify_folder(entry: os.DirEntry[str]) -> _Identity | None:
    """Which folder ``entry`` is; None for a file, and for a link that leads nowhere."""
    try:
        facts = entry.stat()
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else None
