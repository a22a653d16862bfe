"""Where in a network an operation stands: the module's path as PyTorch names it, or ``inside.function``."""

from __future__ import annotations

import torch.fx

_IN_PLACE = {"add_": "iadd", "sub_": "isub", "mul_": "imul", "div_": "itruediv"}
"""Python's names of what an operator in place calls."""


def place_of(node: torch.fx.Node, prefix: str) -> tuple[str, bool]:
    """The path of the module of PyTorch's own that calls the operation, and True; else that of the innermost
    module with the function's name behind it, and False. ``prefix`` is taken off paths."""
    path = ""
    for given, kind in (node.meta.get("nn_module_stack") or {}).values():
        path = _relative(str(given), prefix)
        if path and _is_of_pytorch(kind):
            return path, True
    name = _function_name(node)
    return (f"{path}.{name}" if path else name), False


def _relative(path: str, prefix: str) -> str:
    """A module's path within the user's network."""
    return "" if f"{path}." == prefix else path.removeprefix(prefix)


def _is_of_pytorch(kind: object) -> bool:
    name = (
        kind
        if isinstance(kind, str)
        else f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"
    )
    return name.startswith(("torch.nn.", "torch.ao.nn.")) and not name.endswith(".Sequential")


def _function_name(node: torch.fx.Node) -> str:
    called = node.meta.get("torch_fn")
    name = called[1].rsplit(".", 1)[-1] if called else ""
    if not name:
        target = node.target
        name = (
            target._schema.name.split("::")[1]
            if isinstance(target, torch._ops.OpOverload)
            else str(node.name)
        )
    return _IN_PLACE.get(name, name)
