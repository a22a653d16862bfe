"""The walk over a network's graph, as torch.fx gives it: every call becomes steps, by the dialect's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn
from torch.fx.node import map_aggregate

from graphpath.errors import UnsupportedOperation
from graphpath.network.operations import Input, Operation
from graphpath.network.program import Program, Step

Rule = Callable[..., Any]
"""What a call means: called with the walk, then with the call's own arguments."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A tensor on its way through the network: the step that makes it, and its value for the probe."""

    step: int
    value: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape for one image."""
        return tuple(self.value.shape[1:])


class Lowering:
    """The walk over one network's graph. ``emit`` and ``refuse`` are what the dialect's rules use.

    ``rule_for`` gives the rule for an fx node's kind and target, None where there is none.
    """

    def __init__(self, module: nn.Module, probe: Tensor, rule_for: Callable[[str, Any], Rule | None]) -> None:
        self.module, self._rule_for = module, rule_for
        self.steps: list[Step] = [Step("input", Input(), (), tuple(probe.shape[1:]))]
        self.image = Traced(0, probe)
        self.place = "input"
        self._values: dict[torch.fx.Node, Any] = {}

    def emit(self, operation: Operation, *operands: Traced) -> Traced:
        """Add a step and return its result."""
        value = operation.run(*(operand.value for operand in operands))
        images = len(self.image.value)
        if value.dim() < 2 or value.shape[0] != images:
            self.refuse(
                f"gives a tensor of shape {tuple(value.shape)} for {images} images: it mixes a batch's images"
            )
        inputs = tuple(operand.step for operand in operands)
        self.steps.append(Step(self.place, operation, inputs, tuple(value.shape[1:])))
        return Traced(len(self.steps) - 1, value)

    def made_by(self, traced: Traced) -> Step:
        """The step that gives a tensor."""
        return self.steps[traced.step]

    def replace(self, old: Traced, new: Traced) -> None:
        """What the network called ``old`` is ``new`` from here on: an operation in place."""
        for node, value in self._values.items():
            if value is old:
                self._values[node] = new

    def refuse(self, why: str) -> Any:
        """Raise UnsupportedOperation for the step in hand."""
        raise UnsupportedOperation(f"{self.place} {why}")

    def walk(self, graph: torch.fx.Graph) -> Program:
        """The program of ``graph``."""
        for node in graph.nodes:
            self._values[node] = self._value(node)
        return Program(tuple(self.steps), self._output)

    def _value(self, node: torch.fx.Node) -> Any:
        self.place = _place(node)
        if node.op == "placeholder":
            return self._placeholder(node)
        if node.op == "get_attr":
            return _attribute(self.module, str(node.target))
        args = map_aggregate(node.args, self._resolved)
        kwargs = map_aggregate(node.kwargs, self._resolved)
        if node.op == "output":
            self._output = self._logits(args[0])
            return None
        return self._called(node, args, kwargs)

    def _resolved(self, value: Any) -> Any:
        return self._values[value] if isinstance(value, torch.fx.Node) else value

    def _placeholder(self, node: torch.fx.Node) -> Any:
        if not any(isinstance(value, Traced) for value in self._values.values()):
            return self.image
        if node.args:
            return node.args[0]
        return self.refuse("is a second input: only networks of one image are traced")

    def _called(self, node: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        target: Any = node.target
        if node.op == "call_module":
            target = self.module.get_submodule(str(node.target))
            if target._forward_hooks or target._forward_pre_hooks:
                self.refuse("has forward hooks, which may change its result: remove them before tracing")
        if not _holds_traced((args, kwargs)):
            return _plain(node, target, args, kwargs)
        if node.op == "call_module":
            args = (target, *args)
        rule = self._rule_for(node.op, target)
        if rule is None:
            self.refuse(f"is {_what(node, target)} graphpath cannot take apart")
        assert rule is not None
        try:
            return rule(self, *args, **kwargs)
        except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
            given = ", ".join([*(type(value).__name__ for value in args), *(f"{name}=" for name in kwargs)])
            raise UnsupportedOperation(
                f"{self.place} is {_what(node, target)} graphpath cannot take apart "
                f"as it is called, with ({given}): {error}"
            ) from error

    def _logits(self, value: Any) -> int:
        if isinstance(value, Traced) and len(value.shape) == 1:
            return value.step
        self.place = "the network's output"
        shape = value.shape if isinstance(value, Traced) else type(value).__name__
        return int(self.refuse(f"is {shape}; expected one tensor (N, classes) of logits"))


def _place(node: torch.fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack")
    name = getattr(node.target, "__name__", str(node.target))
    inside = list(stack.values())[-1][0] if stack else ""
    return f"{inside}.{name}" if inside else name


def _attribute(module: nn.Module, path: str) -> Any:
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name)
    return value.detach() if isinstance(value, Tensor) else value


def _holds_traced(value: Any) -> bool:
    found: list[bool] = []
    map_aggregate(value, lambda leaf: found.append(True) if isinstance(leaf, Traced) else None)
    return bool(found)


def _plain(node: torch.fx.Node, target: Any, args: Any, kwargs: Any) -> Any:
    """What the network computes from shapes and constants alone."""
    if node.op == "call_method":
        return getattr(args[0], str(target))(*args[1:], **kwargs)
    return target(*args, **kwargs)


def _what(node: torch.fx.Node, target: Any) -> str:
    if node.op != "call_module":
        return "an operation that"
    return f"{type(target).__module__}.{type(target).__name__}, which"
