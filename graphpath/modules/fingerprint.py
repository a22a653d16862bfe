"""Whether a module is what it was: a digest of all that its forward can see.

Weights and buffers by their bytes; sub-modules, hooks and attributes, however deep; the code of the user's
own functions and classes with their closures, defaults and the globals that they name. Installed packages are
taken to stay as they are: what comes from them counts by name and identity.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import re
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LIMIT = 200_000
"""Values that are read at most: a module that holds a data set is not gone through."""

_PLAIN = (bool, int, float, complex, str, bytes, range, slice, re.Pattern, PurePath, np.generic)
_TORCH = (torch.dtype, torch.device, torch.layout, torch.memory_format)
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class _UnreadableError(Exception):
    """A value whose contents cannot be seen."""


def fingerprint(*values: Any) -> str | None:
    """A digest of modules and what they hold; None where they hold what cannot be read."""
    reader = _Reader()
    try:
        for value in values:
            reader.read(value)
    except (_UnreadableError, RecursionError):
        return None
    return reader.state.hexdigest()


class _Reader:
    """One digest in the making; what was met before counts by the place where it was met."""

    def __init__(self) -> None:
        self.state = hashlib.sha256()
        self._met: dict[int, int] = {}
        self._held: list[Any] = []  # so that no number of an object is given to another meanwhile

    def read(self, value: Any) -> None:
        """Add a value with all that it holds."""
        if value is None or value is Ellipsis or isinstance(value, (*_PLAIN, *_TORCH)):
            return self._add(type(value).__qualname__, repr(value))
        if id(value) in self._met:
            return self._add("met", str(self._met[id(value)]))
        if len(self._held) == LIMIT:
            raise _UnreadableError
        self._met[id(value)] = len(self._held)
        self._held.append(value)
        for kind, read in _READERS:
            if isinstance(value, kind):
                return read(self, value)
        return self.read_object(value)

    def _add(self, *words: str) -> None:
        for word in words:
            self.state.update(f"{len(word)}:{word}".encode("utf-8", "surrogatepass"))

    def _read_attributes(self, value: Any) -> None:
        """What was set on a tensor, or on an object of a class made from a list or dictionary."""
        if own := getattr(value, "__dict__", None):
            self.read_mapping(own)

    def read_tensor(self, tensor: Tensor) -> None:
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type == "meta":
            raise _UnreadableError
        self._add(type(tensor).__qualname__, str(tensor.dtype), str(tensor.device), str(tuple(tensor.shape)))
        data = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
        self.state.update(data.view(torch.uint8).numpy().data)
        self._read_attributes(tensor)

    def read_array(self, array: np.ndarray) -> None:
        if array.dtype.hasobject:
            raise _UnreadableError
        self._add("array", str(array.dtype), str(array.shape))
        self.state.update(np.ascontiguousarray(array).tobytes())

    def read_sequence(self, values: Any) -> None:
        self._add(type(values).__qualname__, str(len(values)))
        for value in values:
            self.read(value)
        self._read_attributes(values)

    def read_set(self, values: Any) -> None:
        self.read_sequence(sorted(values, key=repr))

    def read_mapping(self, values: Mapping[Any, Any]) -> None:
        self._add(type(values).__qualname__, str(len(values)))
        for key, value in list(values.items()):
            self.read(key)
            self.read(value)
        self._read_attributes(values)

    def read_partial(self, value: functools.partial[Any]) -> None:
        self.read_sequence((value.func, value.args, value.keywords))

    def read_method(self, value: MethodType) -> None:
        self.read_sequence((value.__func__, value.__self__))

    def read_wrapped(self, value: Any) -> None:
        """A property, class method or static method of a class."""
        if isinstance(value, property):
            return self.read_sequence((value.fget, value.fset, value.fdel))
        return self.read(value.__func__)

    def read_member(self, value: Enum) -> None:
        self._add(type(value).__qualname__, value.name)

    def read_known(self, value: Any) -> None:
        """What is told apart by name and identity."""
        self._add(type(value).__qualname__, str(getattr(value, "__qualname__", value)), str(id(value)))

    def read_function(self, value: FunctionType) -> None:
        self.read_sequence((value.__defaults__, value.__kwdefaults__))
        for cell in value.__closure__ or ():
            self.read(_contents(cell))
        if _is_installed(value.__code__.co_filename):
            return self.read_known(value)
        for name in self._read_code(value.__code__):
            if name in value.__globals__:
                self._add(name)
                self.read(value.__globals__[name])
        return None

    def _read_code(self, code: CodeType) -> Iterator[str]:
        """Add the code of a function and those within it; gives the globals that it looks up."""
        self._add("code", code.co_code.hex(), *code.co_names, *code.co_varnames)
        looked = (i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
        yield from dict.fromkeys(looked)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from self._read_code(constant)
            else:
                self._add(repr(constant))

    def read_class(self, value: type) -> None:
        self.read_known(value)
        if isinstance(forward := getattr(value, "forward", None), FunctionType):
            self.read(forward)
        if _is_installed(_file_of(value)):
            return
        for base in value.__mro__[1:]:
            self.read(base)
        for name, member in list(vars(value).items()):
            if name not in _OF_CLASSES:
                self._add(name)
                self.read(member)

    def read_object(self, value: Any) -> None:
        """An object of a class of somebody's: its class and its attributes."""
        own, slots = getattr(value, "__dict__", None), _slots(value)
        if own is None and not slots:
            raise _UnreadableError
        self.read(type(value))
        self.read_mapping(own or {})
        self.read_mapping({name: getattr(value, name) for name in slots if hasattr(value, name)})


_OF_CLASSES = {"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__firstlineno__"}

_NAMED = (
    ModuleType,
    BuiltinFunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
    torch._ops.OpOverload,
    torch._ops.OpOverloadPacket,
)

_READERS: tuple[tuple[Any, Callable[[_Reader, Any], None]], ...] = (
    (nn.Module, _Reader.read_object),
    (Tensor, _Reader.read_tensor),
    (np.ndarray, _Reader.read_array),
    (Enum, _Reader.read_member),
    (Mapping, _Reader.read_mapping),
    ((set, frozenset), _Reader.read_set),
    ((list, tuple, deque), _Reader.read_sequence),
    (functools.partial, _Reader.read_partial),
    (MethodType, _Reader.read_method),
    (FunctionType, _Reader.read_function),
    ((property, classmethod, staticmethod), _Reader.read_wrapped),
    (type, _Reader.read_class),
    (_NAMED, _Reader.read_known),
)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _is_installed(file: str) -> bool:
    return file.startswith(_INSTALLED) or file.startswith("<frozen")


def _file_of(value: type) -> str:
    """Where a class is from, "" where that is not known."""
    module = sys.modules.get(value.__module__)
    if value.__module__ == "builtins":
        return _INSTALLED[0]
    return getattr(module, "__file__", None) or ""


def _slots(value: Any) -> list[str]:
    found: list[str] = []
    for kind in type(value).__mro__:
        names = vars(kind).get("__slots__", ())
        found += [names] if isinstance(names, str) else list(names)
    return [name for name in found if name not in ("__dict__", "__weakref__")]
