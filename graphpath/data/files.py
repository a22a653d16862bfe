"""Images in files: a folder, or one image."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from graphpath.data.base import BaseImages, Positions
from graphpath.data.decode import decode
from graphpath.data.fit import Size
from graphpath.data.layout import WHOLE, Layout, arrange
from graphpath.data.rows import UNLABELLED, sample_rows
from graphpath.errors import DataError


class EncodedImages(BaseImages):
    """Images that are decoded when they are read. A sample's id includes its file's name in the set."""

    def __init__(self, dataset: str, layout: Layout, size: Size | None, channels: int | None) -> None:
        self._layout, self._size, self._channels = layout, size, channels
        first = decode(self._bytes(0), self._where(0), size, channels)
        channels_, height, width = first.shape
        super().__init__(dataset, layout.split, layout.classes, (channels_, height, width))

    @abstractmethod
    def _bytes(self, position: int) -> bytes:
        """The encoded image; ``DataError`` where it cannot be read."""

    @abstractmethod
    def _where(self, position: int) -> str:
        """What messages call this image."""

    def __len__(self) -> int:
        return len(self._layout.names)

    def _rows(self) -> pa.Table:
        details = [{"file": name} for name in self._layout.names]
        return sample_rows(
            self.dataset, self.split, self._layout.labels, index=np.arange(len(self)), details=details
        )

    def read(self, positions: Positions) -> torch.Tensor:
        if not len(positions):
            return torch.empty((0, *self.shape))
        return torch.stack([self._decoded(int(position)) for position in positions])

    def _decoded(self, position: int) -> torch.Tensor:
        where = self._where(position)
        pixels = decode(self._bytes(position), where, self._size, self._channels)
        if tuple(pixels.shape) != self.shape:
            raise DataError(
                f"{where}: {pixels.shape[1]}x{pixels.shape[2]} pixels, the first image has "
                f"{self.shape[1]}x{self.shape[2]}; give a size (--size) that all are brought to"
            )
        return pixels


class FolderImages(EncodedImages):
    """The images of a folder on disk."""

    def __init__(
        self, root: Path, dataset: str, layout: Layout, size: Size | None, channels: int | None
    ) -> None:
        self._root = root
        super().__init__(dataset, layout, size, channels)

    def _where(self, position: int) -> str:
        return str(self._root / self._layout.names[position])

    def _bytes(self, position: int) -> bytes:
        path = self._root / self._layout.names[position]
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def open_folder(path: Path, split: str, size: Size | None, channels: int | None) -> FolderImages:
    """The images below ``path``: one sub-folder a class, or train/ and test/ of such."""
    names = [
        (Path(folder) / file).relative_to(path).as_posix()
        for folder, _, files in os.walk(path)
        for file in files
    ]
    return FolderImages(path, path.resolve().name, arrange(names, split, str(path)), size, channels)


def open_file(path: Path, size: Size | None, channels: int | None) -> FolderImages:
    """One image, not labelled."""
    layout = Layout(WHOLE, (), (path.name,), (UNLABELLED,))
    return FolderImages(path.parent, path.resolve().parent.name, layout, size, channels)
