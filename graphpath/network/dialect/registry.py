"""The table of what PyTorch's modules, functions and methods mean, by family of operation.

A rule is called with the lowering, then with the arguments of the call (a module rule gets the module
first), and returns what the call returns, made of traced tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from torch import nn

Rule = Callable[..., Any]
_R = TypeVar("_R", bound=Rule)

_RULES: dict[tuple[str, Any], Rule] = {}


def rule_for(kind: str, target: Any) -> Rule | None:
    """The rule for an fx node of ``kind`` (call_module, call_function, call_method), or None."""
    key = type(target) if kind == "call_module" else target
    return _RULES.get((kind, key))


def modules(*classes: type[nn.Module]) -> Callable[[_R], _R]:
    """Register a rule for module classes (exactly these: a subclass may compute something else)."""
    return _registering(("call_module", cls) for cls in classes)


def functions(*callables: Callable[..., Any]) -> Callable[[_R], _R]:
    """Register a rule for functions."""
    return _registering(("call_function", function) for function in callables)


def methods(*names: str) -> Callable[[_R], _R]:
    """Register a rule for tensor methods."""
    return _registering(("call_method", name) for name in names)


def pair(value: Any) -> tuple[int, int]:
    """A size that PyTorch takes as one number or two, as two."""
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _registering(keys: Iterable[tuple[str, Any]]) -> Callable[[_R], _R]:
    def register(rule: _R) -> _R:
        _RULES.update(dict.fromkeys(keys, rule))
        return rule

    return register
