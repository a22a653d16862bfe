"""The digest of a store's file, kept in its last page, so that damage is refused instead of answered from.

The engine has no checksums of its own: of single flipped bits some change answers without a word. The
engine ignores the page, a copy of the file takes it along, and a file without it (an older one) is opened
as it is.

Reading a file whole takes about two seconds a GB. So a file above ``SMALL`` is read once by each user, and
again when its size, inode or time of change are others; ``graphpath doctor`` always reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from graphpath.errors import GraphpathError, StoreUnavailable
from graphpath.ids import digest
from graphpath.record.files import write_json

PAGE = 4096
MARK = b"graphpath: SHA-256 of all before this page: "
SMALL = 64 << 20
"""Bytes of a file that is read whole whenever it is opened: a tenth of a second."""


def seal(file: Path) -> None:
    """Append the page with the digest of ``file``. Raises OSError."""
    with file.open("rb+") as handle:
        size = handle.seek(0, os.SEEK_END)
        page = _build_page(handle, size)
        handle.seek(size)
        handle.write(page)


def unseal(file: Path) -> None:
    """Take that page off again, if it is there, so that the engine can write. Raises OSError."""
    with file.open("rb+") as handle:
        if (size := _find_seal(handle)) is not None:
            handle.truncate(size)


def check(path: Path, *, whole: bool = False) -> bool:
    """Whether ``path`` has a digest, which is the right one. Raises StoreUnavailable for damage, OSError.

    A large file that this user has read before, and that is unchanged since, is read again only if ``whole``.
    """
    with path.open("rb") as handle:
        if (size := _find_seal(handle)) is None:
            return False
        handle.seek(size)
        page = handle.read(PAGE)
        large, key = size > SMALL and not whole, _identify(handle, path)
        if large and _read_note(path) == key:
            return True
        if page != _build_page(handle, size):
            raise StoreUnavailable(
                f"{path} is damaged: its bytes are not those that were written (SHA-256). Rebuild it from "
                f"its traces (graphpath.open({str(path)!r}, rebuild=True)), or load them into a new file."
            )
    if large:
        _write_note(path, key)
    return True


def _find_seal(handle: BinaryIO) -> int | None:
    """The bytes before the page with the digest; None where there is no such page."""
    size = handle.seek(0, os.SEEK_END) - PAGE
    if size < 0:
        return None
    handle.seek(size)
    return size if handle.read(len(MARK)) == MARK else None


def _build_page(handle: BinaryIO, size: int) -> bytes:
    """The page that says the digest of the first ``size`` bytes."""
    found, rest = hashlib.sha256(), size
    handle.seek(0)
    while rest and (piece := handle.read(min(rest, 1 << 20))):
        found.update(piece)
        rest -= len(piece)
    return (MARK + found.hexdigest().encode()).ljust(PAGE, b"\n")


def _identify(handle: BinaryIO, path: Path) -> str:
    facts = os.fstat(handle.fileno())
    return digest(str(path.resolve()), facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _note_path(path: Path) -> Path:
    from graphpath.server.paths import default_cache

    return default_cache() / "stores" / f"{digest(str(path.resolve()))[:32]}.json"


def _read_note(path: Path) -> str | None:
    with suppress(OSError, ValueError, AttributeError):
        return str(json.loads(_note_path(path).read_text(encoding="utf-8")).get("read"))
    return None


def _write_note(path: Path, key: str) -> None:
    with suppress(OSError, GraphpathError):  # without a cache the file is read again
        _note_path(path).parent.mkdir(parents=True, exist_ok=True)
        write_json(_note_path(path), {"read": key})
