"""Checkpoints of ``graphpath train``: plain values and tensors, loaded with ``weights_only``."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.architectures import build
from graphpath.models.fitting import load_state
from graphpath.models.loaded import LoadedModel, digest_weights, state_digest
from graphpath.models.tensors import DIGEST, MARK, FoundState, check_digest, check_sums, load_tensors
from graphpath.record.files import write_atomically

VERSION = 1
_KEYS = ("architecture", "arguments", "classes", "shape", "scheme", "state_dict", "accuracy")


def save_checkpoint(path: str | Path, contents: Mapping[str, object]) -> Path:
    """Write ``contents`` whole: to a temporary name beside ``path``, then renamed. Returns the path.

    The digest of its weights is written with them. It is looked at wherever they are read.
    """
    target = Path(path)
    check_writable(target)
    state = contents.get("state_dict")
    digest = {DIGEST: state_digest(state)} if isinstance(state, Mapping) else {}
    write_atomically(target, lambda temporary: _save(temporary, {MARK: VERSION, **digest, **contents}))
    return target


def _save(path: Path, contents: Mapping[str, object]) -> None:
    made = io.BytesIO()  # written by torch.save itself, a full disk would become its own RuntimeError
    torch.save(contents, made)
    path.write_bytes(made.getbuffer())


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
            f"{path}: not a checkpoint of graphpath train; weights of torchvision's and timm's networks need "
            f"the name, of your own the file or module (--model NAME --weights {path})"
        )
    check_sums(path)
    if contents[MARK] != VERSION:
        raise ModelError(
            f"{path}: checkpoint version {contents[MARK]}, this graphpath reads version {VERSION}"
        )
    if missing := [key for key in _KEYS if key not in contents]:
        raise ModelError(f"{path}: the checkpoint lacks {', '.join(missing)}; train it again")
    if wrong := [key for key, (kind, _) in _KINDS.items() if not _is_kind(contents[key], kind)]:
        expected, found = _KINDS[wrong[0]][1], type(contents[wrong[0]]).__name__
        raise ModelError(
            f"{path}: the checkpoint's {wrong[0]} is a {found}, expected {expected}; train it again"
        )
    check_digest(contents, contents["state_dict"], path)
    _check_agreement(contents, path)
    return contents


def _check_agreement(contents: Mapping[str, Any], path: str | Path) -> None:
    """The network's own numbers of classes and pixels must be those that the checkpoint speaks of."""
    arguments, classes = contents["arguments"], len(contents["classes"])
    made = arguments.get("classes", classes)
    if not isinstance(made, int) or made != classes:
        raise ModelError(f"{path}: a network of {made} classes with the names of {classes}; train it again")
    shape = tuple(contents["shape"])
    taken = arguments.get("shape", shape)
    if not isinstance(taken, list | tuple) or tuple(taken) != shape:
        raise ModelError(f"{path}: a network for images of {taken} with the shape {shape}; train it again")


def _is_kind(value: object, kind: Callable[[Any], bool]) -> bool:
    try:
        return kind(value)
    except (TypeError, ValueError, AttributeError):
        return False


def _are_kind(values: object, kind: type) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, kind) for value in values)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "architecture": (lambda v: isinstance(v, str), "a name"),
    "arguments": (lambda v: isinstance(v, dict) and _are_kind(list(v), str), "a dict of names and values"),
    "classes": (lambda v: _are_kind(v, str) and len(v) > 0, "a list of names"),
    "shape": (lambda v: _are_kind(v, int) and len(v) == 3 and min(v) > 0, "three numbers above 0"),
    "scheme": (lambda v: isinstance(v, str), "a name"),
    "state_dict": (lambda v: _are_kind(list(v.values()), torch.Tensor), "a dict of tensors"),
    "accuracy": (lambda v: 0 <= float(v) <= 1, "a number from 0 to 1"),
}


def load_checkpoint(path: str | Path) -> LoadedModel:
    """The network of a checkpoint, on the CPU, in eval mode."""
    contents = read_checkpoint(path)
    module: nn.Module = build(contents["architecture"], contents["arguments"])
    load_state(module, [FoundState("", contents["state_dict"])], path)
    return LoadedModel(
        module=module.eval(),
        name=Path(path).stem,
        sha256=digest_weights(module),
        classes=tuple(contents["classes"]),
        shape=cast("tuple[int, int, int]", tuple(contents["shape"])),
        scheme=contents["scheme"],
        origin=f"the checkpoint {Path(path).name}",
    )
