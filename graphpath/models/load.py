"""A network by name: a torchvision name, ``module:function``, or a checkpoint of ``graphpath train``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.checkpoint import load_checkpoint
from graphpath.models.evaluating import check_seed
from graphpath.models.loaded import LoadedModel, digest_weights
from graphpath.models.names import read_names
from graphpath.models.normalize import Normalize
from graphpath.models.tensors import load_state, read_state
from graphpath.models.vision import from_torchvision


def load_model(
    spec: str | Path,
    *,
    device: str | torch.device = "cpu",
    weights: str | Path | None = None,
    seed: int = 0,
    download: bool = False,
    preprocess: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
) -> LoadedModel:
    """The network that ``spec`` names, in eval mode on ``device``.

    ``spec`` is a checkpoint made by ``graphpath train``, ``module:function`` (a function without arguments
    that returns an ``nn.Module``; the current directory is searched too), or the name of a torchvision
    classification network. ``weights`` is a file of a state dict or, for torchvision, the name of pretrained
    weights ("IMAGENET1K_V1", "DEFAULT") that are on disk already, or may be fetched with ``download``. Either
    brings the ``Normalize`` and the class names of its entry in torchvision. A torchvision network without
    weights is initialised by ``seed``.

    ``preprocess`` is "none" (pixels go in as they are), or the "MEAN/STD" of each channel, such as
    "0.5,0.5,0.5/0.25,0.25,0.25", instead of the model's own. ``classes`` are names instead of the model's
    own, or a file of them (``names.read_names``).

    Raises ``ModelError`` with what is missing.
    """
    check_seed(seed)
    text = str(spec)
    if Path(text).is_file() or text.endswith((".pt", ".pth", ".safetensors")):
        if weights is not None:
            raise ModelError(f"{text}: a checkpoint has its own weights; leave out weights={weights}")
        loaded = load_checkpoint(text)
    elif ":" in text:
        loaded = _call_function(text, weights, seed)
    else:
        loaded = from_torchvision(text, weights, seed, download)
    adjusted = _replace_classes(_replace_normalisation(loaded, preprocess), classes)
    return replace(adjusted, module=_move_to(adjusted.module, device))


def _replace_normalisation(loaded: LoadedModel, preprocess: str | None) -> LoadedModel:
    """The network with another normalisation as its first step, or none."""
    if preprocess is None:
        return loaded
    bare = loaded.module[1:] if loaded.normalisation is not None else loaded.module  # type: ignore[index]
    bare = bare[0] if isinstance(bare, nn.Sequential) and loaded.normalisation and len(bare) == 1 else bare
    whole = bare if preprocess == "none" else nn.Sequential(_parse_normalisation(preprocess), bare)
    origin = _describe_origin(loaded.origin, "preprocessing")
    return replace(loaded, module=whole, sha256=digest_weights(whole), origin=origin)


def _describe_origin(origin: str | None, given: str) -> str | None:
    return None if origin is None else f"{origin}, but for the {given}, which was given"


def _parse_normalisation(text: str) -> Normalize:
    try:
        mean, std = ([float(value) for value in side.split(",")] for side in text.split("/"))
    except ValueError as error:
        raise ModelError(
            f"preprocess={text!r}: expected none, or MEAN/STD of each channel, such as "
            "0.485,0.456,0.406/0.229,0.224,0.225"
        ) from error
    return Normalize(mean, std)


def _replace_classes(loaded: LoadedModel, classes: str | Path | Sequence[str] | None) -> LoadedModel:
    """The model with other names of its classes. Their scheme is the file's name."""
    if classes is None:
        return loaded
    origin = _describe_origin(loaded.origin, "list of classes")
    if isinstance(classes, str | Path):
        named = read_names(classes)
        return replace(
            loaded, classes=named.names, wnids=named.wnids, scheme=Path(classes).stem, origin=origin
        )
    return replace(
        loaded, classes=tuple(classes), wnids=None, scheme=loaded.scheme or loaded.name, origin=origin
    )


def _move_to(module: nn.Module, device: str | torch.device) -> nn.Module:
    try:
        return module.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {str(device)!r} cannot be used: {reason}") from error


@contextmanager
def _seed_torch(seed: int) -> Iterator[None]:
    """Random initialisation that is the same each time and leaves the caller's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


# ---- module:function ---------------------------------------------------------------------------------


def _call_function(spec: str, weights: str | Path | None, seed: int) -> LoadedModel:
    function = _find_function(spec)
    try:
        with _seed_torch(seed):
            made = function()
    except Exception as error:
        raise ModelError(f"{spec}: calling it failed with {type(error).__name__}: {error}") from error
    if isinstance(made, LoadedModel):
        return made
    if not isinstance(made, nn.Module):
        raise ModelError(
            f"{spec}: expected it to return a torch.nn.Module, it returned {type(made).__name__}"
        )
    if weights is not None:
        load_state(made, read_state(weights), weights)
    return LoadedModel(made, spec, digest_weights(made))


def _find_function(spec: str) -> Callable[[], object]:
    place, _, name = spec.partition(":")
    if not place or not name:
        raise ModelError(f"{spec}: expected module:function, such as mypackage.nets:make")
    try:
        with _current_directory_importable():
            found: Any = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise ModelError(f"{spec}: importing {place} failed: {error}") from error
        raise ModelError(f"{spec}: there is no module {place}, here or among the installed ones") from error
    except Exception as error:
        raise ModelError(f"{spec}: importing {place} failed with {type(error).__name__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise ModelError(f"{spec}: module {place} has no {name}")
        found = getattr(found, part)
    if not callable(found):
        raise ModelError(f"{spec}: {name} is a {type(found).__name__}, expected a function without arguments")
    function: Callable[[], object] = found
    return function


@contextmanager
def _current_directory_importable() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
