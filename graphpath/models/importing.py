"""Python code that a user names, imported: a module, or a file with what lies beside it."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from graphpath.errors import ModelError

LONGEST = 300
"""Characters of somebody else's message that are repeated."""

_PREFIX = "_graphpath_user_"
_brought: dict[str, ModuleType] = {}
"""Modules beside files that were imported before: another file's neighbours may have the same names."""


def find_member(place: str | Path, name: str, whole: str) -> Any:
    """What is called ``name`` (dotted) in the module or file ``place``; ``whole`` is spoken of.

    What the code prints goes to stderr. Raises ModelError where there is no such place or name, or where the
    code fails.
    """
    found: Any = import_file(place, whole) if isinstance(place, Path) else import_module(place, whole)
    title = place.name if isinstance(place, Path) else f"module {place}"
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise ModelError(f"{whole}: {title} has no {name}{_suggest(part, found)}") from error
    return found


def import_module(place: str, whole: str) -> ModuleType:
    """The module, of the current folder or of an installed package."""
    try:
        with searching(Path.cwd()), running(whole, f"importing {place}"):
            return importlib.import_module(place)
    except ModelError as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing is None or not f"{place}.".startswith(f"{missing}."):
            raise
        raise ModelError(f"{whole}: there is no module {place}, here or among the installed ones") from error


def import_file(path: Path, whole: str) -> ModuleType:
    """The file as a module of its folder, so that it may import its neighbours, relatively too."""
    file = path.expanduser().resolve()
    file = file / "__init__.py" if file.is_dir() else file
    if not file.is_file():
        raise ModelError(f"{whole}: there is no file {path}{_suggest_file(file)}")
    root = _find_root(file.parent)
    top = root if (root / "__init__.py").is_file() else None
    _forget_neighbours()
    before = set(sys.modules)
    search = file.parent if top is None else root.parent
    try:
        with searching(search), running(whole, f"importing {path.name}", file):
            return _execute(file, root)
    finally:
        _remember_neighbours(before, search)


def _execute(file: Path, root: Path) -> ModuleType:
    """A fresh module of ``file``; its packages, from ``root`` on, have names that nothing else has."""
    own = f"{_PREFIX}{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
    for name in [name for name in sys.modules if name == own or name.startswith(f"{own}.")]:
        del sys.modules[name]
    package = _import_package(own, root)
    for part in file.parent.relative_to(root).parts:
        own = f"{own}.{part}"
        package = _import_package(own, Path(package.__path__[0]) / part)
    if file.name == "__init__.py":
        return package
    return _run_file(f"{own}.{file.stem.replace('.', '_')}", file)


def _import_package(name: str, folder: Path) -> ModuleType:
    """A package, or where the folder is none an empty module that finds what lies in it."""
    start = folder / "__init__.py"
    if start.is_file():
        return _run_file(name, start, [str(folder)])
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
    return package


def _run_file(name: str, file: Path, search: list[str] | None = None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ModelError(f"{file}: not a file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and such look themselves up while the file runs
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _find_root(folder: Path) -> Path:
    """The folder of the outermost package that ``folder`` belongs to; itself where it is none."""
    root = folder
    while (root / "__init__.py").is_file() and (root.parent / "__init__.py").is_file():
        root = root.parent
    return root


def _forget_neighbours() -> None:
    """Other files' neighbours make room; networks that use them keep them."""
    for name, module in _brought.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _brought.clear()


def _remember_neighbours(before: set[str], folder: Path) -> None:
    """Keep in mind what was imported from ``folder`` itself; packages installed somewhere below it stay."""
    for name in set(sys.modules) - before:
        top = name.partition(".")[0]
        place = getattr(sys.modules[name], "__file__", None) or ""
        if place == str(folder / f"{top}.py") or Path(place).is_relative_to(folder / top):
            _brought[name] = sys.modules[name]


# ---- running somebody's code -------------------------------------------------------------------------


@contextmanager
def searching(folder: Path) -> Iterator[None]:
    """``folder`` is searched first for modules, and last from then on: a forward pass may import too."""
    place = str(folder)
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(place)
        if place not in sys.path:
            sys.path.append(place)


@contextmanager
def running(whole: str, what: str, file: Path | None = None) -> Iterator[None]:
    """The user's own code runs: what it prints goes to stderr, what it raises becomes a ModelError.

    ``what`` is being done, for ``whole``; where it fails in ``file``, the line is named.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr), _keep_settings():
            yield
    except ModelError:
        raise
    except SystemExit as error:
        raise ModelError(
            f"{whole}: {what} ended the program (sys.exit, or a parser of arguments); put what is not for "
            'imports under if __name__ == "__main__":'
        ) from error
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{whole}: {what} failed: it needs {error.name or error}, which is not installed here; install "
            f"the package that has it{_find_line(error, file)}"
        ) from error
    except Exception as error:
        said = shorten(str(error))
        kind = type(error).__name__
        raise ModelError(
            f"{whole}: {what} failed with {kind}{': ' if said else ''}{said}{_find_line(error, file)}"
        ) from error


@contextmanager
def _keep_settings() -> Iterator[None]:
    """What scripts set for the whole process, and the current folder, are put back."""
    folder, dtype, gradients = Path.cwd(), torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        os.chdir(folder)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


def shorten(message: str) -> str:
    """Somebody else's message in one line of some length."""
    text = " ".join(message.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _find_line(error: BaseException, file: Path | None) -> str:
    """Where in the user's files ``error`` came from, as far as that is known."""
    if isinstance(error, SyntaxError) and error.lineno:
        return ""  # its message has it
    if file is None:
        return ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == file.parent]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _suggest(part: str, found: object) -> str:
    """What else there is: names like it, else the first public ones."""
    own = [name for name in dir(found) if not name.startswith("_")]
    if close := difflib.get_close_matches(part, own, n=3):
        return f"; did you mean {' or '.join(close)}?"
    module = getattr(found, "__name__", None)
    made = [name for name in own if getattr(getattr(found, name, None), "__module__", "") == module]
    return f"; it defines {', '.join(made[:5])}" if made else ""


def _suggest_file(file: Path) -> str:
    try:
        others = [one.name for one in file.parent.glob("*.py")]
    except OSError:
        others = []
    close = difflib.get_close_matches(file.name, others, n=1)
    return f"; did you mean {close[0]}?" if close else ""
