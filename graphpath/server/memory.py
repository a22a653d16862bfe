"""How much memory the server may take, and whether the machine has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphpath.errors import ServerError

LEAST: Final = 512
DEFAULT_LEAST: Final = 768
DEFAULT_MOST: Final = 4096
OVERHEAD: Final = 256
"""MiB that Java takes beside heap and page cache."""

_SIZE = re.compile(r"(\d+)\s*([mg])(?:i?b)?", re.IGNORECASE)


@dataclass(frozen=True)
class Memory:
    """MiB of Java heap and of Neo4j's page cache."""

    heap: int
    pages: int

    @property
    def total(self) -> int:
        return self.heap + self.pages


def plan(requested: str | None = None, free: int | None = None) -> Memory:
    """Heap and page cache, two to one, of the ``requested`` memory ("2g", "768m").

    Without ``requested``, a quarter of what is free, from 768 MiB to 4 GiB. ``free`` is for tests.

    Raises:
        ServerError: not a size, too small for Neo4j, or more than is free.
    """
    free = measure_free() if free is None else free
    total = _parse_size(requested) if requested is not None else _choose_default(free)
    if total < LEAST:
        raise ServerError(f"Neo4j does not start with {total} MB; give it at least --memory {LEAST}m.")
    if free is not None and total + OVERHEAD > free:
        raise ServerError(
            f"Too little memory: Neo4j is to have {total} MB and Java {OVERHEAD} MB more, and {free} MB are "
            f"free; end other programs, or give less with --memory (at least {LEAST}m)."
        )
    return Memory(heap=total * 2 // 3, pages=total - total * 2 // 3)


def measure_free() -> int | None:
    """MiB that a new process can have here without swapping; None where the system does not say."""
    known = [size for size in (_read_meminfo(), _read_control_group()) if size is not None]
    return min(known) if known else None


def _choose_default(free: int | None) -> int:
    return DEFAULT_LEAST if free is None else max(DEFAULT_LEAST, min(DEFAULT_MOST, free // 4))


def _parse_size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ServerError(f"--memory {text!r} is not a size: write it as 768m or 2g.")
    return int(found[1]) * (1024 if found[2].lower() == "g" else 1)


def _read_meminfo() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def _read_control_group() -> int | None:
    """What a container's limit leaves (control groups, version 2)."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        cached = re.search(r"^inactive_file (\d+)", (folder / "memory.stat").read_text("ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    if not most.isdecimal():
        return None
    # Clean file pages are given back on demand.
    return max(0, int(most) - used + (int(cached[1]) if cached else 0)) >> 20
