"""What a user's class, function or network comes to: one ``nn.Module`` with weights that are numbers."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from graphpath.errors import ModelError
from graphpath.models.importing import find_member, running
from graphpath.models.loaded import LoadedModel
from graphpath.models.spec import Arguments, Member

Made = nn.Module | LoadedModel


def make_member(spec: Member, seed: int) -> tuple[Made, Any]:
    """The network that ``spec`` gives, initialised by ``seed``, and the class, function or network itself.

    A network that stands in a module is copied, so that weights can be put into it. Raises ModelError.
    """
    with seed_torch(seed):
        found = find_member(spec.place, spec.name, spec.text)
        if isinstance(found, nn.Module | LoadedModel):
            return _copy_network(found, spec), found
        if not callable(found):
            raise ModelError(
                f"{spec.text}: {spec.name} is a {type(found).__name__}, expected a network, or a class or "
                "function that gives one"
            )
        _check_arguments(found, spec.arguments, spec)
        with running(spec.text, "calling it", _find_source(found)):
            made = found(*spec.arguments.positional, **spec.arguments.named)
    return _check_made(made, spec), found


@contextmanager
def seed_torch(seed: int) -> Iterator[None]:
    """Random initialisation that is the same each time and leaves the caller's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def thaw(module: nn.Module) -> nn.Module:
    """``module`` with weights that may be written, where it was made under ``inference_mode``."""
    fresh: dict[int, torch.Tensor] = {}
    for part in module.modules():
        for name, value in [*part._parameters.items(), *part._buffers.items()]:
            if value is None or is_lazy(value) or not value.is_inference():
                continue
            made = fresh.setdefault(id(value), value.clone().detach())
            if isinstance(value, nn.Parameter):
                made = fresh[id(value)] = nn.Parameter(made, requires_grad=made.is_floating_point())
            held = part._parameters if name in part._parameters else part._buffers
            held[name] = made  # type: ignore[assignment]
    return module


def widen(module: nn.Module) -> tuple[nn.Module, str | None]:
    """``module`` in float32 where it is in half precision, and what its weights were; None if all is well."""
    halves = (torch.float16, torch.bfloat16)
    kinds = {value.dtype for value in (*module.parameters(), *module.buffers())}
    if found := sorted(str(kind).removeprefix("torch.") for kind in kinds if kind in halves):
        return module.float(), " and ".join(found)
    return module, None


def _copy_network(found: Made, spec: Member) -> Made:
    if spec.arguments.given:
        kind = type(found.module if isinstance(found, LoadedModel) else found).__name__
        raise ModelError(
            f"{spec.text}: {spec.name} is a network already, a {kind}; leave out the parentheses"
        )
    try:
        return copy.deepcopy(found)
    # Whatever a network holds may refuse to be copied; then it serves itself.
    except Exception:
        return found


def _check_arguments(found: Any, arguments: Arguments, spec: Member) -> None:
    """Refuse arguments that do not fit before anything is run, naming those that there are."""
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # some of C's have none
        return
    try:
        signature.bind(*arguments.positional, **arguments.named)
    except TypeError as error:
        takes = str(signature.replace(return_annotation=inspect.Signature.empty))
        raise ModelError(
            f"{spec.text}: {error}; {spec.name} takes {takes}, given as in "
            f"'{spec.text.partition('(')[0]}(name=value)'"
        ) from error


def _check_made(made: Any, spec: Member) -> Made:
    if isinstance(made, nn.Module | LoadedModel):
        return made
    what = type(made).__name__
    if isinstance(made, type) and issubclass(made, nn.Module):
        what = f"the class {made.__name__}, not a network of it"
    elif isinstance(made, tuple | list) and any(isinstance(one, nn.Module) for one in made):
        what = f"a {what} with a network in it; write a function that returns the network alone"
    raise ModelError(f"{spec.text}: expected it to return a torch.nn.Module, it returned {what}")


def _find_source(found: Any) -> Path | None:
    try:
        return Path(inspect.getsourcefile(found) or "").resolve()
    except (TypeError, OSError):
        return None
