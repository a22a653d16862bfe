"""Files of weights, read without running anything in them; files of another kind are recognised."""

from __future__ import annotations

import json
import pickletools
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.loaded import state_digest

MARK = "graphpath.checkpoint"
"""The key by which a checkpoint of ``graphpath train`` is known."""

DIGEST = "sha256"
"""The key of such a checkpoint under which the digest of its weights is; older ones have none."""

WRAPPINGS = ("state_dict", "model_state_dict", "model_state", "model")
"""Keys under which training programs keep a state dict beside an optimiser's and such."""

PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""

SAVE = "save its state dict instead: torch.save(model.state_dict(), FILE)"

_STARTS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, such as Keras writes",
    b"\x93NUMPY": "a NumPy array",
    b"PAR1": "a Parquet file",
    b"GGUF": "a GGUF file",
    b"\x1f\x8b": "compressed by gzip: unpack it first",
}


def load_tensors(path: str | Path) -> dict[str, Any]:
    """A file of torch.save or safetensors that holds a dict of plain values and tensors.

    Nothing in it is executed. Raises ModelError that says what the file is instead.
    """
    file = Path(path)
    if file.is_dir():
        raise ModelError(f"{path}: a folder, expected a file of weights")
    try:
        with file.open("rb") as opened:
            start = opened.read(64)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    if _is_safetensors(start):
        return _load_safetensors(file)
    contents = _load_checked(file, start)
    if not isinstance(contents, dict):
        raise ModelError(f"{path}: expected a dict of tensors, found {type(contents).__name__}")
    return contents


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """The state dict in a file of weights, without the wrapping of training programs.

    Raises ModelError where there is none, or where the file is damaged: torch.save writes a checksum of each
    part, and ``graphpath train`` a digest of all weights.
    """
    whole = contents = load_tensors(path)
    if zipfile.is_zipfile(path):
        check_sums(path)
    for key in WRAPPINGS if MARK not in contents else ("state_dict",):
        if isinstance(inner := contents.get(key), dict) and inner:
            contents = inner
            break
    if MARK in whole:
        check_digest(whole, contents, path)
    for prefix in PREFIXES:
        if contents and all(str(name).startswith(prefix) for name in contents):
            contents = {name.removeprefix(prefix): value for name, value in contents.items()}
    if other := [str(name) for name, value in contents.items() if not isinstance(value, torch.Tensor)]:
        raise ModelError(
            f"{path}: no state dict, which has a tensor for each name; {', '.join(other[:3])} "
            f"{'is' if len(other) == 1 else 'are'} none. {SAVE[0].upper()}{SAVE[1:]}"
        )
    return contents


def load_state(module: nn.Module, state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Put ``state`` into ``module``; every name and shape must agree."""
    check_fit(path, lambda: module.load_state_dict(state))


def check_fit(path: str | Path, load: Callable[[], object]) -> None:
    """Call ``load``, which puts the weights of ``path`` into a network; ModelError where they do not fit."""
    try:
        load()
    except (RuntimeError, TypeError, AttributeError, KeyError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = " ".join(lines[1:3] or lines)
        raise ModelError(f"{path}: its weights do not fit the network: {reason}") from error


def _load_checked(file: Path, start: bytes) -> object:
    try:
        # torch remarks on pickles of other protocols, then refuses them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    # A file of another kind can stop the unpickler in any way.
    except Exception as error:
        raise ModelError(
            f"{file}: not a file of tensors that torch can load safely: {_guess_kind(file, start, error)}"
        ) from error


def _guess_kind(file: Path, start: bytes, error: Exception) -> str:
    """What a file is that torch does not load."""
    for mark, kind in _STARTS.items():
        if start.startswith(mark):
            return f"it is {kind}"
    if names := _list_members(file):
        if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
            return f"it is a TorchScript archive, whose code cannot be traced; {SAVE}"
        if not any(name.endswith("data.pkl") for name in names):
            return "it is a zip archive, and not one of torch.save"
    unsupported = re.search(r"global:? (?:GLOBAL )?([\w.]+)", str(error))
    if what := unsupported.group(1) if unsupported else _find_pickled(file, start):
        return (
            f"it is a pickle of whole objects ({what}), a model and not its weights, whose loading runs code "
            f"of the file; {SAVE}"
        )
    if file.suffix == ".onnx":
        return "it is an ONNX model, which has no PyTorch modules to trace"
    return "it is truncated, or another program's"


def _list_members(file: Path) -> list[str]:
    """The names in a zip archive; none where it is no whole one."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (*_NO_ZIP, OSError):
        return []


_NO_ZIP = (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error)


def check_sums(path: str | Path) -> None:
    """Hold every part of a file of torch.save against its CRC-32, which torch itself does not.

    A file that was saved without checksums (``torch.serialization.set_crc32_options(False)``) passes. Raises
    ModelError where one differs, so that damage is not taken for weights.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            saved = any(part.CRC for part in archive.infolist())
            damaged = archive.testzip() if saved else None
    except (*_NO_ZIP, OSError) as error:
        raise ModelError(f"{path}: damaged ({error}); restore it, or train it again") from error
    if damaged is not None:
        raise ModelError(f"{path}: damaged in {damaged}, by its checksum; restore it, or train it again")


def check_digest(contents: Mapping[str, Any], state: Mapping[str, object], path: str | Path) -> None:
    """Hold the weights of a checkpoint against its digest, where it has one. Raises ModelError."""
    if contents.get(DIGEST, found := state_digest(state)) != found:
        raise ModelError(
            f"{path}: damaged, its weights are not those that were saved (by their SHA-256); restore it, or "
            "train it again"
        )


def _find_pickled(file: Path, start: bytes) -> str | None:
    """The first class or function that a plain pickle names, found without loading it."""
    if not start.startswith(b"\x80"):
        return None
    texts: list[str] = []
    try:
        with file.open("rb") as opened:
            for operation, argument, _ in pickletools.genops(opened):
                if operation.name == "GLOBAL":
                    return str(argument).replace(" ", ".")
                if operation.name == "STACK_GLOBAL":
                    return ".".join(texts[-2:])
                if isinstance(argument, str):
                    texts.append(argument)
    except (ValueError, OSError, EOFError, OverflowError):
        return None
    return None


# ---- safetensors ---------------------------------------------------------------------------------------


def _is_safetensors(start: bytes) -> bool:
    """Whether a file begins as one: the length of its JSON header in eight bytes, then the header."""
    return len(start) > 9 and 2 <= int.from_bytes(start[:8], "little") < 100 << 20 and start[8:9] == b"{"


def _load_safetensors(file: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{file}: a safetensors file, which the package safetensors reads: pip install safetensors; or "
            "save the weights by torch.save(safetensors.torch.load_file(FILE), 'weights.pt')"
        ) from error
    try:
        contents: dict[str, Any] = load_file(file)
    except (SafetensorError, OSError, ValueError, json.JSONDecodeError) as error:
        raise ModelError(f"{file}: not a whole safetensors file ({error})") from error
    return contents
