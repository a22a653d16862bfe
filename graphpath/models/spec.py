"""What ``--model`` says, taken apart: a place, a name in it, and literal arguments. Nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphpath.errors import ModelError

TIMM = "timm"
WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".tar")
"""How files of weights are called."""

_HEAD = re.compile(r"(?P<head>[^(]*)(?P<call>\(.*)?", re.DOTALL)
_FILE = re.compile(r"(?P<place>.+?\.py):(?P<rest>.*)", re.DOTALL)
_LITERALS = "numbers, strings in quotes, True, False, None, and lists, tuples, sets and dicts of these"


@dataclass(frozen=True)
class Arguments:
    """What is given in parentheses; ``given`` tells ``Net()`` from ``Net``."""

    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    given: bool = False


@dataclass(frozen=True)
class Named:
    """A network that torchvision or timm knows by name."""

    name: str
    arguments: Arguments
    timm: bool = False


@dataclass(frozen=True)
class Member:
    """A class, function or network of a Python file or module: ``place:name(arguments)``."""

    text: str
    place: str | Path
    """A dotted module, or the path of a file."""
    name: str
    arguments: Arguments
    title: str
    """What was asked for, without the folders of the file."""


@dataclass(frozen=True)
class Stored:
    """A checkpoint."""

    path: Path


Spec = Named | Member | Stored


def parse_spec(text: str) -> Spec:
    """What ``text`` names. Raises ModelError where it is none of the forms.

    A file that exists, and a name that ends as files of weights do, is a checkpoint, whatever else it may
    look like.
    """
    path = Path(text)
    text = text if _is_file(path) else text.strip()
    if not text:
        raise ModelError("No model is named; expected a name such as resnet18, a file, or module:function")
    if "://" in text.partition("(")[0]:
        raise ModelError(
            f"{text}: an address; fetch the file and name that, nothing is downloaded from there"
        )
    path = Path(text)
    if path.suffix != ".py" and (_is_file(path) or path.suffix in WEIGHTS):
        return Stored(path)
    if path.suffix == ".py":
        raise ModelError(_explain_bare(text, path))
    if found := _FILE.fullmatch(text):
        name, arguments = _split_call(text, found["rest"])
        place = Path(found["place"])
        title = f"{place.name}:{found['rest'].strip()}"
        return Member(text, place, _check_name(text, name), arguments, title)
    head, arguments = _split_call(text, text)
    module, colon, name = head.partition(":")
    if not colon:
        return Named(head.strip(), arguments)
    if module == TIMM:
        return Named(name.strip(), arguments, timm=True)
    return Member(text, _check_place(text, module), _check_name(text, name), arguments, text.strip())


def parse_arguments(text: str, whole: str) -> Arguments:
    """The arguments of a call, ``(3, width=16)``, each a literal; ``whole`` is spoken of.

    Raises ModelError where they are no call's, or one is no literal.
    """
    if "\0" in text:
        raise ModelError(f"{whole}: its arguments {text!r} are not what Python takes for some")
    try:
        call = ast.parse(f"f{text}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise ModelError(f"{whole}: the arguments {text} cannot be read ({reason})") from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ModelError(f"{whole}: expected one pair of parentheses with arguments at its end, got {text}")
    if any(isinstance(one, ast.Starred) for one in call.args) or any(k.arg is None for k in call.keywords):
        raise ModelError(f"{whole}: arguments with * or ** are not taken; write them one by one")
    names = [one.arg for one in call.keywords]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ModelError(f"{whole}: the argument {twice} is given twice")
    positional = tuple(_read_literal(one, whole, str(k)) for k, one in enumerate(call.args, start=1))
    named = {str(one.arg): _read_literal(one.value, whole, str(one.arg)) for one in call.keywords}
    return Arguments(positional, named, given=True)


def _read_literal(node: ast.expr, whole: str, which: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        shown = ast.unparse(node) if not isinstance(error, RecursionError | MemoryError) else "what it has"
        quoted = f" (a string? then {shown!r})" if isinstance(node, ast.Name) else ""
        raise ModelError(
            f"{whole}: the argument {which} is {shown}, which is no literal{quoted}; expected {_LITERALS}. "
            "For anything else write a function that makes the network, and name it instead"
        ) from error


def _split_call(whole: str, text: str) -> tuple[str, Arguments]:
    """What stands before the first parenthesis, and the arguments from there on."""
    found = _HEAD.fullmatch(text)
    head, call = (found["head"], found["call"]) if found else (text, None)
    return head, Arguments() if call is None else parse_arguments(call.rstrip(), whole)


def _is_file(path: Path) -> bool:
    """Whether it is one; a name that no file can have is none."""
    try:
        return path.expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _check_place(whole: str, place: str) -> str | Path:
    """A dotted module, or the folder of a package."""
    folder = Path(place)
    if folder.suffix == ".ipynb":
        raise ModelError(f"{whole}: {place} is a notebook; save its code as a .py file and name that")
    if all(part.isidentifier() for part in place.split(".")):
        return place
    if _is_file(folder / "__init__.py"):
        return folder
    if folder.name and _is_file(folder.with_name(f"{folder.name}.py")):
        raise ModelError(f"{whole}: {place} is no module; did you mean the file {place}.py:...?")
    raise ModelError(
        f"{whole}: expected module:function, such as mypackage.nets:make, or a file's, such as nets.py:Net"
    )


def _check_name(whole: str, name: str) -> str:
    stripped = name.strip()
    if all(part.isidentifier() for part in stripped.split(".")):
        return stripped
    raise ModelError(
        f"{whole}: {stripped!r} is no name of a class or function; expected module:function, such as "
        "mypackage.nets:make, or a file's, such as nets.py:Net"
    )


def _explain_bare(text: str, path: Path) -> str:
    """What to write instead of a file alone. Its text is read, not run."""
    try:
        tree = ast.parse(path.expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"{text}: no such file"
    except (OSError, SyntaxError, ValueError, RuntimeError):
        return f"{text}: say which network of the file: {path.name}:Net, or {path.name}:function"
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    known = [f"{text}:{name}" for name in names if not name.startswith("_")]
    if not known:
        return f"{text}: the file defines no class and no function; expected FILE.py:NAME"
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    return f"{text}: say which network of the file, such as {', '.join(known[:3])}{more}"
