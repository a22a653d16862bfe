"""The interface by which the demo reports what it does; the command line prints it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from graphpath.progress import Progress, as_progress

if TYPE_CHECKING:
    import pandas as pd


class DemoOutput(Protocol):
    """What the demo calls as it goes."""

    def begin_step(self, title: str, unit: str) -> AbstractContextManager[Progress]:
        """A step of the work begins; what moves its bar."""
        ...

    def end_step(self, words: str) -> None:
        """The result of a step, in words."""
        ...

    def show_answer(self, number: int, question: str, answer: str) -> None:
        """A question and its answer."""
        ...

    def show_table(self, frame: pd.DataFrame, command: str) -> None:
        """The rows of a named query, and the command that gives them."""
        ...


class NoOutput:
    """Reports nothing."""

    @contextmanager
    def begin_step(self, title: str, unit: str) -> Iterator[Progress]:
        yield as_progress(None)

    def end_step(self, words: str) -> None:
        pass

    def show_answer(self, number: int, question: str, answer: str) -> None:
        pass

    def show_table(self, frame: pd.DataFrame, command: str) -> None:
        pass
