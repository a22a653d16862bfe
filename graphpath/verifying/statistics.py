"""The statistics that decide a verdict: p-values against draws."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import stats

from graphpath.verifying.estimates import LEVEL, Floats

ALPHA: Final = 1 - LEVEL


def p_value(found: float, draws: Floats, *, less: bool) -> float:
    """``(1 + k) / (1 + n)``, k of the n draws being as extreme as ``found``, ties counted.

    With ``less`` a small value is extreme, else a large one. It is valid if the answer differs from a draw in
    nothing but how it was found (Phipson and Smyth 2010).
    """
    alike = np.isclose(draws, found, rtol=1e-6, atol=0)
    extreme = alike | (draws < found if less else draws > found)
    return float((1 + extreme.sum()) / (1 + len(draws)))


def surely_above(p: float, draws: int, tests: int) -> bool:
    """Whether the true share of draws that are as extreme is above ``ALPHA``.

    This is the exact binomial test at ``ALPHA`` for all ``tests`` together. A p-value above ``ALPHA`` alone
    is not evidence of it.
    """
    extreme = round(p * (1 + draws)) - 1
    return bool(stats.binom.sf(extreme - 1, draws, ALPHA) <= ALPHA / tests)
