"""What should be known of the images that a verb has read: said on stderr when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

from graphpath.cli.say import say


class Noted(Protocol):
    """What has something to say of the images that it reads."""

    @property
    def notes(self) -> tuple[str, ...]: ...


Read = TypeVar("Read", bound=Noted)
_opened: ContextVar[tuple[Noted, ...]] = ContextVar("opened", default=())


def keep_notes(images: Read) -> Read:
    """``images``, whose notes are printed at the end."""
    _opened.set((*_opened.get(), images))
    return images


@contextmanager
def report_notes() -> Iterator[None]:
    """Prints the notes of all images read within, each sentence once."""
    before = _opened.set(())
    try:
        yield
    finally:
        for note in dict.fromkeys(note for images in _opened.get() for note in images.notes):
            say(f"note: {note}", err=True)
        _opened.reset(before)
