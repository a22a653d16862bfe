"""timm's networks (``timm:NAME``), with what belongs to their weights: preprocessing, size and classes."""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.extras import needs_extra
from graphpath.models.fitting import choose_state, explain_misfit, load_state
from graphpath.models.imagenet import SCHEME, read_wnids
from graphpath.models.importing import shorten
from graphpath.models.making import seed_torch
from graphpath.models.normalize import Normalize
from graphpath.models.source import RANDOM, Source, describe_weights
from graphpath.models.spec import WEIGHTS, Named
from graphpath.models.tensors import FoundState, read_states
from graphpath.models.vision import check_arguments, find_digest, list_categories

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = "timm.models"
"""Where its networks are."""

Config = Mapping[str, Any]
"""A ``pretrained_cfg`` of timm's: what belongs to weights."""


def from_timm(spec: Named, weights: str | Path | None, seed: int, download: bool) -> Source:
    """The network that ``spec`` names in timm, with weights from a file or those of a tag ("a1_in1k").

    Its ``pretrained_cfg`` brings the normalisation and the size, and with weights the classes. Weights of a
    tag are those that timm has on disk already, or may fetch with ``download``; they are read as a file is.

    Raises MissingExtra without timm, ModelError for what it has not or does not take.
    """
    with needs_extra(f"timm:{spec.name}"):
        import timm  # noqa: F401
    tags = _list_tags(spec.name)
    given = check_arguments(spec)
    config = _find_config(spec.name, tags)
    if weights is None:
        module = _build(spec.name, seed, given)
        bare = Source(module, spec.name, RANDOM.format(seed=seed), origin=_describe_config(spec.name, config))
        brought = _bring(bare, config, given)
        return replace(brought, classes=None, scheme=None, wnids=None, origin=bare.origin)
    if Path(weights).exists():
        return _load_file(_choose_tag(spec.name, Path(weights), tags), spec.name, Path(weights), given)
    chosen = _name_weights(spec.name, str(weights), tags)
    file = _fetch(chosen, download)
    return _load_file(_Tag(chosen, True), spec.name, file, given)


def is_builder(place: str | Path, name: str) -> bool:
    """Whether ``name`` in the module ``place`` is one of timm's networks."""
    if not isinstance(place, str) or not f"{place}.".startswith(f"{HOME}."):
        return False
    with needs_extra(f"{place}:{name}"):
        import timm
    return bool(timm.is_model(name))


def bring_config(source: Source) -> Source | None:
    """``source`` with what the ``pretrained_cfg`` of its network says; None where it has none."""
    config = _as_dict(getattr(source.module, "pretrained_cfg", None))
    if config is None or not config.get("mean") or not config.get("std"):
        return None
    name = ".".join(str(config[key]) for key in ("architecture", "tag") if config.get(key))
    return _bring(replace(source, origin=_describe_config(name, config)), config, {})


# ---- names -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tag:
    """A name of timm's with its tag, and whether it is known to be that of the weights."""

    name: str
    known: bool


def _list_tags(name: str) -> list[str]:
    """The network's names with tags, the default first. Raises ModelError where there is no such network."""
    import timm

    base, dot, tag = name.partition(".")
    if not timm.is_model(base):
        close = difflib.get_close_matches(base, timm.list_models(), n=3)
        hint = (
            f"did you mean {' or '.join(f'timm:{one}' for one in close)}?"
            if close
            else "timm.list_models() has its names"
        )
        raise ModelError(f"model timm:{name} is unknown to timm {timm.__version__}: {hint}")
    tags = [one for one in timm.list_pretrained(f"{base}.*") if one.partition(".")[0] == base]
    if dot and name not in tags:
        known = ", ".join(one.partition(".")[2] for one in tags) or "none"
        raise ModelError(f"model timm:{name}: timm has no weights {tag!r} of {base}; it has {known}")
    return [name] if dot else tags


def _find_config(name: str, tags: Sequence[str]) -> Config:
    import timm

    return _as_dict(timm.get_pretrained_cfg(tags[0] if tags else name)) or {}


def _as_dict(config: Any) -> Config | None:
    if config is None or isinstance(config, Mapping):
        return config
    return vars(config) if hasattr(config, "__dict__") else None


