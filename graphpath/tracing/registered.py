"""The methods by name: graphpath's own, and those that other packages register (:mod:`graphpath.plugins`).

Another package's method is imported and checked when it is first asked for. One that cannot be used is
refused by a sentence that names its package; all others work.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Literal, get_origin, get_type_hints

from graphpath.errors import GraphpathError, MethodError
from graphpath.plugins import METHODS, find_owner, find_registered, format_owner
from graphpath.tracing.batch import Selection
from graphpath.tracing.maps import MapSelection
from graphpath.tracing.options import list_types

if TYPE_CHECKING:
    from graphpath.tracing.registry import Method, TracingMethod

_SIMPLE = (float, int, str, bool, type(None))


class Methods(Mapping[str, "TracingMethod"]):
    """Name to method. What is refused of other packages' is not in it: ``refused`` says why."""

    def __init__(self, own: Mapping[str, TracingMethod]) -> None:
        self._own = own
        self._loaded: dict[str, TracingMethod | MethodError] = {}

    def __getitem__(self, name: str) -> TracingMethod:
        if name in self._own:
            return self._own[name]
        found = self._find_other(name)
        if found is None or isinstance(found, MethodError):
            raise KeyError(name) from found
        return found

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in self._points if name not in self._own and name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Methods({', '.join(self)})"

    @property
    def refused(self) -> dict[str, str]:
        """Other packages' methods that cannot be used: by name, a sentence that says why."""
        found = {name: self._find_other(name) for name in self._points}
        return {name: str(why) for name, why in found.items() if isinstance(why, MethodError)}

    def find(self, name: str) -> TracingMethod:
        """The method called ``name``.

        Raises:
            MethodError: there is none, or another package registers one of this name that cannot be used.
        """
        if isinstance(why := self._find_other(name), MethodError):
            raise MethodError(str(why)) from why.__cause__
        if name not in self:
            raise MethodError(f"There is no method {name!r}; there are {', '.join(self)}.")
        return self[name]

    @cached_property
    def _points(self) -> dict[str, list[EntryPoint]]:
        return find_registered(METHODS)

    def _find_other(self, name: str) -> TracingMethod | MethodError | None:
        """What other packages register under ``name``: a method, why it is refused, or nothing."""
        if name not in self._loaded and name in self._points:
            try:
                self._loaded[name] = _load(name, self._points[name], self._own)
            except MethodError as error:
                self._loaded[name] = error
        return self._loaded.get(name)


def _load(name: str, points: list[EntryPoint], own: Mapping[str, object]) -> TracingMethod:
    packages = " and ".join(format_owner(find_owner(point)) for point in points)
    if name in own:
        raise MethodError(
            f"Method {name!r} is graphpath's own, and {packages} registers another of this name: uninstall "
            "that package, or ask its authors for another name."
        )
    if len(points) > 1:
        raise MethodError(f"Method {name!r} is registered by {packages}: uninstall all of them but one.")
    whose = f"Method {name!r} of {packages}"
    method: Method[Any] = replace(_make(name, points[0], whose), distribution=find_owner(points[0]))
    _check(method, whose)
    return _guard_all(method, whose)


def _make(name: str, point: EntryPoint, whose: str) -> Method[Any]:
    """The method that an entry point names: it names the method itself, or a function that returns it."""
    from graphpath.tracing.registry import Method

    try:
        found = point.load()
        found = found if isinstance(found, Method) or not callable(found) else found()
    except (Exception, SystemExit) as error:  # a module that exits would end graphpath without a word
        raise MethodError(
            f"{whose} cannot be had: {point.value} ended in {type(error).__name__}: {error}. Mend or "
            "uninstall that package; other methods work."
        ) from error
    if not isinstance(found, Method):
        raise MethodError(
            f"{whose} cannot be had: {point.value} gives a {type(found).__name__}; expected a "
            "graphpath.Method, or a function without arguments that returns one."
        )
    if found.name != name:
        raise MethodError(f"{whose} cannot be had: it calls itself {found.name!r}; both names must be one.")
    return found


def _check(method: Method[Any], whose: str) -> None:
    """Refuse a method whose options cannot be read from its signature as ours can."""
    try:
        types = get_type_hints(method.select)
        parameters = inspect.signature(method.select).parameters.values()
    except (NameError, TypeError, ValueError, AttributeError) as error:
        raise MethodError(
            f"{whose} cannot be had: its select has no readable signature ({error})."
        ) from error
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and (fault := _describe_fault(one, types, method)):
            raise MethodError(f"{whose} cannot be had: its option {one.name} {fault}.")


def _describe_fault(option: inspect.Parameter, types: Mapping[str, Any], method: Method[Any]) -> str:
    from graphpath.tracing.tracer import trace

    if option.name in inspect.signature(trace).parameters:
        return "has the name of an argument of graphpath.trace"
    if option.default is option.empty:
        return "has no default"
    if option.name in method.readers:
        return ""
    if option.name not in types:
        return "has no type"
    if any(
        kind not in _SIMPLE and get_origin(kind) is not Literal for kind in list_types(types[option.name])
    ):
        return f"has the type {types[option.name]}; expected float, int, str, bool, None, Literal or a union"
    return ""


def _guard_all(method: Method[Any], whose: str) -> Method[Any]:
    """The method, whose failures and wrong results name the package that it is from."""
    return replace(
        method,
        select=_guard(method.select, whose, _describe_selection),
        prepare=method.prepare and _guard(method.prepare, whose, _describe_extractor),
        fit=method.fit and _guard(method.fit, whose, _describe_fit),
    )


def _guard(call: Callable[..., Any], whose: str, describe: Callable[[object], str]) -> Callable[..., Any]:
    """``call``, refused by a sentence where it fails, or where ``describe`` finds a fault in its result."""

    @functools.wraps(call)
    def guarded(*given: Any, **options: Any) -> Any:
        try:
            found = call(*given, **options)
            fault = describe(found)
        except GraphpathError:
            raise
        except (Exception, SystemExit) as error:
            raise MethodError(f"{whose} failed: {type(error).__name__}: {error}.") from error
        if fault:
            raise MethodError(f"{whose} {fault}.")
        return found

    return guarded


def _describe_selection(found: object) -> str:
    if isinstance(found, Selection | MapSelection):
        return ""
    return f"selected a {type(found).__name__}; expected a Selection"


def _describe_extractor(found: object) -> str:
    if missing := [name for name in ("each", "notes", "memory", "extract") if not hasattr(found, name)]:
        return f"prepared a {type(found).__name__} without {', '.join(missing)}; expected an Extractor"
    return ""


def _describe_fit(found: object) -> str:
    try:
        json.dumps(found)
    except (TypeError, ValueError) as error:
        return f"learned what JSON cannot hold ({error})"
    return ""
