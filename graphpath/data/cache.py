"""Indexes of archives and what packed ones unpack to, kept from run to run up to a limit."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from graphpath.data.index import Index, is_plain, read_index, scan_tar, unpack, write_index
from graphpath.errors import DataError, RecordError
from graphpath.ids import digest
from graphpath.record.files import write_atomically
from graphpath.record.processes import is_running
from graphpath.tars import explain_unreadable
from graphpath.whole import TEMPORARY

LIMIT_GIB = 20.0
"""How much the cache holds; $GRAPHPATH_CACHE_GIB says otherwise."""


def cache_folder() -> Path:
    """Where unpacked archives are kept: $GRAPHPATH_CACHE, or graphpath in the user's cache folder."""
    if own := os.environ.get("GRAPHPATH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphpath"


def index_archive(path: Path) -> tuple[Path, Index, tuple[str, ...]]:
    """A plain file with the images of ``path``, its index, and what should be known of the cache.

    Both come from the cache where they are there. What is over the cache's limit goes, the longest unused
    first, but not what was asked for. Raises ``DataError``.
    """
    folder, key = cache_folder(), _cache_key(path)
    kept = folder / f"{key}.parquet"
    plain = path if is_plain(path) else folder / f"{key}.tar"
    if (index := read_index(kept, plain)) is not None:
        with suppress(OSError):
            os.utime(kept)
        return plain, index, ()
    limit = _read_limit()
    _make_folder(folder)
    index = scan_tar(path, plain) if plain == path else _unpack(path, plain)
    size = plain.stat().st_size
    write_atomically(kept, lambda temporary: write_index(index, size, temporary))
    return plain, index, _trim(folder, key, limit)


def _cache_key(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError as error:
        raise explain_unreadable(path, error) from error
    return digest(str(path.resolve()), facts.st_size, facts.st_mtime_ns)[:32]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: the cache cannot be made there; set GRAPHPATH_CACHE") from error
    for left in folder.glob(f"{TEMPORARY}*"):  # of processes that were killed
        process = left.name.removeprefix(TEMPORARY).partition("-")[0]
        if process.isdecimal() and not is_running(int(process)):
            left.unlink(missing_ok=True)


def _unpack(path: Path, plain: Path) -> Index:
    made: list[Index] = []
    try:
        write_atomically(plain, lambda temporary: made.append(unpack(path, temporary)))
    except RecordError as error:
        why = getattr(error.__cause__, "strerror", None) or error
        raise DataError(
            f"{path}: cannot be unpacked to the cache {plain.parent} ({why}); make room, or set "
            "GRAPHPATH_CACHE"
        ) from error
    return made[0]


def _read_limit() -> int:
    text = os.environ.get("GRAPHPATH_CACHE_GIB", str(LIMIT_GIB))
    try:
        limit = int(float(text) * (1 << 30))
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise DataError(f"GRAPHPATH_CACHE_GIB={text!r}: expected a number of GiB, such as {LIMIT_GIB:g}")
    return limit


def _trim(folder: Path, key: str, limit: int) -> tuple[str, ...]:
    """Removes what was not used for longest, until the rest is within ``limit``; says what it removed."""
    groups = _group_files(folder)
    sizes = {stem: sum(size for _, size, _ in files) for stem, files in groups.items()}
    total, gone = sum(sizes.values()), []
    for stem in sorted(sizes.keys() - {key}, key=lambda one: max(used for _, _, used in groups[one])):
        if total <= limit:
            break
        for file, _, _ in groups[stem]:
            file.unlink(missing_ok=True)
        total -= sizes[stem]
        gone.append(stem)
    if not gone:
        return ()
    freed = sum(sizes[stem] for stem in gone)
    return (
        f"the cache {folder} was over its limit of {limit / (1 << 30):g} GiB (GRAPHPATH_CACHE_GIB): what it "
        f"held of {len(gone)} archives is removed ({freed / (1 << 20):,.0f} MiB), and made again when needed",
    )


def _group_files(folder: Path) -> Mapping[str, list[tuple[Path, int, float]]]:
    """The cache's files with their sizes and times, by the archive that they are of."""
    found: dict[str, list[tuple[Path, int, float]]] = defaultdict(list)
    for suffix in ("tar", "parquet"):
        for file in folder.glob(f"*.{suffix}"):
            with suppress(OSError):  # another process was quicker
                facts = file.stat()
                found[file.stem].append((file, facts.st_size, facts.st_mtime))
    return found