def _name_weights(name: str, weights: str, tags: Sequence[str]) -> str:
    """The name with the tag that ``weights`` means."""
    if weights.lower() in ("default", "pretrained") and tags:
        import timm

        return name if "." in name else timm.get_pretrained_cfg(name).architecture + _default_tag(name)
    found = [one for one in tags if weights in (one, one.partition(".")[2])]
    if found:
        return found[0]
    if "/" in weights or weights.endswith(WEIGHTS):
        raise ModelError(f"{weights}: no such file of weights")
    known = ", ".join(["DEFAULT", *(one.partition(".")[2] for one in tags)]) if tags else "none"
    raise ModelError(
        f"weights {weights!r} of timm:{name} are unknown: there are {known}; or give a file of a state dict"
    )


def _default_tag(name: str) -> str:
    import timm

    tag = timm.get_pretrained_cfg(name).tag
    return f".{tag}" if tag else ""


def _choose_tag(name: str, file: Path, tags: Sequence[str]) -> _Tag:
    """Whose weights ``file`` holds: by the tag that was named, by its digest, or by its name or folder."""
    import timm

    if "." in name:
        return _Tag(name, True)
    digests: dict[Path, str] = {}
    for one in tags:
        url = getattr(timm.get_pretrained_cfg(one), "url", None) or ""
        if find_digest(file, url, digests) or Path(url).name == file.name:
            return _Tag(one, True)
    named = [one for one in tags if one in file.name or any(one in part for part in file.parts[-4:-1])]
    if named:
        return _Tag(max(named, key=len), True)
    return _Tag(f"{name}{_default_tag(name)}", False)


# ---- building ----------------------------------------------------------------------------------------


def _build(name: str, seed: int, given: Mapping[str, Any]) -> nn.Module:
    import timm

    with seed_torch(seed), _quiet():
        try:
            module: nn.Module = timm.create_model(name, pretrained=False, **given)
        # Builders of all kinds; what they say of their arguments is passed on.
        except Exception as error:
            shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
            raise ModelError(f"timm:{name}({shown}) cannot be built: {shorten(str(error))}") from error
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _fetch(name: str, download: bool) -> Path:
    """The file of weights that timm has, or gets, for ``name``. Raises ModelError where none is here."""
    import timm

    config = timm.get_pretrained_cfg(name)
    if file := _find_on_disk(config):
        return file
    if not download:
        raise ModelError(
            f"weights of timm:{name} are not on this machine: --download (download=True) fetches them, "
            "--weights takes a file of a state dict"
        )
    try:
        if config.hf_hub_id:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(config.hf_hub_id, config.hf_hub_filename or "model.safetensors"))
        target = Path(torch.hub.get_dir()) / "checkpoints" / Path(config.url).name
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(config.url, str(target), progress=False)
        return target
    # A network's failures come in all kinds.
    except Exception as error:
        raise ModelError(f"weights of timm:{name} cannot be fetched ({shorten(str(error))})") from error


def _find_on_disk(config: Any) -> Path | None:
    """Where timm has kept these weights before: the hub's cache, or torch's."""
    kept = Path(torch.hub.get_dir()) / "checkpoints" / Path(config.url or "none").name
    if kept.is_file():
        return kept
    if not config.hf_hub_id:
        return None
    from huggingface_hub import try_to_load_from_cache

    for name in (config.hf_hub_filename, "model.safetensors", "pytorch_model.bin"):
        found = try_to_load_from_cache(config.hf_hub_id, name) if name else None
        if isinstance(found, str):
            return Path(found)
    return None


# ---- from a file -------------------------------------------------------------------------------------


def _load_file(tag: _Tag, asked: str, file: Path, given: Mapping[str, Any]) -> Source:
    import timm

    config = _as_dict(timm.get_pretrained_cfg(tag.name)) or {}
    states = read_states(file)
    module, renamed, given = _build_for(tag.name.partition(".")[0], file, states, config, given)
    words = load_state(module, renamed, file)
    origin = _describe_config(tag.name, config)
    if not tag.known:
        origin += f", the default for {asked}; neither digest nor name tells whose weights {file.name} holds"
    name = tag.name if tag.known else asked
    return _bring(Source(module, name, describe_weights(file.name, words), origin=origin), config, given)


