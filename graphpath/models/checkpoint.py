"""Checkpoints of ``graphpath train``: plain values and tensors, loaded with ``weights_only``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.architectures import build
from graphpath.models.loaded import LoadedModel, weights_digest
from graphpath.record.files import write_atomically

MARK = "graphpath.checkpoint"
VERSION = 1
_KEYS = ("architecture", "arguments", "classes", "shape", "scheme", "state_dict", "accuracy")


def save_checkpoint(path: str | Path, contents: Mapping[str, object]) -> Path:
    """Write ``contents`` whole: to a temporary name beside ``path``, then renamed. Returns the path."""
    target = Path(path)
    check_writable(target)
    write_atomically(target, lambda temporary: _save(temporary, {MARK: VERSION, **contents}))
    return target


def _save(path: Path, contents: Mapping[str, object]) -> None:
    with path.open("wb") as file:  # by a path torch.save tells of a full disk in a RuntimeError of its own
        torch.save(contents, file)


def check_writable(path: str | Path) -> None:
    """Raise ``ModelError`` where no checkpoint can be written to ``path``; makes the folders above it."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{target}: a checkpoint cannot be written there ({error})") from error
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise ModelError(
            f"{target}: a checkpoint cannot be written there; expected a file in a writable folder"
        )


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint that ``graphpath train`` wrote.

    Raises ``ModelError`` naming the file where it is missing, truncated, of another program or version.
    """
    contents = load_tensors(path)
    if MARK not in contents:
        raise ModelError(
            f"{path}: not a checkpoint of graphpath train; for a network of your own give module:function"
        )
    if contents[MARK] != VERSION:
        raise ModelError(
            f"{path}: checkpoint version {contents[MARK]}, this graphpath reads version {VERSION}"
        )
    if missing := [key for key in _KEYS if key not in contents]:
        raise ModelError(f"{path}: the checkpoint lacks {', '.join(missing)}; train it again")
    return contents


def load_checkpoint(path: str | Path) -> LoadedModel:
    """The network of a checkpoint, on the CPU, in eval mode."""
    contents = read_checkpoint(path)
    module: nn.Module = build(contents["architecture"], contents["arguments"])
    load_state(module, contents["state_dict"], path)
    return LoadedModel(
        module=module.eval(),
        name=Path(path).stem,
        sha256=weights_digest(module),
        classes=tuple(contents["classes"]),
        shape=cast("tuple[int, int, int]", tuple(contents["shape"])),
        scheme=contents["scheme"],
    )


def load_tensors(path: str | Path) -> dict[str, Any]:
    """A file of torch.save that holds a dict of plain values and tensors; nothing in it is executed."""
    try:
        # torch remarks on pickles of other protocols, then refuses them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            contents = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    # A file of another kind can stop the unpickler in any way.
    except Exception as error:
        raise ModelError(
            f"{path}: not a file of tensors that torch can load safely; it is truncated, or another program's"
        ) from error
    if not isinstance(contents, dict):
        raise ModelError(f"{path}: expected a dict of tensors, found {type(contents).__name__}")
    return contents


def load_state(module: nn.Module, state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Put ``state`` into ``module``; every name and shape must agree."""
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise ModelError(f"{path}: its weights do not fit the network: {' '.join(lines[1:3])}") from error
