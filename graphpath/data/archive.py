"""Images in a tar: indexed once, then read in place; a compressed one is unpacked to a cache first.

Nothing of the archive is ever written under a name of its own: the cache holds one plain tar per archive,
named after a digest, and its index. So neither a path nor a link in it can lead anywhere; archives with such
are refused all the same. Memory stays at one image plus the index.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.data.files import EncodedImages
from graphpath.data.fit import Size
from graphpath.data.layout import Layout, arrange, is_image_name, unwrapped
from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.record.files import write_atomically
from graphpath.tars import DAMAGED, bare_name, clean_name, members

MOST_BYTES = 64 << 30
"""No archive may unpack to more than this."""

_COPY = 1 << 20
_Packed = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
_OPENERS: dict[bytes, Callable[[Path], _Packed]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


@dataclass(frozen=True)
class Index:
    """Where the images of a plain tar lie in it."""

    names: tuple[str, ...]
    """Without folders that all share and that mean nothing."""
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


class TarImages(EncodedImages):
    """The images of a tar, each read from its place in the plain file."""

    def __init__(
        self, path: Path, plain: Path, index: Index, layout: Layout, size: Size | None, channels: int | None
    ) -> None:
        number = {name: i for i, name in enumerate(index.names)}
        chosen = [number[name] for name in layout.names]
        self._path, self._file = path, plain.open("rb")
        self._offsets, self._sizes = index.offsets[chosen], index.sizes[chosen]
        super().__init__(bare_name(path), layout, size, channels)

    def _where(self, position: int) -> str:
        return f"{self._path}: {self._layout.names[position]}"

    def _bytes(self, position: int) -> bytes:
        size = int(self._sizes[position])
        data = os.pread(self._file.fileno(), size, int(self._offsets[position]))
        if len(data) != size:
            raise DataError(f"{self._where(position)}: the archive ends within it")
        return data

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


def open_archive(path: Path, split: str, size: Size | None, channels: int | None) -> TarImages:
    """The images in the tar ``path``, laid out as an image folder.

    Raises ``DataError`` where it is truncated, not a tar, too large, or holds links or unsafe paths.
    """
    plain, index = _indexed(path)
    return TarImages(path, plain, index, arrange(index.names, split, str(path)), size, channels)


def cache_folder() -> Path:
    """Where unpacked archives are kept: $GRAPHPATH_CACHE, or graphpath in the user's cache folder."""
    if own := os.environ.get("GRAPHPATH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphpath"


def _indexed(path: Path) -> tuple[Path, Index]:
    """A plain tar with the contents of ``path``, and its index; both from the cache where they are there."""
    facts = path.stat()
    key = digest(str(path.resolve()), facts.st_size, facts.st_mtime_ns)[:32]
    folder = cache_folder()
    kept = folder / f"{key}.parquet"
    opener = _opener(path)
    plain = path if opener is None else folder / f"{key}.tar"
    if kept.is_file() and plain.is_file():
        return plain, _read_index(kept)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: the cache cannot be made there; set GRAPHPATH_CACHE") from error
    try:
        if opener is not None:
            write_atomically(plain, lambda temporary: _unpack(path, opener, temporary))
        index = _scan(path, plain)
    except DAMAGED as error:
        raise DataError(f"{path}: not a whole tar archive; it is truncated or damaged ({error})") from error
    write_atomically(kept, lambda temporary: _write_index(index, temporary))
    return plain, index


def _opener(path: Path) -> Callable[[Path], _Packed] | None:
    with path.open("rb") as file:
        magic = file.read(8)
    return next((opener for mark, opener in _OPENERS.items() if magic.startswith(mark)), None)


def _unpack(path: Path, opener: Callable[[Path], _Packed], target: Path) -> None:
    written = 0
    with opener(path) as packed, target.open("wb") as file:
        while chunk := packed.read(_COPY):
            written += len(chunk)
            if written > MOST_BYTES:
                raise DataError(f"{path}: unpacks to more than {MOST_BYTES >> 30} GiB")
            file.write(chunk)


def _scan(path: Path, plain: Path) -> Index:
    """Every image of the tar. Refuses what no image folder holds."""
    found: dict[str, tuple[int, int]] = {}
    with tarfile.open(plain, "r:") as archive:
        for member in members(path, archive):
            if member.isreg() and is_image_name(name := clean_name(member)):
                found[name] = (member.offset_data, member.size)
    depth = unwrapped(list(found))
    places = np.array(list(found.values()), dtype=np.int64).reshape(-1, 2)
    names = tuple("/".join(name.split("/")[depth:]) for name in found)
    return Index(names, places[:, 0], places[:, 1])


def _write_index(index: Index, target: Path) -> None:
    pq.write_table(
        pa.table({"name": list(index.names), "offset": index.offsets, "size": index.sizes}), target
    )


def _read_index(path: Path) -> Index:
    table = pq.read_table(path)
    return Index(tuple(table["name"].to_pylist()), table["offset"].to_numpy(), table["size"].to_numpy())
