"""torchvision's classification networks, with what belongs to their weights: preprocessing and classes."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from graphpath.errors import ModelError
from graphpath.models.fitting import check_fit, choose_state, explain_misfit, load_state
from graphpath.models.imagenet import SCHEME, read_wnids
from graphpath.models.importing import shorten
from graphpath.models.making import seed_torch
from graphpath.models.normalize import Normalize
from graphpath.models.source import RANDOM, Source, describe_weights
from graphpath.models.spec import WEIGHTS, Named
from graphpath.models.tensors import FoundState, read_states
from graphpath.spoken import format_argument

OUTPUTS = 1000
"""Of torchvision's networks by default."""

HOME = "torchvision.models"
"""Where its networks are."""

_SUPPLYING = threading.Lock()
_REFUSED = (TypeError, ValueError, RuntimeError, NotImplementedError, AssertionError, KeyError)
"""What builders raise of arguments."""


def from_torchvision(spec: Named, weights: str | Path | None, seed: int, download: bool) -> Source:
    """The network that ``spec`` names, with weights of torchvision's by name or from a file of a state dict.

    Weights bring the normalisation, the size and the classes of their entry in torchvision. A file's entry is
    found by its digest, else by its name; otherwise it is the network's default one. Raises ModelError.
    """
    choices = _list_weights(spec.name)
    given = check_arguments(spec)
    if weights is None:
        module = _build_untrained(spec.name, seed, given)
        words = RANDOM.format(seed=seed)
        return Source(module, spec.name, words, shape=input_shape(choices.DEFAULT))
    if Path(weights).exists():
        return _load_file(spec.name, Path(weights), choices, given)
    chosen = _choose_weights(spec.name, choices, str(weights))
    _check_on_disk(spec.name, chosen, download)
    module = _build(spec.name, chosen, given)
    source = f"the weights {chosen.name} of torchvision"
    return _bring(module, f"{spec.name}-{chosen.name}", source, source, chosen)


def is_builder(place: str | Path, name: str) -> bool:
    """Whether ``name`` in the module ``place`` is one of torchvision's networks."""
    if not isinstance(place, str) or not f"{place}.".startswith(f"{HOME}."):
        return False
    from torchvision import models

    return name in models.list_models(module=models)


def bring_entry(source: Source, file: Path) -> Source | None:
    """``source``, a torchvision network of a user's code, with what belongs to the weights in ``file``.

    It is what the weights bring to the same network by name. None where ``source`` is no such network.
    """
    for name in _list_builders(type(source.module).__module__):
        outputs = _compare_networks(source.module, _list_names(name, {}))
        if outputs is None:
            continue
        choices = _list_weights(name)
        entry, known = _find_entry(file, choices, {})
        origin, _ = _name_origin(name, entry, file, known, outputs)
        return _drop_classes(_bring(source.module, source.name, source.weights, origin, entry), outputs)
    return None


def list_categories() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, as torchvision has them."""
    from torchvision import models

    return tuple(models.ResNet18_Weights.DEFAULT.meta["categories"])


def input_shape(entry: Any) -> tuple[int, int, int]:
    """(channels, height, width) that weights of torchvision's were made for."""
    crop = entry.transforms().crop_size
    side = crop[0] if isinstance(crop, (list, tuple)) else crop
    return 3, int(side), int(side)


def check_arguments(spec: Named) -> dict[str, Any]:
    """The arguments by name. Raises ModelError for those without one, and for weights among them."""
    if spec.arguments.positional:
        raise ModelError(
            f"{spec.name}: the argument {spec.arguments.positional[0]!r} has no name; write it as in "
            f"'{spec.name}(num_classes=10)'"
        )
    for name in ("weights", "pretrained", "weights_backbone", "checkpoint_path"):
        if name in spec.arguments.named:
            raise ModelError(
                f"{spec.name}: {name}= is no argument here; weights are given by {format_argument('weights')}"
            )
    return dict(spec.arguments.named)


def find_digest(file: Path, url: str, digests: dict[Path, str]) -> bool:
    """Whether ``url`` ends in the beginning of the file's SHA-256, as torchvision's and timm's do."""
    told = re.search(r"-([0-9a-f]{8,})\.pth$", url)
    if told is None:
        return False
    if file not in digests:
        digests[file] = _digest_file(file)
    return digests[file].startswith(told.group(1))


def _list_weights(name: str) -> Any:
    from torchvision import models

    known = models.list_models(module=models)
    if name in known:
        return models.get_model_weights(name)
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "expected a name such as resnet18"
    if _is_timms(name):
        hint = f"timm has it, did you mean timm:{name}?"
    raise ModelError(
        f"model {name!r} is unknown: {hint} (or timm:NAME, a checkpoint of graphpath train, module:function, "
        "or path/to/file.py:Class)"
    )


def _is_timms(name: str) -> bool:
    if importlib.util.find_spec("timm") is None:
        return False
    import timm

    return bool(timm.is_model(name))


def _choose_weights(name: str, choices: Any, weights: str) -> Any:
    short = weights.rpartition(".")[2]
    if short in choices.__members__:
        return choices[short]
    if "/" in weights or weights.endswith(WEIGHTS):
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


def _build_untrained(name: str, seed: int, given: Mapping[str, Any]) -> nn.Module:
    from torchvision import models

    # These two warn by default; their truncated-normal initialisation takes half a minute.
    quick = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with seed_torch(seed), _explaining(name, given):
        module: nn.Module = models.get_model(name, weights=None, **{**quick, **given})
    return module


