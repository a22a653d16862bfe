"""The walk over a captured graph: every call becomes steps, by the dialect's rules.

The graph is that of one image, so a tensor of the network's has whatever shape it has for a batch of one. A
step's shape leaves a leading 1 out; steps run on batches, whose images never meet. What is made of parameters
alone is computed at once. A view has no step: a :class:`Traced` says in which shape a step's result is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeVar

import torch
import torch.fx
from torch import Tensor
from torch.fx.node import map_aggregate

from graphpath.errors import UnsupportedOperation
from graphpath.network.capture import Capture, in_one_line
from graphpath.network.operations import Identity, Input, Opaque, Operation, Part, Unseen, is_reshape, reshape
from graphpath.network.places import place_of
from graphpath.network.program import Program, Step

Rule = Callable[..., Any]
"""What an operation means: called with the walk, then with the operation's own arguments."""

Shape = tuple[int, ...]
_Leaf = TypeVar("_Leaf")

UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
"""Types in which PyTorch decomposes some operations (``triu``), but counts on no device."""

MOST = 1 << 23
"""Pairs of an element and a neuron behind it that are written down between two layers: 128 MB."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A tensor that depends on the image: the step that makes it, in the ``shape`` that it has for a batch of
    one image, and its ``dtype``."""

    step: int
    shape: Shape
    dtype: torch.dtype

    def viewed(self, shape: Any) -> Traced:
        """The same elements in another shape."""
        return replace(self, shape=tuple(int(size) for size in shape))

    @property
    def inner(self) -> Shape:
        """Its shape without the dimension of the batch, where that leads."""
        return inner(self.shape)

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


def inner(shape: Shape) -> Shape:
    """A shape for one image without the dimension of the batch, where that leads."""
    return shape[1:] if shape and shape[0] == 1 else shape


