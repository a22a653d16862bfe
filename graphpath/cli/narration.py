"""The demo's story on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from graphpath.cli.output import show_table
from graphpath.cli.progress import bar

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.demo import Told
    from graphpath.demo.told import Count


class Narration:
    """Each step with its time, each question with its answer, each table with its command."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    @contextmanager
    def step(self, title: str, unit: str) -> Iterator[Count]:
        self._console.print(f"[bold]{escape(title)}[/]")
        self._began = time.monotonic()
        with bar("", unit=unit) as shown:
            yield shown.to

    def done(self, words: str) -> None:
        seconds = time.monotonic() - self._began
        self._console.print(f"  {escape(words)} [dim]({seconds:.1f} s)[/]")

    def question(self, number: int, question: str, answer: str) -> None:
        self._console.print(f"\n[bold cyan]{number}. {escape(question)}[/]\n{escape(answer)}\n")

    def table(self, frame: pd.DataFrame, command: str) -> None:
        self._console.print(f"[dim]$ {escape(command)}[/]")
        show_table(frame)


if TYPE_CHECKING:
    _: Told = Narration()
