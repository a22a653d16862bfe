"""Fewer addresses where the system limits them (``ulimit -v``): allocators reserve gigabytes they never use.

Of 3 GB, Arrow's default allocator takes one as it starts, and the C library 64 MB for each thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

PLENTY: Final = 32 << 30
ARENAS: Final = -8
"""``M_ARENA_MAX`` of glibc's ``mallopt``."""


def read_limit() -> int | None:
    """Bytes of addresses that this process may have; None where there is no limit."""
    with suppress(ImportError, OSError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        return None if soft == resource.RLIM_INFINITY else soft
    return None


def limit_allocators() -> None:
    """Let allocators reserve little where addresses are scarce; to be called before Arrow is imported."""
    found = read_limit()
    if found is None or found > PLENTY:
        return
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with suppress(OSError, AttributeError):  # another C library
        import ctypes

        ctypes.CDLL(None).mallopt(ARENAS, 2)