class Lowering:
    """The walk over one network's graph. The dialect's rules use what has no underscore.

    ``rule_for`` gives the rule for an operation, None where there is none.
    """

    def __init__(
        self, captured: Capture, image: Tensor, rule_for: Callable[[Any], Rule | None], halves: bool = False
    ) -> None:
        self._captured, self._rule_for = captured, rule_for
        size = inner(tuple(image.shape))
        self.steps: list[Step] = [Step("input", Input(size), (), size)]
        self._values: list[Tensor] = [image.reshape(1, *size)]
        self._taps: list[int] = [1]
        self.image = Traced(0, tuple(image.shape), image.dtype)
        self.device, self.dtype = image.device, image.dtype
        self.place, self._in_module = "input", False
        self._layers: dict[int, int] = {}
        self.halves = halves
        """Whether a product of two matrices, neither a gate, is lowered to two mixtures."""
        self.operation: Any = None
        """The operation in hand."""
        self.result: Any = None
        """What it gives, without values: shapes and dtypes."""
        self.arguments: Any = ()
        self.keywords: Any = {}

    @property
    def first_result(self) -> Any:
        """What the operation in hand gives first, where it gives several; else its result."""
        return self.result[0] if isinstance(self.result, tuple) else self.result

    # --- what rules use ---------------------------------------------------------------

    def emit(self, operation: Operation, *operands: Traced, shape: Any = None, aside: str = "") -> Traced:
        """Add a step that reads the operands' steps as they are; its result, in ``shape`` (default: as it
        comes, behind a leading 1). ``aside`` names what only prepares the operation in hand."""
        with torch.no_grad():
            value = operation.run(*(self._values[operand.step] for operand in operands))
        inputs = tuple(self._as_layer(operand.step, operation, value.numel()) for operand in operands)
        if self._in_module and isinstance(operation, (Part, Unseen)):
            aside = aside or str(self.operation).split(".")[1]  # the module's name is that of its neurons
        place = f"{self.place}.{aside}" if aside else self.place
        self.steps.append(Step(place, operation, inputs, tuple(value.shape[1:])))
        self._values.append(value)
        self._taps.append(self._count_taps(operation, inputs))
        found = Traced(len(self.steps) - 1, tuple(value.shape), value.dtype)
        return found if shape is None else found.viewed(shape)

    def _as_layer(self, step: int, operation: Operation, size: int) -> int:
        """The step to read: sums of many neurons that an operation would copy too often make a layer."""
        copies = isinstance(operation, Part) and operation.copies
        if not copies or self._taps[step] == 1 or self._taps[step] * size <= MOST:
            return step
        if step not in self._layers:
            before = self.steps[step]
            self.steps.append(Step(f"{before.place}.pooled", Identity(), (step,), before.shape))
            self._values.append(self._values[step])
            self._taps.append(1)
            self._layers[step] = len(self.steps) - 1
        return self._layers[step]

    def _count_taps(self, operation: Operation, inputs: tuple[int, ...]) -> int:
        """How many neurons stand behind an element of a step's result, at most."""
        if not isinstance(operation, Part):
            return 1
        return operation.taps * max((self._taps[i] for i in inputs), default=1)

    def shape_of(self, x: Traced) -> Shape:
        """The shape of the step behind a tensor."""
        return self.steps[x.step].shape

    def shaped(self, x: Traced, shape: Shape) -> Traced:
        """The same tensor from a step that has ``shape`` for one image."""
        if self.shape_of(x) == tuple(shape):
            return x
        return self.emit(reshape(tuple(shape)), x, shape=x.shape, aside="reshape")

    def standing(self, x: Traced) -> Traced:
        """The same tensor from a step that has its own shape, a leading 1 left out."""
        return self.shaped(x, x.inner)

    def made_by(self, x: Traced) -> Operation:
        """The operation behind a tensor, reshaping apart."""
        step = self.steps[x.step]
        while is_reshape(step.operation):
            step = self.steps[step.inputs[0]]
        return step.operation

    def refuse(self, why: str) -> Any:
        """Raise UnsupportedOperation for the operation in hand."""
        raise UnsupportedOperation(f"{self.place} {why}")

    def unknown(self, why: str = "is an operation that graphpath cannot take apart") -> Any:
        """The result of the operation in hand as one of which only the value is known."""
        return self.opaque(
            _with(self.operation, self.keywords), self.arguments, self.result, f"({self.operation}) {why}"
        )

    def opaque_places(self, x: Traced) -> Any:
        """The second result of the operation in hand: the places of what it chose of x."""
        why = f"{self.place} ({self.operation}) gives places, through which nothing flows"
        function = _with(self.operation, self.keywords)
        return self._opaque_part(function, self.arguments, [x], self.result[1], 1, why)

    def opaque(
        self, function: Callable[..., Any], args: Any, result: Any, why: str, limits: bool = False
    ) -> Any:
        """A result of which only the value is known: refused only if anything flows through it.

        ``function`` computes it from ``args``, ``result`` is what it gives (tensors or a tuple of them).
        """
        traced = list_leaves(args, Traced)
        if isinstance(result, (tuple, list)):
            return tuple(
                self._opaque_part(function, args, traced, part, number, why)
                for number, part in enumerate(result)
            )
        return self._opaque_part(function, args, traced, result, None, why, limits)

    def _opaque_part(
        self,
        function: Callable[..., Any],
        args: Any,
        traced: list[Traced],
        result: Any,
        part: int | None,
        why: str,
        limits: bool = False,
    ) -> Any:
        if not isinstance(result, Tensor):
            return result
        if any(not isinstance(size, int) for size in result.shape):
            self.refuse(
                f"({self.operation}) gives a tensor whose size the image decides upon, so that it is another "
                "network for every image: keep the size and set what is left out to 0 (torch.where)"
            )

        def of_one(*operands: Tensor) -> Tensor:
            given = iter(zip(operands, traced, strict=True))

            def filled(leaf: Any) -> Any:
                if not isinstance(leaf, Traced):
                    return leaf
                operand, like = next(given)
                return operand.reshape(like.shape)

            found = function(*map_aggregate(args, filled))
            value: Tensor = found if part is None else found[part]
            return value.reshape(inner(tuple(result.shape)))

        aside = "pattern" if limits else ""
        return self.emit(
            Opaque(of_one, f"{self.place} {why}", limits), *traced, shape=result.shape, aside=aside
        )

    # --- the walk ---------------------------------------------------------------------

    def walk(self, output: Any) -> Program:
        """The program whose logits are ``output``, a node of the graph."""
        given = {**self._captured.state, self._captured.image: self.image}
        found = self._walked(self._captured.graph, given, _needed(output))[output]
        if not isinstance(found, Traced):
            self.place = "the network's output"
            self.refuse("does not depend on the image: nothing leads from pixels to it")
        logits = self._logits(found).step
        return Program(tuple(self.steps), logits)

    def _logits(self, found: Traced) -> Traced:
        self.place = "the network's output"
        classes = [size for size in found.shape if size != 1]
        if len(classes) > 1 or (found.shape and found.shape[0] != 1 and len(found.shape) > 1):
            self.refuse(
                f"has the shape {found.shape} for one image; expected logits of shape (1, classes): "
                "give a module around it that returns them"
            )
        return self.shaped(found, (found.numel,))

    def _walked(
        self, graph: torch.fx.Graph, given: dict[str, Any], needed: set[torch.fx.Node] | None = None
    ) -> dict[torch.fx.Node, Any]:
        """The values of a graph's nodes; ``given`` has those of its placeholders by name.

        Only ``needed`` nodes are gone over (None: all): what the output does not need is not refused either.
        """
        values: dict[torch.fx.Node, Any] = {}
        for node in graph.nodes:
            if needed is not None and node not in needed:
                continue
            if node.op == "placeholder":
                values[node] = given.get(node.name)
            elif node.op == "call_function":
                values[node] = self._called(node, values)
            elif node.op == "get_attr":
                values[node] = self._captured.submodules.get(str(node.target))
        return values

    def _called(self, node: torch.fx.Node, values: dict[torch.fx.Node, Any]) -> Any:
        def resolved(leaf: Any) -> Any:
            return values[leaf] if isinstance(leaf, torch.fx.Node) else leaf

        self.place, self._in_module = place_of(node, self._captured.prefix)
        args = map_aggregate(node.args, resolved)
        kwargs = map_aggregate(node.kwargs, resolved)
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            return self._inlined(node, args)
        if not isinstance(node.target, torch._ops.OpOverload):
            return _plain(node.target, args, kwargs)
        self._refuse_chance(node, args)
        if not holds_traced((args, kwargs)):
            return self._constant(node, args, kwargs)
        return self._ruled(node, args, kwargs)

    def _refuse_chance(self, node: torch.fx.Node, args: Any) -> None:
        tags = node.target.tags  # type: ignore[union-attr]
        if torch.Tag.nondeterministic_seeded not in tags or _drops_nothing(node, args):
            return
        self.refuse(
            "is random even in evaluation mode: pass training=self.training to functions that drop, and make "
            "what is drawn a buffer"
        )

    def _constant(self, node: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        """What the network computes from parameters and numbers alone."""
        if "device" in kwargs:
            kwargs = {**kwargs, "device": self.device}
        if kwargs.get("dtype") in UNSIGNED:
            kwargs = {**kwargs, "dtype": torch.int64}
        try:
            with torch.no_grad():
                return node.target(*args, **kwargs)  # type: ignore[operator]
        except RuntimeError as error:
            self.refuse(
                f"({node.target}) cannot be computed from the parameters: {in_one_line(error)}. Make its "
                "result a buffer"
            )

    def _ruled(self, node: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        self.operation, self.result = node.target, node.meta.get("val")
        self.arguments, self.keywords = args, kwargs
        rule = self._rule_for(node.target)
        if rule is None:
            return self.unknown()
        try:
            found = rule(self, *args, **kwargs)
        except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
            raise UnsupportedOperation(
                f"{self.place} ({node.target}) is an operation that graphpath cannot take apart as it is "
                f"called: {in_one_line(error)}. Write it with other operations, and please report it"
            ) from error
        return found

    def _inlined(self, node: torch.fx.Node, args: Any) -> Any:
        """A part of the graph that runs under another mode (no_grad): its values."""
        part = next((value for value in args if isinstance(value, torch.fx.GraphModule)), None)
        if part is None:
            self.refuse(
                f"({node.target}) is control flow that graphpath cannot take apart: trace one side alone"
            )
            raise AssertionError
        inputs = args[args.index(part) + 1 :]
        names = [inner.name for inner in part.graph.nodes if inner.op == "placeholder"]
        values = self._walked(part.graph, dict(zip(names, inputs, strict=True)))
        returned = next(inner for inner in part.graph.nodes if inner.op == "output").args[0]
        return map_aggregate(
            returned, lambda leaf: values.get(leaf, leaf) if isinstance(leaf, torch.fx.Node) else leaf
        )


def _needed(output: torch.fx.Node) -> set[torch.fx.Node]:
    """The nodes that a node's value is made from, itself, and the checks of the graph with theirs."""
    waiting = [output, *(node for node in output.graph.nodes if _gives_nothing(node.target))]
    found = set(waiting)
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _gives_nothing(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and not target._schema.returns


def holds_traced(value: Any) -> bool:
    """Whether an argument holds a tensor that depends on the image, however deep."""
    return bool(list_leaves(value, Traced))


def list_leaves(value: Any, kind: type[_Leaf]) -> list[_Leaf]:
    """The leaves of one kind that an argument holds, however deep, in their order."""
    found: list[_Leaf] = []
    map_aggregate(value, lambda leaf: found.append(leaf) if isinstance(leaf, kind) else None)
    return found


def _with(function: Any, kwargs: Any) -> Callable[..., Any]:
    return lambda *args: function(*args, **kwargs)


def _plain(function: Any, args: Any, kwargs: Any) -> Any:
    """A Python function: an element of a tuple, arithmetic with sizes, a change of autograd's mode."""
    if function is torch._C._set_grad_enabled:
        return None
    return function(*args, **kwargs)


def _drops_nothing(node: torch.fx.Node, args: Any) -> bool:
    """Whether an operation that can be random is not, as it is called: dropout when not training."""
    arguments = node.target._schema.arguments  # type: ignore[union-attr]
    given = {one.name: one.default_value for one in arguments}
    given |= {one.name: value for one, value in zip(arguments, args, strict=False)} | dict(node.kwargs)
    for name in ("train", "training", "dropout_p"):
        if name in given:
            return not given[name]
    return False
