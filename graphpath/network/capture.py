"""From an ``nn.Module`` to a graph of ATen operations on one image.

``torch.export`` runs the module's own forward on one image, in evaluation mode, and writes down which ATen
operations it calls: branches on shapes, hooks, optional arguments and parametrizations are resolved by then.
Operations in place become functional. What the dialect has no rule for is decomposed to core ATen.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from graphpath.errors import NetworkError
from graphpath.modules.wrapping import PREFIX, Adapted, name_of
from graphpath.network.inplace import make_functional
from graphpath.network.normalize import plain_normalize

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")

_EXPORTING = threading.Lock()
"""torch.export changes state of the whole process while it runs."""


@dataclass(frozen=True, eq=False)
class Capture:
    """A module's graph for one image.

    ``state`` gives the tensors that the graph's placeholders stand for (parameters, buffers and constants,
    detached), ``image`` is the placeholder of the image, ``outputs`` the values that the module returns, each
    with its path in what is returned (``""`` where that is one tensor). ``prefix`` stands before the names of
    all modules that are the user's.
    """

    graph: torch.fx.Graph
    submodules: Mapping[str, torch.fx.GraphModule]
    state: Mapping[str, Tensor]
    image: str
    outputs: tuple[tuple[str, Any], ...]
    prefix: str = ""


def capture(module: nn.Module, image: Tensor, has_rule: Callable[[Any], bool]) -> Capture:
    """The graph of ``module`` (in evaluation mode) for ``image`` (1, ...).

    ``has_rule`` says of an operation whether the dialect has a rule for it. Raises NetworkError where
    torch.export cannot take the module, with its reason.
    """
    with _EXPORTING, warnings.catch_warnings(), _unlogged(), plain_normalize():
        warnings.simplefilter("ignore")
        exported = _export(module, image)
        exported = _decomposed(exported, has_rule)
    found = _captured(exported)
    return replace(found, prefix=PREFIX) if isinstance(module, Adapted) else found


@contextmanager
def _unlogged() -> Iterator[None]:
    """torch logs what it raises, too: a refusal is said once."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _export(module: nn.Module, image: Tensor) -> ExportedProgram:
    try:
        return torch.export.export(module, (image,), strict=False)
    except Exception as error:  # export raises whatever the network's own code raises
        if not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules()):
            raise _refusal(module, image, error) from error
    with _without_hooks(module):  # observers may want numbers, which there are none of yet
        try:
            return torch.export.export(module, (image,), strict=False)
        except Exception as error:
            raise _refusal(module, image, error) from error


@contextmanager
def _without_hooks(module: nn.Module) -> Iterator[None]:
    """The module with no hooks on it: whether they change anything is seen when logits are compared."""
    kept = [(part, name, dict(vars(part)[name])) for part in module.modules() for name in _HOOKS]
    for part, name, _ in kept:
        vars(part)[name].clear()
    try:
        yield
    finally:
        for part, name, hooks in kept:
            vars(part)[name].update(hooks)


def _refusal(module: nn.Module, image: Tensor, error: Exception) -> NetworkError:
    """Why a module could not be exported, in one sentence."""
    name = name_of(module)
    try:
        module(image)
    except TypeError as own:
        return NetworkError(
            f"{name} cannot be called with one batch of images: {in_one_line(own)}. graphpath traces "
            "only networks of one input: wrap it in a module that fills in the others."
        )
    except Exception as own:
        return NetworkError(
            f"{name} cannot take images of shape {_shape_of(module, image)}: {in_one_line(own)}. "
            f"Give it images of the size that it is made for.{_hint(module)}"
        )
    if isinstance(error, GuardOnDataDependentSymNode):
        return NetworkError(
            f"{name} branches on the values of a tensor{_place_in_code(error)}, so that it is another "
            "network for every image: make the choice a torch.where, or trace one side alone."
        )
    return NetworkError(
        f"torch.export cannot take {name}: {in_one_line(error)}. Its forward must stay within PyTorch (no "
        "NumPy, no .item()) on the way to its result."
    )