def _build_for(
    name: str, file: Path, states: Sequence[FoundState], config: Config, given: Mapping[str, Any]
) -> tuple[nn.Module, Sequence[FoundState], Mapping[str, Any]]:
    """The network with as many outputs and inputs as the weights, these in timm's names, its arguments."""
    module = _build(name, 0, given)
    fitted = choose_state(states, module.state_dict(), file)
    misfit = explain_misfit(fitted.tensors, module.state_dict())
    if not misfit:
        return module, states, given
    if renamed := _rename(module, fitted.tensors):
        states = [FoundState("", renamed)]
        fitted = choose_state(states, module.state_dict(), file)
    own = {
        "num_classes": _read_size(fitted.tensors, config.get("classifier"), 0),
        "in_chans": _read_size(fitted.tensors, config.get("first_conv"), 1),
    }
    usual = {"num_classes": config.get("num_classes"), "in_chans": (config.get("input_size") or (3,))[0]}
    changed = {key: size for key, size in own.items() if size and key not in given and size != usual[key]}
    if not changed:
        return module, states, given
    return _build(name, 0, {**given, **changed}), states, {**given, **changed}


def _rename(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
    """Weights of an older or another program in timm's names, by timm's own filter for the family."""
    change = getattr(sys.modules.get(type(module).__module__), "checkpoint_filter_fn", None)
    if change is None:
        return None
    try:
        made = change(dict(tensors), module)
    # It takes weights of its family; of others it may raise anything.
    except Exception:
        return None
    return (
        made if isinstance(made, dict) and all(isinstance(v, torch.Tensor) for v in made.values()) else None
    )


def _read_size(tensors: Mapping[str, torch.Tensor], layer: Any, axis: int) -> int | None:
    """How many outputs (axis 0) or inputs (axis 1) a layer has by its weight."""
    first = layer[0] if isinstance(layer, tuple | list) and layer else layer
    value = tensors.get(f"{first}.weight")
    return int(value.shape[axis]) if value is not None and value.ndim > axis else None


# ---- what belongs to weights -------------------------------------------------------------------------


def _describe_config(name: str, config: Config) -> str:
    return f"the pretrained_cfg of timm's {name}" if config.get("mean") else f"timm's {name}"


def _bring(source: Source, config: Config, given: Mapping[str, Any]) -> Source:
    """``source`` with the normalisation, the size and the classes that ``config`` says."""
    if not config.get("mean") or not config.get("std") or not config.get("input_size"):
        return source
    channels, height, width = config["input_size"]
    asked = given.get("img_size", (height, width))
    height, width = (asked, asked) if isinstance(asked, int) else asked
    channels = given.get("in_chans", channels)
    mean, std = (_fit_channels(config[key], channels) for key in ("mean", "std"))
    classes, wnids, scheme = _name_classes(source.module, config)
    origin = source.origin or ""
    outputs = getattr(source.module, "num_classes", None)
    if classes is None and outputs and outputs != config.get("num_classes"):
        origin += f"; the weights have {outputs:,} classes of their own"
    return replace(
        source,
        normalisation=Normalize(mean, std),
        shape=(channels, int(height), int(width)),
        classes=classes,
        wnids=wnids,
        scheme=scheme,
        origin=origin,
    )


def _fit_channels(values: Sequence[float], channels: int) -> list[float]:
    """One number a channel; for another number of channels their mean, as timm sums its first weights."""
    numbers = [float(value) for value in values]
    return numbers if len(numbers) == channels else [sum(numbers) / len(numbers)]


def _name_classes(
    module: nn.Module, config: Config
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None, str | None]:
    """Names, WordNet ids and scheme of the classes, where the network has as many outputs as ``config``."""
    outputs = getattr(module, "num_classes", None)
    if not outputs or outputs != config.get("num_classes"):
        return None, None, None
    names = list_categories()
    if outputs == len(names):
        return names, read_wnids(), SCHEME
    return None, None, None
