"""Root without the right to pass over permissions: an owner whom a closed file or folder stops."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

VERSION: Final = 0x20080522
"""Of Linux's capset: two words of 32 capabilities each."""
DROP_FROM_BOUNDING_SET: Final = 24
PASSES_OVER_PERMISSIONS: Final = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER."""


def can_be_denied() -> bool:
    """Whether this process is denied what permissions forbid, or can give up the right to pass over them."""
    return os.geteuid() != 0 or sys.platform == "linux"


def give_up_privileges() -> None:
    """For good, and for every program that this process starts. Nothing, unless it is root."""
    if os.geteuid() != 0:
        return
    system = ctypes.CDLL(None, use_errno=True)
    for number in PASSES_OVER_PERMISSIONS:
        _done(system.prctl(DROP_FROM_BOUNDING_SET, number, 0, 0, 0))
    _done(system.capset((ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()))


def _done(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
