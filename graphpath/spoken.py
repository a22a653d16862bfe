"""How messages speak of an argument: ``run=`` to Python, ``--run`` on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_command_line: ContextVar[bool] = ContextVar("command_line", default=False)


@contextmanager
def on_command_line() -> Iterator[None]:
    """Within the block, messages name options."""
    before = _command_line.set(True)
    try:
        yield
    finally:
        _command_line.reset(before)


def format_argument(name: str, value: str = "") -> str:
    """The argument ``name``, with a value where one is to be shown."""
    if not _command_line.get():
        return f"{name}={value}"
    return f"--{name.replace('_', '-')} {value}".rstrip()
