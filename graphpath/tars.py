"""What a tar must be before anything of it is used: whole, of plain files and folders that stay within."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from graphpath.errors import DataError

DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, UnicodeError)
"""What reading a tar that is truncated, or none, raises."""


def bare_name(path: Path) -> str:
    """The name of ``path`` without the ending of a tar; the whole name where it has none."""
    name = path.name
    for ending in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(ending)
    for ending in (".tar", ".tgz", ".tbz2", ".txz"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return path.name


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a file that looks like a tar, by its name."""
    return path.is_file() and bare_name(path) != path.name


def members(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files and folders of ``archive``, which is the tar ``path`` opened.

    Raises DataError for one that points outside or is no plain file or folder, and at the end where the
    archive is truncated.
    """
    end = 0
    for member in archive:
        _check(path, member)
        end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        yield member
    _check_end(path, archive, end)


def clean_name(member: tarfile.TarInfo) -> str:
    """A member's name without a leading ``./``."""
    return PurePosixPath(member.name).as_posix().removeprefix("./")


def _check(path: Path, member: tarfile.TarInfo) -> None:
    parts = PurePosixPath(member.name).parts
    if member.name.startswith("/") or ".." in parts or "\\" in member.name:
        raise DataError(f"{path}: refused, its member {member.name!r} points outside of the archive")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise DataError(f"{path}: refused, its member {member.name!r} is no plain file or folder (a link?)")


def _check_end(path: Path, archive: tarfile.TarFile, end: int) -> None:
    """A whole tar ends with a block of zeros; tarfile stops at a damaged header without a word."""
    assert archive.fileobj is not None
    archive.fileobj.seek(end)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{path}: not a whole tar archive; it is truncated or damaged after byte {end}")
