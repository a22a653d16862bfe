"""Images in a tar or zip: indexed once, then read in place; a packed one is unpacked to a cache first.

Memory stays at one image plus the index.
"""

from __future__ import annotations

import os
from pathlib import Path

from graphpath.data.cache import index_archive
from graphpath.data.files import MOST_BYTES, EncodedImages
from graphpath.data.fit import PixelFormat
from graphpath.data.index import Index
from graphpath.data.layout import FolderLayout, arrange
from graphpath.errors import DataError
from graphpath.tars import bare_name, explain_unreadable


class ArchiveImages(EncodedImages):
    """The images of an archive, each read from its place in the plain file."""

    def __init__(
        self,
        path: Path,
        plain: Path,
        index: Index,
        layout: FolderLayout,
        fit: PixelFormat,
        notes: tuple[str, ...] = (),
    ) -> None:
        number = {name: i for i, name in enumerate(index.listing.files)}
        chosen = [number[name] for name in layout.names]
        self._path, self._cache_notes = path, notes
        try:
            self._file = plain.open("rb")
        except OSError as error:
            raise explain_unreadable(plain, error) from error
        self._offsets, self._sizes = index.offsets[chosen], index.sizes[chosen]
        super().__init__(bare_name(path), layout, fit)

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self._cache_notes, *super().notes)

    def _describe_image(self, position: int) -> str:
        return f"{self._path}: {self._layout.names[position]}"

    def _read_bytes(self, position: int) -> bytes:
        size = int(self._sizes[position])
        if size > MOST_BYTES:
            raise DataError(f"{self._describe_image(position)}: {size >> 20} MiB, more than an image has")
        try:
            data = os.pread(self._file.fileno(), size, int(self._offsets[position]))
        except OSError as error:
            raise explain_unreadable(self._path, error) from error
        if len(data) != size:
            raise DataError(f"{self._describe_image(position)}: the archive ends within it")
        return data

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


def open_archive(path: Path, split: str, pixel_format: PixelFormat) -> ArchiveImages:
    """The images in the archive ``path``, laid out as an image folder.

    Raises ``DataError`` where it is truncated, no tar or zip, too large, or holds links or unsafe paths.
    """
    plain, index, notes = index_archive(path)
    return ArchiveImages(path, plain, index, arrange(index.listing, split, str(path)), pixel_format, notes)
