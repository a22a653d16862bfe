"""A network as a user names it: of torchvision or timm, of a Python module or file, or a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.checkpoint import load_checkpoint
from graphpath.models.evaluating import check_seed
from graphpath.models.fitting import load_state
from graphpath.models.inner import find_inner
from graphpath.models.loaded import LoadedModel, check_ready, digest_weights
from graphpath.models.making import make_member, thaw, widen
from graphpath.models.names import read_names
from graphpath.models.preprocessing import Given, Numbers, read_given
from graphpath.models.source import Source, describe_weights, split_normalisation
from graphpath.models.spec import Member, Named, Stored, parse_spec
from graphpath.models.tensors import read_states
from graphpath.models.timm_models import bring_config, from_timm
from graphpath.models.timm_models import is_builder as is_timms
from graphpath.models.vision import bring_entry, from_torchvision
from graphpath.models.vision import is_builder as is_torchvisions


def load_model(
    spec: str | Path,
    *,
    device: str | torch.device = "cpu",
    weights: str | Path | None = None,
    seed: int = 0,
    download: bool = False,
    preprocess: str | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    normalize: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
) -> LoadedModel:
    """The network that ``spec`` names, in eval mode on ``device``.

    ``spec`` is one of these, with arguments where it is no checkpoint (``"nets.py:Net(width=16)"``, each a
    literal: nothing is evaluated):

    - the name of a torchvision classification network, or ``timm:NAME``;
    - ``module:name`` or ``path/to/file.py:name``: a class or function that gives an ``nn.Module``, or such a
      network itself. The current folder is searched too, and the folder of the file;
    - a checkpoint made by ``graphpath train``.

    ``weights`` is a file of a state dict, or for torchvision and timm the name of pretrained weights
    ("IMAGENET1K_V1", "a1_in1k", "DEFAULT") that are on disk already, or may be fetched with ``download``.
    Either brings the ``Normalize`` and the class names of its entry there. A network without weights is
    initialised by ``seed``.

    ``mean`` and ``std`` (a number a channel), ``normalize`` ("imagenet", "cifar10", "none") or ``preprocess``
    ("none", or "MEAN/STD" such as "0.5,0.5,0.5/0.25,0.25,0.25") are the preprocessing instead of the model's
    own. ``classes`` are names instead of the model's own, or a file of them (``names.read_names``).

    Raises ``ModelError`` with what is missing, MissingExtra where timm is.
    """
    check_seed(seed)
    given = read_given(preprocess, mean, std, normalize)
    found = _find_source(str(spec), weights, seed, download)
    loaded = _replace_classes(_settle(found, given), classes)
    return replace(loaded, module=_move_to(loaded.module, device))


def _find_source(text: str, weights: str | Path | None, seed: int, download: bool) -> Source | LoadedModel:
    spec = parse_spec(text)
    if isinstance(spec, Stored):
        if weights is not None:
            raise ModelError(f"{text}: a checkpoint has its own weights; leave out weights={weights}")
        return load_checkpoint(spec.path)
    if isinstance(spec, Member):
        if is_torchvisions(spec.place, spec.name):
            spec = Named(spec.name, spec.arguments)
        elif is_timms(spec.place, spec.name):
            spec = Named(spec.name, spec.arguments, timm=True)
        else:
            return _make_own(spec, weights, seed)
    make = from_timm if spec.timm else from_torchvision
    return make(spec, weights, seed, download)


def _make_own(spec: Member, weights: str | Path | None, seed: int) -> Source | LoadedModel:
    """A user's own network, with the weights of a file where one is given."""
    made, _ = make_member(spec, seed)
    module = thaw(made.module if isinstance(made, LoadedModel) else made)
    if weights is not None:
        if not str(weights) or not Path(weights).exists():
            raise ModelError(
                f"{str(weights)!r}: no such file of weights; {spec.title} takes a file of a state dict"
            )
        fitted = load_state(module, read_states(weights), weights)
        words = describe_weights(Path(weights).name, fitted)
    elif isinstance(made, LoadedModel):
        return made
    else:
        words = "as the code makes them"
    if isinstance(made, LoadedModel):
        return replace(made, weights=words, sha256=digest_weights(module))
    check_ready(module, spec.title)
    module, half = widen(module)
    source = Source(module, spec.title, f"{words}, widened from {half} to float32" if half else words)
    return _bring_belongings(source, None if weights is None else Path(weights))


def _bring_belongings(source: Source, weights: Path | None) -> Source:
    """What a timm or torchvision network that a user's code built brings, if it normalises nothing itself."""
    if find_inner(source.module):
        return source
    found = bring_config(source)
    if found is None and weights is not None:
        found = bring_entry(source, weights)
    return source if found is None else found


# ---- preprocessing, classes, device ------------------------------------------------------------------


def _settle(found: Source | LoadedModel, given: Given | None) -> LoadedModel:
    """The model with the preprocessing that was given, else its own."""
    if given is None:
        return found if isinstance(found, LoadedModel) else found.assemble()
    source = found if isinstance(found, Source) else split_normalisation(found)
    origin = _describe_origin(source.origin, "preprocessing")
    return replace(source, normalisation=given.normalisation, origin=origin).assemble()


def _describe_origin(origin: str | None, given: str) -> str | None:
    return None if origin is None else f"{origin}, but for the {given}, which was given"


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
