"""How far a piece of work is: the one callback that everything long takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Protocol, cast

from graphpath.errors import GraphpathError


class Progress(Protocol):
    """Called as work goes on."""

    def __call__(self, stage: str, done: int, total: int, /) -> object:
        """``done`` of ``total`` is finished. ``stage`` says in a word or two what is being done."""
        ...


AnyProgress = Progress | Callable[[int, int], object]
"""What callers give: a :class:`Progress`, or what takes (done, total) alone."""


def as_progress(given: AnyProgress | None) -> Progress:
    """``given`` as a :class:`Progress`; without one, what does nothing.

    What needs two arguments is called with (done, total), everything else with all three.
    Raises GraphpathError for what takes neither.
    """
    if given is None:
        return _nothing
    if not (_takes(given, 3) or _takes(given, 2)):
        raise GraphpathError(f"progress={given!r}: expected a function of (stage, done, total).")
    if count_positional(given) != 2:
        return cast("Progress", given)
    counted = cast("Callable[[int, int], object]", given)
    return lambda stage, done, total: counted(done, total)


def count_positional(call: Callable[..., object]) -> int | None:
    """How many arguments ``call`` needs by position; None where it takes any number, or does not say."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # one written in C
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in kinds and one.default is one.empty for one in parameters)


def _takes(call: object, count: int) -> bool:
    """Whether ``call`` can be called with so many arguments, as far as it says."""
    if not callable(call):
        return False
    try:
        inspect.signature(call).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # one written in C
        return True
    return True


def _nothing(stage: str, done: int, total: int, /) -> None:
    """Nobody watches."""
