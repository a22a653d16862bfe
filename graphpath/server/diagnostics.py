"""What the server's log says went wrong, in one sentence with the remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LINES: Final = 30

_REMEDIES: Final = (
    (
        r"Address already in use|BindException",
        "a port was taken while it started: start again, or give --bolt-port 0 and --http-port 0",
    ),
    (
        r"OutOfMemoryError|Could not reserve enough space|insufficient memory for the Java Runtime|"
        r"Invalid maximum heap size|exceeds the available (physical )?memory",
        "there was too little memory: give less or more with --memory, or end other programs",
    ),
    (
        r"FileLockException|Lock file has been locked|store_lock",
        "another server, which this graphpath did not start, uses its data: stop that one, or give --home",
    ),
    (r"No space left on device|Disk quota exceeded", "the disk is full: make room"),
    (r"Read-only file system|AccessDeniedException|Permission denied", "it may not write to its home"),
    (
        r"UnsupportedClassVersionError",
        "this Java cannot run it: install Java 17 or 21, or point JAVA_HOME at one",
    ),
    (
        r"UpgradeNotAllowed|was created with a later version|StoreVersion",
        "its data were written by another version of Neo4j: give another --home and load again",
    ),
)


@dataclass(frozen=True)
class Log:
    """What one start of a server writes: Java's own words, and what Neo4j's user log gained."""

    home: Path
    begin: int

    @classmethod
    def mark(cls, home: Path) -> Log:
        """The log of the start that comes now."""
        try:
            return cls(home, _user_log(home).stat().st_size)
        except OSError:
            return cls(home, 0)

    def text(self) -> str:
        """All of it, at most the last 64 KiB of each."""
        said = (_read(console_log(self.home), 0), _read(_user_log(self.home), self.begin))
        return "\n".join(part for part in map(str.strip, said) if part)

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self.text().splitlines()[-LINES:])

    def explain(self) -> str:
        """The sentence for a server that ended while starting."""
        text, logs = self.text(), self.home / "logs"
        for pattern, remedy in _REMEDIES:
            if re.search(pattern, text):
                return f"Neo4j ended while starting: {remedy} (its logs are in {logs})."
        return f"Neo4j ended while starting; its logs are in {logs}."


def console_log(home: Path) -> Path:
    """What Java and Neo4j write to their standard output and error."""
    return home / "logs" / "console.log"


def _user_log(home: Path) -> Path:
    return home / "logs" / "neo4j.log"


def _read(path: Path, begin: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(begin, path.stat().st_size - 65536))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
