"""Reuse of a fit: what a method learned from the images of a finished trace, for other images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphpath.errors import MethodError
from graphpath.models import LoadedModel
from graphpath.record import Trace
from graphpath.tracing.registry import Method


def open_fit(
    trace: Trace | str | Path, method: Method[Any], options: Mapping[str, Any], model: LoadedModel
) -> Trace:
    """``trace``, opened, if its fit can be used by ``method`` with ``options`` on ``model``.

    Raises:
        MethodError: it learned nothing, or was made by another method, other options or another model.
        RecordError: it cannot be opened.
    """
    found = trace if isinstance(trace, Trace) else Trace(trace)
    given = found.run.get("parameters", {})
    for what, theirs, ours in (
        ("the method", found.run.get("method"), method.name),
        ("the model", found.run.get("model", {}).get("sha256"), model.sha256),
        *((f"the option {name}", given.get(name), value) for name, value in options.items()),
    ):
        if theirs != ours:
            raise MethodError(f"fitted_on={str(found.path)!r}: {what} is {theirs!r} there and {ours!r} here.")
    if not found.run.get("fitted"):
        raise MethodError(
            f"fitted_on={str(found.path)!r}: method {method.name!r} learned nothing there; leave it out."
        )
    return found
