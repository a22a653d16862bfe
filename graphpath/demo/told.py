"""How the demo tells what it does; the command line prints it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from graphpath.progress import Progress, watched

if TYPE_CHECKING:
    import pandas as pd


class Told(Protocol):
    """What the demo calls."""

    def step(self, title: str, unit: str) -> AbstractContextManager[Progress]:
        """A step of the work begins; what moves its bar."""
        ...

    def done(self, words: str) -> None:
        """What a step came to."""
        ...

    def question(self, number: int, question: str, answer: str) -> None:
        """A question and its answer."""
        ...

    def table(self, frame: pd.DataFrame, command: str) -> None:
        """The rows of a named query, and the command that gives them."""
        ...


class Silent:
    """Tells nothing."""

    @contextmanager
    def step(self, title: str, unit: str) -> Iterator[Progress]:
        yield watched(None)

    def done(self, words: str) -> None:
        pass

    def question(self, number: int, question: str, answer: str) -> None:
        pass

    def table(self, frame: pd.DataFrame, command: str) -> None:
        pass
