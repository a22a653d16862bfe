"""What an archive must be before any of it is used: whole, of plain files and folders that stay within."""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from graphpath.errors import DataError

DAMAGED = (
    OSError,
    EOFError,
    ValueError,  # numbers and texts in headers; UnicodeError is one
    OverflowError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,  # a compression that Python does not know
)
"""What reading an archive that is truncated, or none, raises."""

_ENDINGS = (".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".zip")


def bare_name(path: Path) -> str:
    """The name of ``path`` without the ending of a tar or zip; the whole name where it has none."""
    ending = next((one for one in _ENDINGS if path.name.lower().endswith(one)), "")
    return path.name[: len(path.name) - len(ending)] or path.name


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a file that looks like a tar, by its name."""
    return path.is_file() and bare_name(path) != path.name and not is_zip(path)


def is_zip(path: Path) -> bool:
    """Whether ``path`` is a file that looks like a zip, by its name."""
    return path.is_file() and path.suffix.lower() == ".zip"


def explain_unreadable(path: Path, error: BaseException) -> DataError:
    """What is said of the archive ``path`` after one of ``DAMAGED``: the system's reason, or the damage."""
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{path}: cannot be read ({error.strerror})")
    why = str(error) or type(error).__name__
    return DataError(f"{path}: not a whole archive; it is truncated or damaged ({why})")


def read_members(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
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


def read_zip_members(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files and folders of ``archive``, which is the zip ``path`` opened.

    Raises DataError for one that points outside, is encrypted, or is no plain file or folder.
    """
    for member in archive.infolist():
        _check_name(path, member.filename)
        if member.flag_bits & 1:
            raise DataError(f"{path}: refused, its member {member.filename!a} is encrypted")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if member.create_system == _UNIX and kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refuse_member(path, member.filename)
    return archive.infolist()


_UNIX = 3
"""The system whose file modes a zip's member carries (APPNOTE 4.4.2)."""


def _check(path: Path, member: tarfile.TarInfo) -> None:
    _check_name(path, member.name)
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise _refuse_member(path, member.name)


def _check_name(path: Path, name: str) -> None:
    if not name:
        raise DataError(f"{path}: refused, one of its members has no name")
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name:
        raise DataError(f"{path}: refused, its member {name!a} points outside of the archive")


def _refuse_member(path: Path, name: str) -> DataError:
    return DataError(f"{path}: refused, its member {name!a} is no plain file or folder (a link?)")


def _check_end(path: Path, archive: tarfile.TarFile, end: int) -> None:
    """A whole tar ends with a block of zeros; tarfile stops at a damaged header without a word."""
    assert archive.fileobj is not None
    archive.fileobj.seek(end)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{path}: not a whole tar archive; it is truncated or damaged after byte {end}")
