"""The peak memory of this process."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_mib() -> float:
    """MiB of resident memory at its highest.

    ``ru_maxrss`` of a process that was forked and then ran another program still counts its parent's pages;
    Linux's ``VmHWM`` begins anew with the program.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(next(lines).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
