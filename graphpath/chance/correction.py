"""p-values corrected for many comparisons."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CORRECTIONS = ("bh", "holm")


def correct(p: Floats, method: str = "bh", comparisons: int | None = None) -> Floats:
    """Adjusted p-values of ``p`` (R,); NaN stays, and is no comparison.

    "bh" bounds the expected share of false discoveries (Benjamini and Hochberg 1995), "holm" the probability
    of any (Holm 1979). ``comparisons`` is how many were made where the rows are only those of smallest p.
    """
    known = np.flatnonzero(~np.isnan(p))
    many = max(len(known), comparisons or 0)
    order = known[np.argsort(p[known], kind="stable")]
    rank = np.arange(1, len(order) + 1)
    adjusted = np.full(len(p), np.nan)
    if method == "bh":
        adjusted[order] = np.minimum.accumulate((p[order] * many / rank)[::-1])[::-1]
    else:
        adjusted[order] = np.maximum.accumulate(p[order] * (many - rank + 1))
    return adjusted.clip(max=1.0)
