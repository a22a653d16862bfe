"""What should be known of the images that a verb has read: said on stderr when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from graphpath.cli.say import say

if TYPE_CHECKING:
    from graphpath.data.base import BaseImages

_opened: ContextVar[tuple[BaseImages, ...]] = ContextVar("opened", default=())


def heed(images: BaseImages) -> BaseImages:
    """``images``, whose notes are told at the end."""
    _opened.set((*_opened.get(), images))
    return images


@contextmanager
def noting() -> Iterator[None]:
    """Tells the notes of all images heeded within, each sentence once."""
    before = _opened.set(())
    try:
        yield
    finally:
        for note in dict.fromkeys(note for images in _opened.get() for note in images.notes):
            say(f"note: {note}", err=True)
        _opened.reset(before)
