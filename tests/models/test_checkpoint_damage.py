"""A checkpoint in which a bit was flipped is refused, not loaded with other weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from graphpath.errors import ModelError
from graphpath.models import load_checkpoint
from graphpath.models.architectures import build
from graphpath.models.checkpoint import save_checkpoint
from graphpath.models.loaded import state_digest
from graphpath.models.tensors import DIGEST, MARK, read_states


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a file, as they are read for ``--weights``."""
    [found] = read_states(path)
    return found.tensors


def checkpoint() -> dict[str, object]:
    arguments = {"shape": (1, 8, 8), "classes": 3, "widths": (4, 8), "hidden": 16}
    return {
        "architecture": "cnn",
        "arguments": arguments,
        "classes": ["a", "b", "c"],
        "shape": (1, 8, 8),
        "scheme": "letters",
        "state_dict": build("cnn", arguments).state_dict(),
        "accuracy": 0.5,
    }


def test_flipped_bits_change_no_weights_without_a_word(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "letters.pt", checkpoint())
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


@pytest.mark.parametrize("ours", [True, False])
def test_flipped_bits_of_weights_alone_are_noticed_too(tmp_path: Path, ours: bool) -> None:
    """A file for ``--weights``: a checkpoint of graphpath train, or a plain state dict."""
    path, contents = tmp_path / "letters.pt", checkpoint()
    save_checkpoint(path, contents) if ours else torch.save(contents["state_dict"], path)
    right, whole, random = state_digest(read_state(path)), path.read_bytes(), np.random.default_rng(1)
    refused = 0
    for _ in range(100):
        at, bit = int(random.integers(len(whole))), int(random.integers(8))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        try:
            assert state_digest(read_state(path)) == right
        except ModelError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("read", [load_checkpoint, read_state])
def test_weights_are_held_against_their_digest(tmp_path: Path, read) -> None:
    """Where the checksums of the parts tell nothing."""
    path = save_checkpoint(tmp_path / "letters.pt", checkpoint())
    contents = torch.load(path, weights_only=True)
    assert contents[DIGEST] == state_digest(contents["state_dict"])
    next(iter(contents["state_dict"].values())).view(-1)[0] += 1
    torch.save(contents, path)
    with pytest.raises(ModelError, match=r"letters\.pt: damaged, its weights are not those that were saved"):
        read(path)


def test_older_checkpoints_and_files_without_checksums_are_read(tmp_path: Path) -> None:
    old = tmp_path / "old.pt"
    torch.save({MARK: 1, **checkpoint()}, old)
    assert load_checkpoint(old).sha256 == state_digest(read_state(old))
    try:
        torch.serialization.set_crc32_options(False)
        torch.save({MARK: 1, **checkpoint()}, old)
    finally:
        torch.serialization.set_crc32_options(True)
    assert load_checkpoint(old).sha256 == state_digest(read_state(old))
