"""The Markdown documents of the checkout: their commands in a reader's order, and what is generated in them.

A document begins in an empty folder. If it has a sentence with the words "commands follow those of" and a
link (or a path in backquotes), it goes on where that document ended.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
Marks = tuple[str, str]
"""The lines before and after what is generated in a document."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(graphpath [^`]+)`")
_OPEN = re.compile(r"\.\.\.|\b[A-Z]{2,}\b")
"""What stands for something else in a command within a sentence."""
_FOLLOWS = re.compile(r"ommands\s+follow\s+those\s+of\s+(?:\[[^\]]*\]\(([^)#]+)|`([^`]+\.md)`)")


@dataclass(frozen=True)
class Command:
    """A line of a document: a graphpath command, or another one of a block of commands."""

    document: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    @property
    def ours(self) -> bool:
        return self.words[:1] == ["graphpath"]


@cache
def documents() -> tuple[str, ...]:
    """Every Markdown file, by its path in the checkout: what git ignores is left out."""
    ignored = (CHECKOUT / ".gitignore").read_text(encoding="utf-8").split()
    folders = {line.strip("/") for line in ignored if line.endswith("/")}
    found: list[str] = []
    for folder, inside, files in os.walk(CHECKOUT):
        inside[:] = [name for name in inside if not name.startswith(".") and name not in folders]
        place = Path(folder).relative_to(CHECKOUT)
        found += [(place / name).as_posix() for name in files if name.endswith(".md")]
    return tuple(sorted(found, key=lambda name: (name.count("/"), name)))


@cache
def text_of(document: str) -> str:
    """What a document says."""
    return (CHECKOUT / document).read_text(encoding="utf-8")


def follows(document: str) -> str | None:
    """The document that this one's commands follow, if any."""
    found = _FOLLOWS.search(text_of(document))
    if found is None:
        return None
    if found[2]:
        return found[2]
    target = (CHECKOUT / document).parent / found[1]
    return target.resolve().relative_to(CHECKOUT).as_posix()


@cache
def commands() -> tuple[Command, ...]:
    """Every command of every document."""
    return tuple(command for document in documents() for command in _of(document))


def blocks(document: str, *languages: str) -> list[str]:
    """The fenced blocks of a document in some languages."""
    return [block[2] for block in FENCE.finditer(text_of(document)) if block[1] in languages]


def program(document: str) -> str:
    """The Python of a document: its blocks, one after the other."""
    return "\n".join(blocks(document, "python", "py"))


def prose(document: str) -> str:
    """A document without its fenced blocks, each character in its place."""
    return FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text_of(document))


def write(text: str, document: Path, marks: Marks) -> None:
    """Put ``text`` between the marks of ``document``."""
    before, rest = document.read_text(encoding="utf-8").split(marks[0])
    _, after = rest.split(marks[1])
    document.write_text(f"{before}{marks[0]}{text}{marks[1]}{after}", encoding="utf-8")


def shown(document: Path, marks: Marks) -> str:
    """What stands between the marks of ``document``."""
    return document.read_text(encoding="utf-8").split(marks[0])[1].split(marks[1])[0]


def _of(document: str) -> Iterator[Command]:
    text = text_of(document)
    found: list[tuple[int, str]] = []
    for block in FENCE.finditer(text):
        lines = block[2].replace("\\\n", " \n").splitlines(keepends=True)
        if block[1] in ("sh", ""):
            found += _lines(lines, block.start(2), prompt=block[1] == "")
    outside = prose(document)
    found += [
        (match.start(), " ".join(match[1].split()))
        for match in _INLINE.finditer(outside)
        if len(match[1].split()) > 2 and not _OPEN.search(match[1])
    ]
    found += [
        (match.start(), match[1]) for match in re.finditer(r"^    (graphpath .+)$", outside, re.MULTILINE)
    ]
    for place, command in sorted(found):
        yield Command(document, text.count("\n", 0, place) + 1, command)


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
        waiting = text.rstrip() if line.endswith(" \n") else ""
        if not waiting and text.strip():
            yield begun, " ".join(text.split())
