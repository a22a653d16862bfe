"""Whether the process in a file's name still runs."""

from __future__ import annotations

import os


def is_running(process: int) -> bool:
    """Whether there is a process of that number on this machine, ours or not."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
