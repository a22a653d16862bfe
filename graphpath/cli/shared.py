"""Options that several verbs take together: one value object, one place where they are declared."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

REQUIRED = inspect.Parameter.empty
Verb = Callable[..., None]
Options = Mapping[str, tuple[Any, Any]]
"""Name to (the type that typer reads, the default)."""


def replace_parameter(name: str, options: Options, make: Callable[..., Any]) -> Callable[[Verb], Verb]:
    """A decorator: the verb's parameter ``name`` becomes ``options`` on the command line.

    The verb is called with ``name=make(**values)``, the values being those of the options.
    """

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def run(**given: Any) -> None:
            values = {option: given.pop(option) for option in options}
            verb(**{name: make(**values)}, **given)

        signature = inspect.Signature(list(_merge_parameters(verb, name, options)))
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
        return run

    return decorate


def _merge_parameters(verb: Verb, name: str, options: Options) -> list[inspect.Parameter]:
    """Those of ``verb``; the required options stand where ``name`` stood, the others at the end.

    All are by keyword, as typer calls.
    """
    hints = get_type_hints(verb, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(option, keyword, default=default, annotation=kind)
        for option, (kind, default) in options.items()
    ]
    made: list[inspect.Parameter] = []
    for one in inspect.signature(verb).parameters.values():
        if one.name == name:
            made += [option for option in added if option.default is REQUIRED]
        else:
            made.append(one.replace(kind=keyword, annotation=hints[one.name]))
    return made + [option for option in added if option.default is not REQUIRED]
