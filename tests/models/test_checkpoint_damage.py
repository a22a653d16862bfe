"""A checkpoint in which a bit was flipped is refused, not loaded with other weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from graphpath.errors import ModelError
from graphpath.models import load_checkpoint
from graphpath.models.architectures import build
from graphpath.models.checkpoint import save_checkpoint


def test_flipped_bits_change_no_weights_without_a_word(tmp_path: Path) -> None:
    arguments = {"shape": (1, 8, 8), "classes": 3, "widths": (4, 8), "hidden": 16}
    contents = {
        "architecture": "cnn",
        "arguments": arguments,
        "classes": ["a", "b", "c"],
        "shape": (1, 8, 8),
        "scheme": "letters",
        "state_dict": build("cnn", arguments).state_dict(),
        "accuracy": 0.5,
    }
    path = save_checkpoint(tmp_path / "letters.pt", contents)
    right, whole, random = load_checkpoint(path), path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        at, bit = int(random.integers(len(whole))), int(random.integers(8))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        try:
            assert load_checkpoint(path).sha256 == right.sha256
        except ModelError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 50  # the others are in what fills up to a boundary
