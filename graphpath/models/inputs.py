"""A model and images as they are given, brought together: inputs of any shape, outputs of any form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from graphpath.data.base import Images
from graphpath.data.given import Given, Labels, as_images
from graphpath.data.matched import MatchedImages
from graphpath.errors import ModelError
from graphpath.models.loaded import LoadedModel, Probe, as_loaded
from graphpath.models.matching import BY_NAME, match_classes
from graphpath.modules.state import evaluating, untouched
from graphpath.modules.wrapping import Adapted, any_tensor, flatten_outputs, is_classes, refuse_script

Output = str | int | None
"""Which of a network's outputs is traced: its number, its key or attribute; None: the first of classes."""


def bring_together(
    model: nn.Module | LoadedModel,
    images: Given,
    labels: Labels = None,
    *,
    dataset: str | None = None,
    classes: Sequence[str] | None = None,
    matching: str = BY_NAME,
    output: Output = None,
) -> tuple[LoadedModel, MatchedImages]:
    """The model as one of images (N, C, H, W) and logits (N, classes), and the images with its labels.

    Raises ModelError, DataError or MethodError for what does not fit.
    """
    given = as_images(images, labels, dataset, classes)
    loaded = adapt(as_loaded(model), given, output)
    return loaded, match_classes(loaded, given, matching)


def adapt(model: LoadedModel, images: Images, output: Output = None) -> LoadedModel:
    """``model`` with a module around its own where that takes other shapes or returns other things.

    Raises ModelError where there is no output of that name or number.
    """
    if isinstance(model.module, Adapted):
        return model
    shape: tuple[int, ...] | None = getattr(images, "given_shape", None)
    size = shape or images.shape
    known = model.probe
    if known is not None and known.shape == size and output in (None, known.asked):
        return model
    returned = _returned(model.module, size)
    probe = Probe(size, output, _count_logits(returned))
    if returned is None:
        module = model.module if shape is None else Adapted(model.module, shape)
        return replace(model, module=module, probe=probe)
    outputs = flatten_outputs(returned)
    paths, leaves = [path for path, _ in outputs], [leaf for _, leaf in outputs]
    place = _find_output(model.name, paths, leaves, output)
    plain = len(leaves) == 1 and isinstance(leaves[0], torch.Tensor) and leaves[0].dim() == 2
    if place is None or (plain and shape is None):
        return replace(model, probe=probe)
    note = None if len(leaves) == 1 else _describe(paths, place)
    probe = replace(probe, outputs=leaves[place].numel())
    return replace(model, module=Adapted(model.module, shape, place), output=note, probe=probe)


def _count_logits(returned: Any) -> int | None:
    """How many logits (1, classes) a network returned; None where it returned anything else."""
    return int(returned.shape[1]) if isinstance(returned, torch.Tensor) and returned.ndim == 2 else None


def _returned(module: nn.Module, shape: tuple[int, ...]) -> Any:
    """What a network gives for one input; None where it gives nothing for such a one."""
    refuse_script(module)
    like = any_tensor(module)
    dtype = like.dtype if like.is_floating_point() else torch.float32
    try:
        with evaluating(module), untouched(module), torch.no_grad():
            return module(torch.zeros(1, *shape, device=like.device, dtype=dtype))
    # Lowering the network explains, with the layer, what it says of images that it cannot take.
    except Exception:
        return None


def _find_output(name: str, paths: list[str], leaves: list[Any], output: Output) -> int | None:
    """The number of the output that is asked for, or of the first of classes; None where there is none."""
    if output is None:
        return next((n for n, leaf in enumerate(leaves) if is_classes(leaf)), None)
    found = [n for n, path in enumerate(paths) if path == str(output)]
    if not found:
        there = ", ".join(path or "one tensor" for path in paths)
        raise ModelError(f"{name} has no output {output!r}; it returns {there}. Name one of these (output=).")
    if not is_classes(leaves[found[0]]):
        shape = tuple(getattr(leaves[found[0]], "shape", ()))
        raise ModelError(
            f"the output {output!r} of {name} has the shape {shape} for one image; expected logits "
            "(1, classes)."
        )
    return found[0]


def _describe(paths: list[str], place: int) -> str:
    others = ", ".join(path for n, path in enumerate(paths) if n != place)
    return f"{paths[place]} of its outputs (the others: {others})"
