"""Progress bars with rate and time left, on stderr; none where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from graphpath.printable import printable


class _Rate(ProgressColumn):
    """Units per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s", style="progress.data.speed")


@dataclass
class Bar:
    """One bar, as a :class:`graphpath.progress.Progress`."""

    shown: RichProgress
    task: TaskID
    words: Sequence[str] = ()

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Move to ``done`` of ``total``. With the first step, the bar's words are said."""
        for line in self.words:
            text = printable(line, lines=True)
            self.shown.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
        self.words = ()
        self.shown.update(self.task, completed=done, total=total, description=printable(stage))


@contextmanager
def show_bar(
    title: str, unit: str = "images", silent: bool = False, words: Sequence[str] = ()
) -> Iterator[Bar]:
    """A bar that is removed when the block ends; none if ``silent``.

    ``words`` are said on stderr when the work has begun, not where it is refused.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeElapsedColumn(),
        TextColumn("left", markup=False),
        TimeRemainingColumn(),
    )
    disabled = silent or not console.is_terminal
    with RichProgress(*columns, console=console, transient=True, disable=disabled) as progress:
        yield Bar(progress, progress.add_task(printable(title), total=None), () if silent else words)