def _shape_of(module: nn.Module, image: Tensor) -> tuple[int, ...]:
    """The shape of one image, as the network itself is given it."""
    given = module.shape if isinstance(module, Adapted) else None
    return tuple(image.shape[1:]) if given is None else given


def _hint(module: nn.Module) -> str:
    """What may have been meant by inputs (N, C, L)."""
    if not isinstance(module, Adapted) or module.shape is None or len(module.shape) != 2:
        return ""
    return " One image (C, H, W) is given as images[None], grey ones (N, H, W) as images[:, None]."


def _place_in_code(error: Exception) -> str:
    """Where in the user's code an error of export's arose."""
    found = re.findall(r'File "([^"]+)", line (\d+), in \S+\n\s+(.+)', str(error))
    if not found:
        return ""
    file, line, code = found[-1]
    return f" ({Path(file).name}, line {line}: {code.strip()})"


def in_one_line(error: Exception, length: int = 240) -> str:
    """An error's message without line breaks, its beginning where it is long, no full stop at its end."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if len(text) <= length else f"{text[:length]} ..."
    return text.rstrip(".")


def _decomposed(exported: ExportedProgram, has_rule: Callable[[Any], bool]) -> ExportedProgram:
    """Functional, and in operations that have rules where a decomposition leads there."""
    simple = make_functional(exported.graph)
    exported.graph_module.recompile()
    unknown = [node.target for node in _calls(exported) if not has_rule(node.target)]
    if simple and not unknown and not _vmaps(exported.graph):
        return exported
    table = torch.export.default_decompositions()
    for operation in [operation for operation in table if has_rule(operation)]:
        del table[operation]
    found: ExportedProgram = exported.run_decompositions(table)
    return found


def _vmaps(graph: torch.fx.Graph) -> bool:
    """Whether ``torch.vmap`` stands in a graph, which has to be run to be resolved."""
    return any(
        getattr(node.target, "__module__", None) == "torch._functorch.predispatch" for node in graph.nodes
    )


def _calls(exported: ExportedProgram) -> Iterator[torch.fx.Node]:
    """The calls of operations whose result depends on the image."""
    images = set(exported.graph_signature.user_inputs)
    depending: set[torch.fx.Node] = set()
    for node in exported.graph.nodes:
        if node.name in images or depending.intersection(node.all_input_nodes):
            depending.add(node)
            if isinstance(node.target, torch._ops.OpOverload):
                yield node


def _captured(exported: ExportedProgram) -> Capture:
    signature, state, image = exported.graph_signature, {}, ""
    for spec in signature.input_specs:
        name = spec.arg.name
        if spec.kind is InputKind.USER_INPUT:
            image = image or name
        elif spec.target in exported.state_dict:
            state[name] = exported.state_dict[spec.target].detach()
        elif isinstance(constant := exported.constants.get(spec.target or ""), Tensor):
            state[name] = constant.detach()
    values = next(node for node in exported.graph.nodes if node.op == "output").args[0]
    kinds = [spec.kind for spec in signature.output_specs]
    given = [v for v, kind in zip(values, kinds, strict=True) if kind is OutputKind.USER_OUTPUT]
    paths = _paths(exported, len(given))
    submodules = dict(exported.graph_module.named_children())
    return Capture(exported.graph, submodules, state, image, tuple(zip(paths, given, strict=True)))


def _paths(exported: ExportedProgram, count: int) -> list[str]:
    """Where each value stands in what the module returns: ``[0]``, ``['logits']``, ``.logits``."""
    returned = torch.utils._pytree.tree_unflatten(list(range(count)), exported.call_spec.out_spec)
    leaves, _ = torch.utils._pytree.tree_flatten_with_path(returned)
    return [torch.utils._pytree.keystr(path) for path, _ in leaves]
