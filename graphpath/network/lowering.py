"""From an ``nn.Module`` to a program of graphpath's own operations.

torch.fx gives the network's graph; a walk over it with a small probe batch gives every step's shape and
settles whatever the network computes from shapes. ``dialect.py`` says what each of PyTorch's spellings
means. At the end the program must give what the module itself gives, or it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn
from torch.fx.node import map_aggregate

from graphpath.errors import NetworkError, UnsupportedOperation
from graphpath.network.operations import Input, Operation
from graphpath.network.permutes import settled
from graphpath.network.program import Program, Step

PROBE = 2
"""Images in the probe batch: two, so that a network made for a batch of one is noticed."""


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
    """The walk over one network's graph. ``emit`` and ``refuse`` are what the dialect's rules use."""

    def __init__(self, module: nn.Module, probe: Tensor) -> None:
        self.module = module
        self.steps: list[Step] = [Step("input", Input(), (), tuple(probe.shape[1:]))]
        self.image = Traced(0, probe)
        self.place = "input"
        self._values: dict[torch.fx.Node, Any] = {}

    def emit(self, operation: Operation, *operands: Traced) -> Traced:
        """Add a step and return its result."""
        value = operation.run(*(operand.value for operand in operands))
        if value.dim() < 2 or value.shape[0] != PROBE:
            self.refuse(
                f"gives a tensor of shape {tuple(value.shape)} for {PROBE} images: it mixes a batch's images"
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
        from graphpath.network.dialect import rule_for

        target: Any = node.target
        if node.op == "call_module":
            target = self.module.get_submodule(str(node.target))
            if target._forward_hooks or target._forward_pre_hooks:
                self.refuse("has forward hooks, which may change its result: remove them before tracing")
        if not _holds_traced((args, kwargs)):
            return _plain(node, target, args, kwargs)
        if node.op == "call_module":
            args = (target, *args)
        rule = rule_for(node.op, target)
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


Rule = Callable[..., Any]


def lower(module: nn.Module, image: Tensor) -> Program:
    """The program of ``module`` for images like ``image`` (C, H, W); the module is left as it was.

    Raises UnsupportedOperation, which names the operation and its place, or NetworkError where torch.fx
    cannot trace the module or the program's logits differ from the module's.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((PROBE, *image.shape), generator=generator, dtype=torch.float64)
    probe = noise.to(device=image.device, dtype=image.dtype)
    with evaluating(module), _unmarked(module), torch.no_grad():
        graph = _traced(module)
        program = settled(Lowering(module, probe).walk(graph).pruned()).folded().named()
        _check(program, module, probe)
    return program


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode; on leaving, every sub-module's own mode is back."""
    modes = {child: child.training for child in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes.items():
            child.training = mode


@contextmanager
def _unmarked(module: nn.Module) -> Iterator[None]:
    """On leaving, the attributes are gone that torch.fx gives a module whose forward makes tensors."""
    own = set(vars(module))
    try:
        yield
    finally:
        for name in set(vars(module)) - own:
            delattr(module, name)


def _traced(module: nn.Module) -> torch.fx.Graph:
    try:
        return torch.fx.Tracer().trace(module)
    except Exception as error:  # fx raises whatever the network's own code raises on a proxy
        raise NetworkError(
            f"torch.fx cannot trace {type(module).__name__}: {error}. "
            "Its forward must not branch on the values or shapes of tensors."
        ) from error


def _check(program: Program, module: nn.Module, probe: Tensor) -> None:
    ours, theirs = program.run(probe), module(probe)
    tolerance = 1e-3 if probe.dtype != torch.float64 else 1e-9
    scale = float(theirs.abs().max()) or 1.0
    if float((ours - theirs).abs().max()) > tolerance * scale:
        raise NetworkError(
            f"graphpath's reading of {type(module).__name__} gives other logits than the network itself; "
            "it probably changes tensors in place through views, which cannot be followed."
        )


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
