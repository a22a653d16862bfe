"""The one place where the command line speaks: plain text, nothing that a terminal obeys.

Names of files, classes and layers, answers and errors are other people's text. They hold no markup, no emoji
and no escape sequence here, whatever they look like.
"""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from graphpath.printable import printable


def say(text: object = "", *, err: bool = False) -> None:
    """Print ``text``, which may have several lines, on stdout or stderr."""
    typer.echo(printable(text, lines=True), err=err)


class _Plain(Console):
    """A console that raises when the reader of a pipe has gone, as a file does."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled: rich's own ends the process with status 1."""
        raise


def make_console(*, stderr: bool = False, width: int | None = None, soft_wrap: bool = True) -> Console:
    """A terminal that takes no text for markup or an emoji; styles come with :func:`join_styled`."""
    return _Plain(stderr=stderr, width=width, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False)


def join_styled(*parts: str | tuple[str, str]) -> Text:
    """Pieces of text in a row, some as (text, style)."""
    return Text.assemble(*(_escape(part) for part in parts))


def _escape(part: str | tuple[str, str]) -> str | tuple[str, str]:
    if isinstance(part, str):
        return printable(part, lines=True)
    return printable(part[0], lines=True), part[1]
