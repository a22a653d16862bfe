"""A network by name: a torchvision name, ``module:function``, or a checkpoint of ``graphpath train``."""

from __future__ import annotations

import difflib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.checkpoint import load_checkpoint, load_state, load_tensors
from graphpath.models.loaded import LoadedModel, weights_digest
from graphpath.models.normalize import Normalize


def load_model(
    spec: str | Path,
    *,
    device: str | torch.device = "cpu",
    weights: str | Path | None = None,
    seed: int = 0,
    download: bool = False,
) -> LoadedModel:
    """The network that ``spec`` names, in eval mode on ``device``.

    ``spec`` is a checkpoint made by ``graphpath train``, ``module:function`` (a function without arguments
    that returns an ``nn.Module``; the current directory is searched too), or the name of a torchvision
    classification network. ``weights`` is a file of a state dict or, for torchvision, the name of pretrained
    weights ("IMAGENET1K_V1", "DEFAULT") that are on disk already, or may be fetched with ``download``;
    those bring their ``Normalize``. A torchvision network without weights is initialised by ``seed``.

    Raises ``ModelError`` with what is missing.
    """
    text = str(spec)
    if Path(text).is_file() or text.endswith((".pt", ".pth")):
        if weights is not None:
            raise ModelError(f"{text}: a checkpoint has its own weights; leave out weights={weights}")
        loaded = load_checkpoint(text)
    elif ":" in text:
        loaded = _from_function(text, weights, seed)
    else:
        loaded = _from_torchvision(text, weights, seed, download)
    return replace(loaded, module=_placed(loaded.module, device))


def _placed(module: nn.Module, device: str | torch.device) -> nn.Module:
    try:
        return module.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {str(device)!r} cannot be used: {reason}") from error


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random initialisation that is the same each time and leaves the caller's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


# ---- module:function ---------------------------------------------------------------------------------


def _from_function(spec: str, weights: str | Path | None, seed: int) -> LoadedModel:
    function = _find_function(spec)
    try:
        with _seeded(seed):
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
        load_state(made, load_tensors(weights), weights)
    return LoadedModel(made, spec, weights_digest(made))


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


# ---- torchvision -------------------------------------------------------------------------------------


def _from_torchvision(name: str, weights: str | Path | None, seed: int, download: bool) -> LoadedModel:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "expected a name such as resnet18"
        raise ModelError(
            f"model {name!r} is unknown: {hint} (or a checkpoint of graphpath train, or module:function)"
        )
    choices = models.get_model_weights(name)
    if weights is None or Path(weights).is_file():
        module = _untrained(name, seed)
        if weights is not None:
            load_state(module, load_tensors(weights), weights)
        return LoadedModel(module, name, weights_digest(module), shape=_input_shape(choices.DEFAULT))
    return _pretrained(name, _chosen(name, choices, str(weights)), download)


def _untrained(name: str, seed: int) -> nn.Module:
    from torchvision import models

    # These two warn unless told; their truncated-normal initialisation takes half a minute.
    quick = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with _seeded(seed):
        module: nn.Module = models.get_model(name, weights=None, **quick)
    return module


def _chosen(name: str, choices: Any, weights: str) -> Any:
    short = weights.rpartition(".")[2]
    if short not in choices.__members__:
        raise ModelError(
            f"weights {weights!r} of {name} are unknown: there are {', '.join(choices.__members__)}"
        )
    return choices[short]


def _pretrained(name: str, chosen: Any, download: bool) -> LoadedModel:
    from torchvision import models

    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(chosen.url).name
    if not download and not file.is_file():
        raise ModelError(
            f"weights {chosen.name} of {name} are not on this machine: expected {file}; "
            "allow the download, or pass a file of weights"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: nn.Module = models.get_model(name, weights=chosen)
    transform = chosen.transforms()
    whole = nn.Sequential(Normalize(transform.mean, transform.std), module)
    return LoadedModel(
        module=whole,
        name=f"{name}-{chosen.name}",
        sha256=weights_digest(whole),
        classes=tuple(chosen.meta["categories"]),
        shape=_input_shape(chosen),
        scheme="imagenet",
    )


def _input_shape(weights: Any) -> tuple[int, int, int]:
    crop = weights.transforms().crop_size
    side = crop[0] if isinstance(crop, (list, tuple)) else crop
    return 3, int(side), int(side)
