"""What stands around a user's network: wrappers that are taken off, and one that makes any network take
images (N, C, H, W) and give logits (N, classes)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphpath.errors import NetworkError

_INNER = {
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.optim.swa_utils.AveragedModel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
}
"""Wrappers that change nothing in evaluation mode, and where the network is in them."""


def unwrap(module: nn.Module) -> nn.Module:
    """The network inside ``DataParallel``, ``AveragedModel``, what ``torch.compile`` gives, and the like."""
    kind = type(module)
    inner = _INNER.get(f"{kind.__module__}.{kind.__qualname__}")
    return module if inner is None else unwrap(getattr(module, inner))


class Adapted(nn.Module):
    """A network whose inputs are images (N, C, H, W), and whose output is one tensor (N, classes).

    ``shape`` is one input's as the network takes it (None: (C, H, W)), ``place`` the number of its output
    among the tensors that it returns.
    """

    def __init__(self, module: nn.Module, shape: tuple[int, ...] | None, place: int = 0) -> None:
        super().__init__()
        self.module, self.shape, self.place = module, shape, place
        self.train(module.training)

    def forward(self, images: Tensor) -> Tensor:
        given = images if self.shape is None else images.reshape(len(images), *self.shape)
        returned = self.module(given)
        _, found = flatten_outputs(returned)[self.place]
        logits: Tensor = found.reshape(len(images), -1)
        return logits


def flatten_outputs(returned: Any, path: str = "") -> list[tuple[str, Any]]:
    """What a network returns, leaf by leaf, each with its path: ``0``, ``logits``, ``heads.0``.

    Tuples, lists, dictionaries, dataclasses and plain objects that hold tensors are gone into.
    """
    parts = _parts(returned)
    if parts is None:
        return [(path, returned)]
    inside = ((f"{path}.{key}" if path else str(key), value) for key, value in parts)
    return [leaf for key, value in inside for leaf in flatten_outputs(value, key)]


def _parts(returned: Any) -> list[tuple[Any, Any]] | None:
    """The parts of a container with their keys; None of what is none."""
    if isinstance(returned, Tensor):
        return None
    if isinstance(returned, Mapping):
        return list(returned.items())
    if isinstance(returned, tuple) and hasattr(returned, "_fields"):
        return list(zip(returned._fields, returned, strict=True))
    if isinstance(returned, (tuple, list)):
        return list(enumerate(returned))
    if is_dataclass(returned):
        return [(field.name, getattr(returned, field.name)) for field in fields(returned)]
    held = getattr(returned, "__dict__", {})
    return list(held.items()) if any(isinstance(value, Tensor) for value in held.values()) else None


def take_off(module: nn.Module) -> nn.Module:
    """The user's own network inside an adapted one."""
    inner: nn.Module = module.module if isinstance(module, Adapted) else module
    return inner


PREFIX = "module."
"""What stands before the names of an adapted network's own modules."""


def name_of(module: nn.Module) -> str:
    """The name of a network's class."""
    return type(take_off(module)).__name__


def is_classes(value: Any) -> bool:
    """Whether what a network gives for one image is floating, with one dimension of classes."""
    if not isinstance(value, Tensor) or not value.dtype.is_floating_point:
        return False
    return sum(size != 1 for size in value.shape) <= 1 and (value.dim() < 2 or value.shape[0] == 1)


def as_normal(module: nn.Module) -> nn.Module:
    """A network whose weights gradients can be taken through: a copy, where it was made in inference mode."""
    tensors = [*module.parameters(), *module.buffers()]
    if not any(tensor.is_inference() for tensor in tensors):
        return module
    with torch.inference_mode(False):
        return copy.deepcopy(module)


def any_tensor(module: nn.Module) -> Tensor:
    """A parameter or buffer, floating where there is one: where a network is, and what it computes in."""
    found = [*module.parameters(), *module.buffers()]
    floating = [tensor for tensor in found if tensor.is_floating_point()]
    return (floating or found or [torch.empty(0)])[0]


def refuse_script(module: nn.Module) -> None:
    """Raise NetworkError for a network in TorchScript, or with a part that is."""
    scripts = (part for part in module.modules() if isinstance(part, torch.jit.ScriptModule))
    if any(hasattr(part, "inlined_graph") for part in scripts):  # what PYTORCH_JIT=0 leaves has none
        raise NetworkError(
            f"{name_of(module)} is TorchScript, which torch.export cannot capture; give the nn.Module that "
            "it was made from. Where its own code uses torch.jit, run with PYTORCH_JIT=0."
        )
