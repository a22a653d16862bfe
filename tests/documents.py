"""The commands of the documents, in the order in which a reader meets them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "graphpath/server/browser/guide.md")
SAMPLES = "<!-- samples -->"
"""From here on the README asks the store of tests/samples.py."""
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(graphpath [^`]+)`")
_OPEN = re.compile(r"\.\.\.|\b[A-Z]{2,}\b")
"""What stands for something else in a command within a sentence."""


@dataclass(frozen=True)
class Command:
    """A line of a document: a graphpath command, or another one of a block of commands."""

    document: str
    line: int
    text: str
    sample: bool = False
    """Whether it asks the store of tests/samples.py."""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    @property
    def ours(self) -> bool:
        return self.words[:1] == ["graphpath"]


def commands() -> list[Command]:
    """Every command of every document."""
    return [command for document in DOCUMENTS for command in _of(document)]


def _of(document: str) -> Iterator[Command]:
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    samples = text.find(SAMPLES) if SAMPLES in text else len(text)
    found: list[tuple[int, str]] = []
    for block in _FENCE.finditer(text):
        lines = block[2].replace("\\\n", " \n").splitlines(keepends=True)
        if block[1] in ("sh", ""):
            found += _lines(lines, block.start(2), prompt=block[1] == "")
    outside = _FENCE.sub(lambda block: " " * len(block[0]), text)
    found += [
        (match.start(), " ".join(match[1].split()))
        for match in _INLINE.finditer(outside)
        if len(match[1].split()) > 2 and not _OPEN.search(match[1])
    ]
    found += [
        (match.start(), match[1]) for match in re.finditer(r"^    (graphpath .+)$", outside, re.MULTILINE)
    ]
    for place, command in sorted(found):
        yield Command(document, text.count("\n", 0, place) + 1, command, place > samples)


def _lines(lines: list[str], start: int, *, prompt: bool) -> Iterator[tuple[int, str]]:
    """Commands of a block; a line that ends in a backslash goes on with the next."""
    place, waiting = start, ""
    for line in lines:
        begun, place = place, place + len(line)
        text = line.rstrip("\n")
        if waiting:
            text = f"{waiting} {text.strip()}"
        elif prompt:
            if not text.startswith("$ "):
                continue
            text = text[2:]
        waiting = text.rstrip() if text.endswith(" ") and line.endswith(" \n") else ""
        if not waiting and text.strip():
            yield begun, " ".join(text.split())
