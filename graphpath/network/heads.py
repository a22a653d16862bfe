"""Which of a module's outputs are the logits, and what stands behind them: a softmax is cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
from torch import Tensor

from graphpath.errors import UnsupportedOperation
from graphpath.modules.wrapping import is_classes
from graphpath.network.capture import Capture

_SOFTMAXES = {
    "softmax": torch.softmax,
    "_softmax": torch.softmax,
    "special_softmax": torch.softmax,
    "log_softmax": torch.log_softmax,
    "_log_softmax": torch.log_softmax,
    "special_log_softmax": torch.log_softmax,
}
_PASSING = (
    "view",
    "_unsafe_view",
    "reshape",
    "squeeze",
    "unsqueeze",
    "clone",
    "alias",
    "contiguous",
    "flatten",
    "_to_copy",
    "to",
    "detach",
)


@dataclass(frozen=True, eq=False)
class Output:
    """One output of a module: ``path`` in what it returns, the node of the graph that gives its logits, and
    the ``head`` that was cut, by its name (None: nothing was)."""

    path: str
    place: int
    logits: Any
    head: str | None

    def pick(self, returned: Any) -> Tensor:
        """This output of what the module returned."""
        found: Tensor = torch.utils._pytree.tree_leaves(returned)[self.place]
        return found

    def finish(self, logits: Tensor) -> Tensor:
        """What the module makes of its logits (N, classes)."""
        function: Callable[..., Tensor] | None = _SOFTMAXES.get(self.head or "")
        return logits if function is None else function(logits, 1)


def find_output(captured: Capture) -> Output:
    """The first output that is floating and has one dimension of classes.

    Raises UnsupportedOperation where there is none.
    """
    for place, (path, node) in enumerate(captured.outputs):
        if isinstance(node, torch.fx.Node) and is_classes(node.meta.get("val")):
            return _without_head(path, place, node)
    found = ", ".join(_described(path, node) for path, node in captured.outputs)
    raise UnsupportedOperation(
        f"the network's output is {found or 'nothing'} for one image; expected logits of shape (1, "
        "classes): give a module around it that returns them"
    )


def _described(path: str, node: Any) -> str:
    value = node.meta.get("val") if isinstance(node, torch.fx.Node) else None
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(node).__name__
    return f"{path} {shape}".strip()


def _without_head(path: str, place: int, node: torch.fx.Node) -> Output:
    last = node
    while _name(last) in _PASSING and isinstance(last.args[0], torch.fx.Node):
        last = last.args[0]
    name = _name(last)
    if name in _SOFTMAXES and isinstance(last.args[0], torch.fx.Node) and _over_classes(last):
        return Output(path, place, last.args[0], name)
    return Output(path, place, node, None)


def _name(node: torch.fx.Node) -> str:
    target = node.target
    return target._schema.name.split("::")[1] if isinstance(target, torch._ops.OpOverload) else ""


def _over_classes(node: torch.fx.Node) -> bool:
    """Whether a softmax runs over the one dimension that is longer than 1."""
    shape, axis = node.meta["val"].shape, node.args[1]
    return isinstance(axis, int) and len(shape) > 0 and shape[axis] == node.meta["val"].numel()
