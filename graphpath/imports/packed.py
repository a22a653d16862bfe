"""Other people's files as bytes: plain or packed, by what they begin with and not by what they are called."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

import pyarrow as pa

from graphpath.errors import DataError

ENDINGS = (".gz", ".bz2", ".xz", ".zst", ".zip")
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by their byte order marks; UTF-32's begin with UTF-16's and come before them."""
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
"""What reading a packed file that is truncated, or of a kind that is not known, raises."""


def strip_packing(name: str) -> str:
    """``name`` in lower case without the endings of packed files: ``Edges.CSV.gz`` is ``edges.csv``."""
    name = name.lower()
    while name.endswith(ENDINGS):
        name = name.rpartition(".")[0]
    return name


def decode(data: bytes) -> str:
    """``data`` as text by its byte order mark, else UTF-8; without the mark. Raises UnicodeDecodeError."""
    return data.decode(detect_mark(data) or "utf-8")


def detect_mark(head: bytes) -> str | None:
    """The encoding by the byte order mark."""
    return next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None)


def list_paths(files: Sequence[str | Path] | str | Path) -> list[Path]:
    """The paths that somebody gave: several, or one. Raises DataError for none."""
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]
    if not paths:
        raise DataError("No file was given to import.")
    return paths


def check_plain(path: Path) -> None:
    """Refuse what is no file on disk: a folder, or a pipe or device, which may never end.

    Raises:
        DataError: so it is, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise explain_unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise DataError(f"{path} is a folder, where a file is expected.")
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is a pipe or device, and is read more than once: write it to a file first.")


def explain_unreadable(path: Path | str, error: BaseException) -> DataError:
    """What to raise where reading ``path`` ended in ``error``."""
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{path} cannot be read: {error.strerror}.")
    return DataError(f"{path} cannot be read; it is truncated or damaged: {error}.")


@contextmanager
def open_packed(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of ``path``: unpacked where it is gzip, bzip2, xz, zstd, or a zip of one file.

    Raises:
        DataError: it is no plain file, or cannot be read; also for what is noticed while it is being read.
    """
    check_plain(path)
    try:
        with path.open("rb") as file, unpack(file, str(path)) as plain:
            yield plain
    except DAMAGED as error:
        raise explain_unreadable(path, error) from error


@contextmanager
def unpack(file: IO[bytes], where: str) -> Iterator[IO[bytes]]:
    """What ``file``, at its beginning, holds once unpacked. ``where`` is what messages call it."""
    head = file.read(10)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(file) as plain:
            yield cast(IO[bytes], plain)
    elif head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        with bz2.open(file) as plain:
            yield cast(IO[bytes], plain)
    elif head.startswith(b"\xfd7zXZ\x00"):
        with lzma.open(file) as plain:
            yield cast(IO[bytes], plain)
    elif head.startswith(b"\x28\xb5\x2f\xfd"):
        with pa.CompressedInputStream(file, "zstd") as plain:
            yield plain
    elif head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(file) as archive, archive.open(_require_one_member(archive, where)) as plain:
            yield plain
    else:
        yield file


def find_member(path: Path) -> str:
    """The name of the one file in the zip ``path``; empty where it is no zip. Raises DataError."""
    check_plain(path)
    try:
        if not zipfile.is_zipfile(path):
            return ""
        with zipfile.ZipFile(path) as archive:
            return _require_one_member(archive, str(path)).filename
    except DAMAGED as error:
        raise explain_unreadable(path, error) from error


def _require_one_member(archive: zipfile.ZipFile, where: str) -> zipfile.ZipInfo:
    """Its one file, besides what a Mac adds. Nothing is unpacked to disk, whatever its name."""
    files = [one for one in archive.infolist() if not one.is_dir() and not _is_hidden(one.filename)]
    if len(files) != 1:
        raise DataError(f"{where} should be a zip of one file; it holds {len(files)}: unpack it.")
    if files[0].flag_bits & 1:
        raise DataError(f"{where} is locked with a password: unpack it.")
    return files[0]


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
