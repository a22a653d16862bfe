"""A process that ends with the one that started it, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Final

_PDEATHSIG: Final = 1
"""PR_SET_PDEATHSIG, linux/prctl.h."""


def end_with(parent: int, watched: int) -> None:
    """Let this process be killed when process ``parent`` ends, which holds the other end of ``watched``.

    Linux does so itself (prctl(2)); everywhere, a thread sees the pipe close.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_wait, args=(watched,), daemon=True).start()


def _wait(watched: int) -> None:
    with contextlib.suppress(OSError):
        os.read(watched, 1)
    os._exit(1)
