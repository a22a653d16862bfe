"""torchvision's classification networks, with what belongs to their weights: preprocessing and classes."""

from __future__ import annotations

import difflib
import hashlib
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.imagenet import SCHEME, read_wnids
from graphpath.models.loaded import LoadedModel, digest_weights
from graphpath.models.normalize import Normalize
from graphpath.models.tensors import check_fit, read_state

OUTPUTS = 1000
"""Of torchvision's networks by default."""

_SUPPLYING = threading.Lock()


def from_torchvision(name: str, weights: str | Path | None, seed: int, download: bool) -> LoadedModel:
    """The network called ``name``, with weights of torchvision's by name or from a file of a state dict.

    Weights bring the normalisation, the size and the classes of their entry in torchvision. A file's entry is
    found by its digest, else by its name; otherwise it is the network's default one. Raises ModelError.
    """
    choices = _list_weights(name)
    if weights is None:
        module = _build_untrained(name, seed)
        return LoadedModel(module, name, digest_weights(module), shape=input_shape(choices.DEFAULT))
    if Path(weights).exists():
        return _load_file(name, Path(weights), choices)
    chosen = _choose_weights(name, choices, str(weights))
    _check_on_disk(name, chosen, download)
    return _assemble(name, _build(name, chosen), chosen, f"the weights {chosen.name} of torchvision")


def input_shape(entry: Any) -> tuple[int, int, int]:
    """(channels, height, width) that weights of torchvision's were made for."""
    crop = entry.transforms().crop_size
    side = crop[0] if isinstance(crop, (list, tuple)) else crop
    return 3, int(side), int(side)


def _list_weights(name: str) -> Any:
    from torchvision import models

    known = models.list_models(module=models)
    if name in known:
        return models.get_model_weights(name)
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "expected a name such as resnet18"
    raise ModelError(
        f"model {name!r} is unknown: {hint} (or a checkpoint of graphpath train, or module:function)"
    )


def _choose_weights(name: str, choices: Any, weights: str) -> Any:
    short = weights.rpartition(".")[2]
    if short in choices.__members__:
        return choices[short]
    if "/" in weights or weights.endswith((".pt", ".pth", ".bin", ".safetensors")):
        raise ModelError(f"{weights}: no such file of weights")
    raise ModelError(
        f"weights {weights!r} of {name} are unknown: there are {', '.join(choices.__members__)}, or a "
        "file of a state dict"
    )


def _check_on_disk(name: str, chosen: Any, download: bool) -> None:
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(chosen.url).name
    if not download and not file.is_file():
        raise ModelError(
            f"weights {chosen.name} of {name} are not on this machine: expected {file}; --download "
            "(download=True) fetches them, --weights takes a file of a state dict"
        )


def _build_untrained(name: str, seed: int, **given: Any) -> nn.Module:
    from torchvision import models

    # These two warn by default; their truncated-normal initialisation takes half a minute.
    quick = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: nn.Module = models.get_model(name, weights=None, **quick, **given)
    return module


def _build(name: str, entry: Any) -> nn.Module:
    """The network as torchvision builds it for an entry's weights: some differ from one without."""
    from torchvision import models

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module: nn.Module = models.get_model(name, weights=entry)
        except OSError as error:
            raise ModelError(f"weights {entry.name} of {name} cannot be fetched ({error})") from error
    return module


# ---- from a file -------------------------------------------------------------------------------------


def _load_file(name: str, file: Path, choices: Any) -> LoadedModel:
    state = read_state(file)
    entry, known = _find_entry(file, choices)
    if (outputs := _count_outputs(name, state)) not in (None, OUTPUTS):
        return _load_fine_tuned(name, file, state, entry, outputs)
    with _supply_state(entry, state):
        modules: list[nn.Module] = []
        check_fit(file, lambda: modules.append(_build(name, entry)))
    source = f"the weights {entry.name} of torchvision"
    if not known:
        source = (
            f"{_default_name(name, entry)}; neither digest nor name tells whose weights {file.name} holds"
        )
    return _assemble(name, modules[0], entry, source, known=known)


def _default_name(name: str, entry: Any) -> str:
    return f"the weights {entry.name} of torchvision, the default for {name}"


def _find_entry(file: Path, choices: Any) -> tuple[Any, bool]:
    """A file's entry by its digest, else by its name, and True; else the default one, and False."""
    sha256 = _digest_file(file)
    for entry in choices:
        digest = re.search(r"-([0-9a-f]{8,})\.pth$", entry.url)
        if digest and sha256.startswith(digest.group(1)):
            return entry, True
    named = [entry for entry in choices if Path(entry.url).name == file.name]
    return (named[0], True) if named else (choices.DEFAULT, False)


def _digest_file(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _supply_state(entry: Any, state: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """The entry's weights are ``state`` instead of what torchvision would fetch.

    So torchvision's own code builds the network in both cases: it renames old weights (densenet),
    transforms the input (googlenet, inception_v3), drops auxiliary heads.
    """
    with _SUPPLYING:
        entry.get_state_dict = lambda *_, **__: dict(state)
        try:
            yield
        finally:
            del entry.get_state_dict


def _count_outputs(name: str, state: Mapping[str, torch.Tensor]) -> int | None:
    """How many classes the weights have, by the last layer's: None where they do not say."""
    last = [value for key, value in state.items() if key.endswith("weight") and value.ndim in (2, 4)]
    if name in ("googlenet", "inception_v3"):
        last = [value for key, value in state.items() if key == "fc.weight"]
    return len(last[-1]) if last else None


def _load_fine_tuned(
    name: str, file: Path, state: Mapping[str, torch.Tensor], entry: Any, outputs: int
) -> LoadedModel:
    """Weights fine-tuned to classes of their own, whose names nobody knows."""
    special = {"transform_input": True} if name in ("googlenet", "inception_v3") else {}
    if special and not any("aux" in key.lower() for key in state):
        special["aux_logits"] = False
    try:
        module = _build_untrained(name, 0, num_classes=outputs, **special)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"{file}: {name} cannot be built with {outputs:,} classes ({error})") from error
    check_fit(file, lambda: module.load_state_dict(state))
    source = f"{_default_name(name, entry)}; {file.name} has {outputs:,} classes of its own"
    whole = _prepend_normalisation(module, entry)
    return LoadedModel(whole, name, digest_weights(whole), shape=input_shape(entry), origin=source)


# ---- what belongs to weights -------------------------------------------------------------------------


def _prepend_normalisation(module: nn.Module, entry: Any) -> nn.Sequential:
    transform = entry.transforms()
    return nn.Sequential(Normalize(transform.mean, transform.std), module)


def _assemble(name: str, module: nn.Module, entry: Any, source: str, known: bool = True) -> LoadedModel:
    whole = _prepend_normalisation(module, entry)
    classes = tuple(entry.meta.get("categories") or ()) or None
    return LoadedModel(
        module=whole,
        name=f"{name}-{entry.name}" if known else name,
        sha256=digest_weights(whole),
        classes=classes,
        shape=input_shape(entry),
        scheme=SCHEME if classes else None,
        wnids=read_wnids() if classes and len(classes) == len(read_wnids()) else None,
        origin=source,
    )
