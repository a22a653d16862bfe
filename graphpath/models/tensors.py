"""Files of weights, read without running anything in them; files of another kind are recognised."""

from __future__ import annotations

import io
import json
import pickletools
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from graphpath.errors import ModelError
from graphpath.models.loaded import state_digest
from graphpath.models.values import list_values

MARK = "graphpath.checkpoint"
"""The key by which a checkpoint of ``graphpath train`` is known."""

DIGEST = "sha256"
"""The key of such a checkpoint under which the digest of its weights is; older ones have none."""

WRAPPINGS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
"""Keys under which training programs keep a state dict beside an optimiser's and such."""

DEEPEST = 3
"""How many such keys may lie in each other."""

_NO_WEIGHTS = re.compile(r"optim|sched|scaler|callback|loops|hyper|rng", re.IGNORECASE)
EXTRA = "_extra_state"
"""How torch calls what a module keeps of its own beside tensors."""

_PLAIN = (int, float, str, bool, type(None))

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


@dataclass(frozen=True)
class FoundState:
    """A state dict in a file of weights."""

    key: str
    """Under which keys it lies, joined by dots; empty where the file is the state dict."""
    tensors: dict[str, torch.Tensor]
    left_out: tuple[str, ...] = ()
    """Plain values beside the tensors."""


def read_states(path: str | Path) -> list[FoundState]:
    """The state dicts in a file of weights, without the wrapping of training programs, likeliest first.

    Raises ModelError where there is none, or where the file is damaged: torch.save writes a checksum of each
    part, and ``graphpath train`` a digest of all weights.
    """
    contents = load_tensors(path)
    if zipfile.is_zipfile(path):
        check_sums(path)
    if MARK in contents:
        contents = {key: contents[key] for key in (DIGEST, "state_dict") if key in contents}
        check_digest(contents, contents.get("state_dict", {}), path)
    found = sorted(_find_states("", contents, DEEPEST), key=lambda state: _rank(state.key))
    if not found:
        other = [str(name) for name, value in contents.items() if not isinstance(value, torch.Tensor)]
        raise ModelError(
            f"{path}: no state dict, which has a tensor for each name; "
            + (
                f"{', '.join(other[:3])} {'is' if len(other) == 1 else 'are'} none. "
                if other
                else "it is empty. "
            )
            + f"{SAVE[0].upper()}{SAVE[1:]}"
        )
    return found


def _find_states(key: str, contents: Mapping[Any, Any], depth: int) -> Iterator[FoundState]:
    """Those below ``key``, as deep as ``depth``."""
    names = [name for name in contents if isinstance(name, str)]
    tensors = {name: contents[name] for name in names if isinstance(contents[name], torch.Tensor)}
    plain = [name for name in names if isinstance(contents[name], _PLAIN) or name.endswith(EXTRA)]
    plain = [name for name in plain if name not in tensors]
    if tensors and len(tensors) + len(plain) == len(contents):
        yield FoundState(key, tensors, tuple(plain))
        return
    for name in names:
        inner = contents[name]
        if depth and isinstance(inner, Mapping) and not _NO_WEIGHTS.search(name):
            yield from _find_states(f"{key}.{name}" if key else name, inner, depth - 1)


def _rank(key: str) -> tuple[bool, int]:
    """Averaged weights last; before them as ``WRAPPINGS`` has the keys."""
    known = [WRAPPINGS.index(part) if part in WRAPPINGS else len(WRAPPINGS) for part in key.split(".")]
    return "ema" in key.lower() or "averag" in key.lower(), min(known)


def _load_checked(file: Path, start: bytes) -> object:
    try:
        # torch remarks on pickles of other protocols, then refuses them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals([*list_values()]):
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
        if key := _find_wrapping(file):
            return (
                f"beside its weights it holds other objects ({what}), whose loading runs code of the file; "
                "where you trust it, save the weights alone: "
                f"torch.save(torch.load({file.name!r}, weights_only=False)[{key!r}], 'weights.pt')"
            )
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
    with file.open("rb") as opened:
        for name, argument in _list_operations(opened):
            if name == "GLOBAL":
                return str(argument).replace(" ", ".")
            if name == "STACK_GLOBAL":
                return ".".join(texts[-2:])
            if isinstance(argument, str):
                texts.append(argument)
    return None


def _find_wrapping(file: Path) -> str | None:
    """The key under which a file has a state dict, by the texts in its pickle; nothing is loaded."""
    try:
        with zipfile.ZipFile(file) as archive:
            [name] = [name for name in archive.namelist() if name.endswith("data.pkl")]
            opened: IO[bytes] = io.BytesIO(archive.read(name))
    except (*_NO_ZIP, OSError):
        opened = file.open("rb")
    with opened:
        texts = {argument for _, argument in _list_operations(opened) if isinstance(argument, str)}
    return next((key for key in WRAPPINGS[:3] if key in texts), None)


def _list_operations(opened: IO[bytes]) -> Iterator[tuple[str, object]]:
    """The operations of one pickle after the other, as far as there are any."""
    try:
        while opened.read(1):
            opened.seek(-1, io.SEEK_CUR)
            yield from ((operation.name, argument) for operation, argument, _ in pickletools.genops(opened))
    except (ValueError, OSError, EOFError, OverflowError, UnicodeDecodeError):
        return


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
