"""Image files whose bytes were damaged, decoded as ``--data`` decodes them."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np

from graphpath.data.decode import decode
from graphpath.data.fit import Size
from graphpath.data.notes import Notes
from tests.data.encoded import deep, eight_bits
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random, mutated

SIZES: tuple[Size | None, ...] = (None, (8, 8), (1, 1), (3, 40))

MOST_PIXELS = 1 << 20
"""Headers that claim more are refused at once, so that the loop is not spent on them."""


def _prepare(_: Path) -> Attempt:
    files = [*(data for _, data in eight_bits()), *deep()]

    def attempt(random: Random) -> None:
        data = mutated(files[int(random.integers(len(files)))], random)
        size, channels = SIZES[int(random.integers(len(SIZES)))], (None, 1, 3)[int(random.integers(3))]
        notes = Notes()
        with patch("graphpath.data.decode.MOST_PIXELS", MOST_PIXELS):
            pixels = decode(data, "a.png", size, channels, exif=bool(random.integers(2)), notes=notes)
        if pixels.shape[0] != (channels or 3) or (size and tuple(pixels.shape[1:]) != size):
            raise Wrong(f"pixels of the shape {tuple(pixels.shape)} for {size} and {channels}")
        if not np.isfinite(pixels.numpy()).all() or pixels.min() < 0 or pixels.max() > 1:
            raise Wrong(f"pixels from {pixels.min()} to {pixels.max()}")

    return attempt


LOOPS = {"images": Loop("image files with damaged bytes, of 70 kinds", _prepare, 400)}
