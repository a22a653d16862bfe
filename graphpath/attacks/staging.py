"""The finished batches of an attack that is still running, kept beside its output until it is whole."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from graphpath.errors import RecordError
from graphpath.record.files import explain_unwritten, write_atomically
from graphpath.whole import remove_abandoned


@dataclass(frozen=True)
class AttackedBatch:
    """What the attack made of some images, and whether it worked."""

    pixels: npt.NDArray[np.float32]
    """(n, C, H, W)."""
    predicted: npt.NDArray[np.int64]
    """(n,): the class predicted on the originals."""
    success: npt.NDArray[np.bool_]
    """(n,): whether the attack did what it was for."""

    def __len__(self) -> int:
        return len(self.pixels)


class Staging:
    """Batches in order, one file each, for the attack with this ``key``; each file records the key.

    Raises:
        RecordError: batches of an attack with another key are there.
    """

    def __init__(self, out: Path, key: str) -> None:
        self.path, self.key = out.with_name(f".{out.name}.attack"), key
        self._check_batches()
        self.done = self._count_done()

    def _locate_batch(self, start: int) -> Path:
        return self.path / f"from-{start:08d}.npz"

    def _check_batches(self) -> None:
        """Refuse another attack's batches; what is damaged, or of an attack that is not known, goes."""
        for file in sorted(self.path.glob("from-*.npz")):
            found = _read_key(file)
            if found is None:
                file.unlink()
            elif found != self.key:
                raise RecordError(
                    f"{self.path} holds finished batches of an unfinished attack with other settings "
                    f"({found[:12]}, this one is {self.key[:12]}): choose another output directory, or "
                    "delete that folder"
                )

    def _count_done(self) -> int:
        """How many images are done, from the first on without a gap or a damaged batch."""
        done = 0
        while self._locate_batch(done).is_file():
            try:
                done += len(self.read(done))
            except RecordError:
                break
        return done

    def append(self, batch: AttackedBatch) -> None:
        """Keep ``batch``, which begins at image ``done``."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_unwritten(self.path, error) from error
        write_atomically(self._locate_batch(self.done), lambda temporary: _save(temporary, batch, self.key))
        self.done += len(batch)

    def read(self, start: int) -> AttackedBatch:
        """The batch that begins at image ``start``."""
        file = self._locate_batch(start)
        try:
            # Opened here: np.load leaves its own handle open where the file is damaged.
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
                return AttackedBatch(stored["pixels"], stored["predicted"], stored["success"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RecordError(f"{file} is damaged; delete {self.path} and attack again") from error

    def measure_success(self) -> float:
        """The share of all images on which the attack worked; 0 of none."""
        start, worked = 0, 0
        while start < self.done:
            batch = self.read(start)
            start, worked = start + len(batch), worked + int(batch.success.sum())
        return worked / max(self.done, 1)

    def remove(self) -> None:
        """Delete the batches; they are in the image set now."""
        shutil.rmtree(self.path, ignore_errors=True)


def remove_leftovers(out: Path) -> None:
    """Remove what an attack left beside its finished ``out`` where it was killed at its very end."""
    lock = out.with_name(f".{out.name}.attack.lock")
    remove_abandoned(lock)
    if not lock.exists():
        shutil.rmtree(out.with_name(f".{out.name}.attack"), ignore_errors=True)


def _save(path: Path, batch: AttackedBatch, key: str) -> None:
    with path.open("wb") as file:
        np.savez(file, key=key, pixels=batch.pixels, predicted=batch.predicted, success=batch.success)


def _read_key(file: Path) -> str | None:
    """Which attack a batch is of; None where it does not say so."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return str(stored["key"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
