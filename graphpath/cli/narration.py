"""The demo's output on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graphpath.cli.output import show_table
from graphpath.cli.progress import show_bar
from graphpath.cli.say import join_styled, make_console
from graphpath.queries.limits import describe_cut

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.demo import DemoOutput
    from graphpath.progress import Progress


class Narration:
    """Each step with its time, each question with its answer, each table with its command."""

    def __init__(self) -> None:
        self._console = make_console()
        self._began = time.monotonic()

    @contextmanager
    def begin_step(self, title: str, unit: str) -> Iterator[Progress]:
        self._console.print(join_styled((title, "bold")))
        self._began = time.monotonic()
        with show_bar("", unit=unit) as shown:
            yield lambda stage, done, total: shown("", done, total)

    def end_step(self, words: str) -> None:
        seconds = time.monotonic() - self._began
        self._console.print(join_styled(f"  {words} ", (f"({seconds:.1f} s)", "dim")))

    def show_answer(self, number: int, question: str, answer: str) -> None:
        self._console.print(join_styled("\n", (f"{number}. {question}", "bold cyan"), f"\n{answer}\n"))

    def show_table(self, frame: pd.DataFrame, command: str) -> None:
        self._console.print(join_styled((f"$ {command}", "dim")))
        show_table(frame)
        if cut := describe_cut(frame.attrs):
            self._console.print(join_styled((f"{cut}\n", "dim")))


if TYPE_CHECKING:
    _: DemoOutput = Narration()
