"""Checkpoints whose bytes were damaged, or whose entries are of other kinds, loaded and run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from graphpath.models.architectures import build
from graphpath.models.checkpoint import load_checkpoint, save_checkpoint
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random, mutated

VALUES: list[Any] = [
    None, True, 0, -1, 1, 3, 2**40, 2**70, 0.5, float("nan"), "", "cnn", "vgg", "no such", b"x", [], [1],
    {}, {"a": 1}, (1, 8), (1, 8, 8), (3, 8, 8), (0, 8, 8), (1, -8, 8), (1, 8, 8, 8), (1, 2**40, 8),
    ("1", "8", "8"), [1, 8.5, 8], ["a"] * 10, ["a"] * 9, [1] * 10, [None] * 10, ["\ud800"] * 10,
    torch.zeros(3), torch.tensor(float("nan")),
]  # fmt: skip


def _prepare(folder: Path) -> Attempt:
    path = folder / "digits.pt"
    torch.manual_seed(0)
    arguments = {"shape": (1, 8, 8), "classes": 10, "widths": (4, 8), "hidden": 16}
    contents = _contents(arguments)
    save_checkpoint(path, contents)
    whole = path.read_bytes()
    right = load_checkpoint(path).sha256
    shown = torch.rand(2, 1, 8, 8)

    def attempt(random: Random) -> None:
        flipped = random.random() < 0.5
        if flipped:
            path.write_bytes(mutated(whole, random))
        else:
            torch.save(_changed(_entries(whole), random), path)
        loaded = load_checkpoint(path)
        if flipped and loaded.sha256 != right:
            raise Wrong("other weights than were saved")
        logits = loaded.module(shown)
        if logits.shape != (2, len(loaded.classes)) or not torch.isfinite(logits).all():
            raise Wrong(f"logits {tuple(logits.shape)} for {len(loaded.classes)} classes")

    return attempt


def _entries(data: bytes) -> dict[str, Any]:
    return dict(torch.load(io.BytesIO(data), weights_only=True))


def _contents(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "architecture": "cnn",
        "arguments": dict(arguments),
        "classes": [str(n) for n in range(10)],
        "shape": (1, 8, 8),
        "scheme": "digits",
        "state_dict": build("cnn", dict(arguments)).state_dict(),
        "accuracy": 0.9,
    }


def _changed(contents: dict[str, Any], random: Random) -> Any:
    value = VALUES[int(random.integers(len(VALUES)))]
    places: list[dict[str, Any]] = [contents, contents, contents["arguments"], contents["state_dict"]]
    place = places[int(random.integers(len(places)))]
    name = list(place)[int(random.integers(len(place)))]
    if random.random() < 0.2:
        del place[name]
    elif isinstance(place[name], torch.Tensor) and random.random() < 0.6:
        place[name] = _other(place[name], random)
    else:
        place[name] = value
    return contents if random.random() < 0.97 else value


def _other(weights: torch.Tensor, random: Random) -> torch.Tensor:
    made = (
        weights.double(),
        weights.half(),
        weights.to(torch.int64),
        weights * float("nan"),
        weights + float("inf"),
        weights[:1],
        weights.flatten(),
        torch.empty(0),
        weights.to_sparse(),
        weights.to(torch.complex64),
    )
    return made[int(random.integers(len(made)))]


LOOPS = {"checkpoints": Loop("checkpoints with damaged bytes or entries of other kinds", _prepare, 200)}
