"""The table of rules, by ATen's names of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

Rule = Callable[..., Any]
_R = TypeVar("_R", bound=Rule)

_RULES: dict[str, Rule] = {}


def aten(*names: str) -> Callable[[_R], _R]:
    """Register a rule for operations: ``name`` (all overloads) or ``name.overload``."""

    def register(rule: _R) -> _R:
        for name in names:
            if name in _RULES:
                raise AssertionError(f"two rules for {name}")
            _RULES[name] = rule
        return rule

    return register


def rule_for(operation: Any) -> Rule | None:
    """The rule for an operation (an ``OpOverload``), None where there is none."""
    if not isinstance(operation, torch._ops.OpOverload):
        return None
    namespace, name = operation._schema.name.split("::")
    if namespace not in ("aten", "prims", "torchvision"):
        return None
    return _RULES.get(f"{name}.{operation._overloadname}") or _RULES.get(name)


def has_rule(operation: Any) -> bool:
    """Whether an operation has a rule."""
    return rule_for(operation) is not None


def known() -> tuple[str, ...]:
    """The names that have rules."""
    return tuple(sorted(_RULES))
