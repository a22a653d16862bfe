"""What the figures of a verdict stand on: intervals over images, and p-values against draws."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

LEVEL: Final = 0.95
Z: Final = 1.959963984540054
"""The standard normal's quantile at (1 + LEVEL) / 2."""
ALPHA: Final = 1 - LEVEL
REPEATS: Final = 2_000
PIECE: Final = 1 << 22
"""Counts drawn at once for the bootstrap."""


def bootstrap(values: Floats, seed: int) -> Interval:
    """The 95 % percentile interval of the mean of ``values`` (N,), images being drawn with replacement."""
    images, random = len(values), np.random.default_rng(seed)
    share = np.full(images, 1 / images)
    rows = max(1, PIECE // images)
    means = [
        random.multinomial(images, share, size=min(rows, REPEATS - start)) @ values / images
        for start in range(0, REPEATS, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(successes: int, images: int) -> Interval:
    """The 95 % score interval of a share (Wilson 1927)."""
    share, z2 = successes / images, Z**2 / images
    middle = (share + z2 / 2) / (1 + z2)
    reach = Z / (1 + z2) * np.sqrt(share * (1 - share) / images + z2 / images / 4)
    low = 0.0 if successes == 0 else float(middle - reach)  # where rounding leaves something else
    return low, 1.0 if successes == images else float(middle + reach)


def p_value(found: float, draws: Floats, *, less: bool) -> float:
    """``(1 + k) / (1 + n)``, k of the n draws being as extreme as what was found, ties counted.

    With ``less`` a small value is extreme, else a large one. Valid, if all that tells the answer from a draw
    is how it was found (Phipson and Smyth 2010).
    """
    alike = np.isclose(draws, found, rtol=1e-6, atol=0)
    extreme = alike | (draws < found if less else draws > found)
    return float((1 + extreme.sum()) / (1 + len(draws)))