def _build(name: str, entry: Any, given: Mapping[str, Any]) -> nn.Module:
    """The network as torchvision builds it for an entry's weights: some differ from one without."""
    from torchvision import models

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module: nn.Module = models.get_model(name, weights=entry, **given)
        except OSError as error:
            raise ModelError(f"weights {entry.name} of {name} cannot be fetched ({error})") from error
        except _REFUSED as error:
            if not given:
                raise
            raise _explain_arguments(name, given, error) from error
    return module


@contextmanager
def _explaining(name: str, given: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except _REFUSED as error:
        raise _explain_arguments(name, given, error) from error


def _explain_arguments(name: str, given: Mapping[str, Any], error: Exception) -> ModelError:
    shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return ModelError(f"{name}({shown}) cannot be built: {shorten(str(error))}")


# ---- from a file -------------------------------------------------------------------------------------


def _load_file(name: str, file: Path, choices: Any, given: Mapping[str, Any]) -> Source:
    states = read_states(file)
    entry, known = _find_entry(file, choices, {})
    wanted = _list_names(name, given)
    fitted = choose_state(states, wanted, file)
    outputs = given.get("num_classes", _count_outputs(name, fitted.tensors))
    if outputs not in (None, OUTPUTS) or given:
        return _load_fine_tuned(name, file, states, entry, outputs, given)
    with _supply_state(entry, fitted.tensors):
        modules: list[nn.Module] = []
        explain = explain_misfit(fitted.tensors, wanted)
        check_fit(file, lambda: modules.append(_build(name, entry, given)), explain)
    source, title = _name_origin(name, entry, file, known, OUTPUTS)
    words = source if known and not fitted.words else describe_weights(file.name, fitted.words)
    return _bring(modules[0], title, words, source, entry)


def _name_origin(name: str, entry: Any, file: Path, known: bool, outputs: int) -> tuple[str, str]:
    """Whose preprocessing and classes are taken, in words; and the network's name with these weights."""
    usual = f"the weights {entry.name} of torchvision, the default for {name}"
    if outputs != OUTPUTS:
        return f"{usual}; {file.name} has {outputs:,} classes of its own", name
    if known:
        return f"the weights {entry.name} of torchvision", f"{name}-{entry.name}"
    return f"{usual}; neither digest nor name tells whose weights {file.name} holds", name


def _list_builders(module: str) -> list[str]:
    """The names of torchvision's networks that its ``module`` builds; none of another package's module."""
    if not module.startswith(f"{HOME}."):
        return []
    from torchvision import models

    return [
        name
        for name in models.list_models(module=models)
        if models.get_model_builder(name).__module__ == module
    ]


def _compare_networks(module: nn.Module, named: Mapping[str, torch.Tensor]) -> int | None:
    """How many outputs ``module`` has, if its weights are otherwise those of a network by name; else None."""
    own = module.state_dict()
    if own.keys() != named.keys() or not own:
        return None
    differ = {name for name in own if own[name].shape != named[name].shape}
    sizes = {len(own[name]) for name in differ}
    if not differ:
        return OUTPUTS
    alike = all(
        own[name].shape[1:] == named[name].shape[1:] and len(named[name]) == OUTPUTS for name in differ
    )
    return sizes.pop() if alike and len(sizes) == 1 else None


def _drop_classes(source: Source, outputs: int) -> Source:
    """Without the names of classes, where there are others."""
    return source if outputs == OUTPUTS else replace(source, classes=None, scheme=None, wnids=None)


def _list_names(name: str, given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The names and shapes of a network's weights, without the weights."""
    with _Hollow():
        return dict(_build_untrained(name, 0, given).state_dict())


class _Hollow(TorchFunctionMode):
    """Tensors that weights are made of have no values; those that builders compute with (RegNet) have."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones, torch.randn):
            given["device"] = given.get("device") or "meta"
        return func(*args, **given)


def _find_entry(file: Path, choices: Any, digests: dict[Path, str]) -> tuple[Any, bool]:
    """A file's entry by its digest, else by its name, and True; else the default one, and False."""
    for entry in choices:
        if find_digest(file, entry.url, digests):
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
    name: str,
    file: Path,
    states: Sequence[FoundState],
    entry: Any,
    outputs: int | None,
    given: Mapping[str, Any],
) -> Source:
    """Weights fine-tuned to classes of their own, whose names nobody knows."""
    special: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        special = {"transform_input": True}
        if not any("aux" in key.lower() for key in states[0].tensors):
            special["aux_logits"] = False
    classes = {} if outputs is None else {"num_classes": outputs}
    module = _build_untrained(name, 0, {**special, **classes, **given})
    words = describe_weights(file.name, load_state(module, states, file))
    source, _ = _name_origin(name, entry, file, False, outputs or OUTPUTS)
    return _drop_classes(_bring(module, name, words, source, entry), outputs or OUTPUTS)


# ---- what belongs to weights -------------------------------------------------------------------------


def _bring(module: nn.Module, name: str, weights: str | None, origin: str, entry: Any) -> Source:
    """The network with the normalisation, the size and the classes of ``entry``."""
    transform = entry.transforms()
    classes = tuple(entry.meta.get("categories") or ()) or None
    return Source(
        module=module,
        name=name,
        weights=weights,
        normalisation=Normalize(transform.mean, transform.std),
        classes=classes,
        shape=input_shape(entry),
        scheme=SCHEME if classes else None,
        wnids=read_wnids() if classes and len(classes) == len(read_wnids()) else None,
        origin=origin,
    )
