"""Where the images of an archive lie in one plain file, which for a packed one is made first.

Nothing of the archive is ever written under a name of its own, so neither a path nor a link in it can lead
anywhere; archives with such are refused all the same.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.data.layout import CLASS_DEPTH, Listing, count_wrappers, is_image_name
from graphpath.errors import DataError
from graphpath.tars import DAMAGED, clean_name, explain_unreadable, read_members, read_zip_members

MOST_BYTES = 64 << 30
"""No archive may unpack to more than this."""

_COPY = 1 << 20
_Packed = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
_OPENERS: dict[bytes, Callable[[Path], _Packed]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_SIZE = b"graphpath.plain"
"""The key of the plain file's size in the index."""


@dataclass(frozen=True)
class Index:
    """Where the images of an archive lie in its plain file."""

    listing: Listing
    """Images and folders, without leading folders that all share and that mean nothing."""
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def is_plain(path: Path) -> bool:
    """Whether images can be read from ``path`` in place. Raises ``DataError`` where it cannot be read."""
    magic = _read_magic(path)
    return not magic.startswith((*_OPENERS, *_ZIP))


def unpack(path: Path, target: Path) -> Index:
    """The index of the packed archive ``path``, whose plain file ``target`` becomes.

    Raises ``DataError`` where it is damaged, unsafe or too large, OSError where ``target`` cannot be written.
    """
    magic = _read_magic(path)
    if magic.startswith(_ZIP):
        return _collect_zip(path, target)
    opener = next(opener for mark, opener in _OPENERS.items() if magic.startswith(mark))
    _copy(path, lambda: opener(path), target)
    return scan_tar(path, target)


def scan_tar(path: Path, plain: Path) -> Index:
    """The index of the tar ``path``, whose plain form is ``plain``. Refuses what no image folder holds."""
    found: dict[str, tuple[int, int]] = {}
    folders: dict[str, None] = {}
    try:
        with tarfile.open(plain, "r:") as archive:
            for member in read_members(path, archive):
                if member.isdir():
                    folders[clean_name(member)] = None
                elif is_image_name(name := clean_name(member)):
                    found[name] = (member.offset_data, member.size)
    except DAMAGED as error:
        raise explain_unreadable(path, error) from error
    return _build_index(found, list(folders))


def _collect_zip(path: Path, target: Path) -> Index:
    """The images of a zip, one after another in ``target``."""
    found: dict[str, tuple[int, int]] = {}
    folders: dict[str, None] = {}
    with target.open("wb") as file:
        for name, chunks in _read_zip_images(path, folders):
            start = file.tell()
            for chunk in chunks:
                file.write(chunk)
            found[name] = (start, file.tell() - start)
    return _build_index(found, list(folders))


def _read_zip_images(path: Path, folders: dict[str, None]) -> Iterator[tuple[str, Iterator[bytes]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = read_zip_members(path, archive)
            chosen = [one for one in inside if not one.is_dir() and is_image_name(one.filename)]
            _check_size(path, sum(one.file_size for one in chosen))
            folders.update((one.filename.rstrip("/"), None) for one in inside if one.is_dir())
            for one in chosen:
                with archive.open(one) as packed:
                    yield one.filename, _read_chunks(path, packed)
    except (*DAMAGED, RuntimeError) as error:  # RuntimeError: what Python cannot unpack
        raise explain_unreadable(path, error) from error


def _copy(path: Path, opener: Callable[[], _Packed], target: Path) -> None:
    try:
        packed = opener()
    except DAMAGED as error:
        raise explain_unreadable(path, error) from error
    written = 0
    with packed, target.open("wb") as file:
        for chunk in _read_chunks(path, packed):
            written += len(chunk)
            _check_size(path, written)
            file.write(chunk)


def _read_chunks(path: Path, packed: IO[bytes] | _Packed) -> Iterator[bytes]:
    """What ``packed`` unpacks to. Here alone is the archive read, so that its errors are not the target's."""
    try:
        while chunk := packed.read(_COPY):
            yield chunk
    except DAMAGED as error:
        raise explain_unreadable(path, error) from error


def _check_size(path: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise DataError(f"{path}: unpacks to more than {MOST_BYTES >> 30} GiB")


def _read_magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise explain_unreadable(path, error) from error


def _build_index(found: dict[str, tuple[int, int]], folders: list[str]) -> Index:
    full = Listing(list(found), folders)
    depth = count_wrappers(full)
    positions = np.array(list(found.values()), dtype=np.int64).reshape(-1, 2)
    wrapper = next(iter(found), "").split("/")[:depth]
    kept = {_strip_folders(name, depth) for name in folders if name.split("/")[:depth] == wrapper}
    short = sorted(name for name in kept if name and name.count("/") < CLASS_DEPTH)
    return Index(
        Listing([_strip_folders(name, depth) for name in found], short), positions[:, 0], positions[:, 1]
    )


def _strip_folders(name: str, depth: int) -> str:
    return "/".join(name.split("/")[depth:])


def write_index(index: Index, plain_size: int, target: Path) -> None:
    """The index as Parquet; a folder is a row without a place."""
    folders = np.full(len(index.listing.folders), -1, np.int64)
    table = pa.table(
        {
            "name": [*index.listing.files, *index.listing.folders],
            "offset": np.concatenate([index.offsets, folders]),
            "size": np.concatenate([index.sizes, folders]),
        }
    )
    pq.write_table(table.replace_schema_metadata({_SIZE: str(plain_size)}), target)


def read_index(path: Path, plain: Path) -> Index | None:
    """The index in ``path``; None where it or ``plain`` is not whole, so that both are made anew."""
    try:
        table = pq.read_table(path)
        size = plain.stat().st_size
    except (OSError, pa.ArrowException):
        return None
    metadata = table.schema.metadata or {}
    if table.column_names != ["name", "offset", "size"] or metadata.get(_SIZE) != str(size).encode():
        return None
    offsets, sizes = table["offset"].to_numpy(), table["size"].to_numpy()
    names, files = table["name"].to_pylist(), int((offsets >= 0).sum())
    return Index(Listing(names[:files], names[files:]), offsets[:files], sizes[:files])
