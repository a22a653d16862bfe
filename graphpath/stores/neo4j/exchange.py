"""Two databases of one server exchanged while it is down; the old one kept until the new one is up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from graphpath.server import Server

NEW: Final = "graphpath-import"
KEPT: Final = "graphpath-kept"
PLACES: Final = ("databases", "transactions")


@dataclass(frozen=True)
class Exchange:
    """The database ``database`` in the home of ``server``; a new one is made as ``NEW`` beside it."""

    server: Server
    database: str

    @property
    def data(self) -> Path:
        return self.server.home / "data"

    @property
    def old_data(self) -> Path:
        """Where the old database lies while the new one is tried."""
        return self.data / KEPT

    def import_new(self, arguments: Path, heap: int) -> None:
        """Import into ``NEW``; the server may go on running. Raises ServerError."""
        self._discard_new()
        self.server.run_admin("database", "import", "full", NEW, f"@{arguments}", heap=heap)

    @contextmanager
    def swap(self) -> Iterator[None]:
        """The server runs on the new database; for good if the block succeeds, else on the old one again."""
        self.server.stop()
        try:
            self._keep_old()
            self._move(NEW, self.database)
            self.server.start()
            yield
        except BaseException:
            self.recover()
            raise
        shutil.rmtree(self.old_data)

    def recover(self) -> None:
        """Put the old database back if an exchange was cut short, and clear away what it left."""
        if (self.old_data / "complete").exists():
            self.server.stop()
            for place in PLACES:
                if (old := self.old_data / place).exists():
                    shutil.rmtree(self.data / place / self.database, ignore_errors=True)
                    old.rename(self.data / place / self.database)
        elif self.old_data.exists():  # cut short while moving the old one away: take back what was moved
            self.server.stop()
            for place in PLACES:
                if (old := self.old_data / place).exists() and not (
                    self.data / place / self.database
                ).exists():
                    old.rename(self.data / place / self.database)
        shutil.rmtree(self.old_data, ignore_errors=True)
        self._discard_new()
        if not self.server.status().running:
            self.server.start()

    def _keep_old(self) -> None:
        self.old_data.mkdir()
        for place in PLACES:
            if (old := self.data / place / self.database).exists():
                old.rename(self.old_data / place)
        (self.old_data / "complete").touch()

    def _move(self, old: str, new: str) -> None:
        for place in PLACES:
            if (path := self.data / place / old).exists():
                path.rename(self.data / place / new)

    def _discard_new(self) -> None:
        for place in PLACES:
            shutil.rmtree(self.data / place / NEW, ignore_errors=True)
