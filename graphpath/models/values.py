"""Plain values that training programs save beside weights, made again without running a file's code."""

from __future__ import annotations

import argparse
import datetime
import importlib
import pathlib
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

Value = tuple[Callable[..., Any], str]

_NUMPY_PLACES = ("numpy.core.multiarray", "numpy._core.multiarray")
"""Where numpy 1 and numpy 2 say that their arrays are made."""


@cache
def list_values() -> tuple[Value, ...]:
    """What ``torch.load(weights_only=True)`` may make beside tensors, each with the name that files have.

    An argparse namespace, paths, dates, numpy's numbers and arrays: none of them does anything as it is made.
    """
    multiarray: Any = importlib.import_module(_NUMPY_PLACES[hasattr(np, "_core")])
    makers = [(getattr(multiarray, name), name) for name in ("scalar", "_reconstruct")]
    kinds = {type(np.dtype(code)) for code in ("?", *np.typecodes["AllInteger"], *np.typecodes["AllFloat"])}
    return (
        (argparse.Namespace, "argparse.Namespace"),
        (types.SimpleNamespace, "types.SimpleNamespace"),
        (datetime.datetime, "datetime.datetime"),
        (datetime.timedelta, "datetime.timedelta"),
        (pathlib.PurePosixPath, "pathlib.PosixPath"),
        (pathlib.PurePosixPath, "pathlib._local.PosixPath"),
        (pathlib.PureWindowsPath, "pathlib.WindowsPath"),
        (pathlib.PureWindowsPath, "pathlib._local.WindowsPath"),
        (np.dtype, "numpy.dtype"),
        (np.ndarray, "numpy.ndarray"),
        *((make, f"{place}.{name}") for make, name in makers for place in _NUMPY_PLACES),
        *((kind, f"numpy.dtypes.{kind.__name__}") for kind in sorted(kinds, key=lambda kind: kind.__name__)),
    )
