"""A finished trace, opened: its tables as lazy Arrow datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from graphpath.errors import RecordError
from graphpath.record.description import FILES, read_finished_run
from graphpath.record.files import check_parquet, digest_file, reason
from graphpath.record.schema import OPTIONAL, PARTED, SINGLE, TABLES


class Trace:
    """The trace in ``path``: ``run`` is its ``run.json``, ``id`` the run's name.

    Opening checks run.json and every file's footer (schema, columns, rows), reads no rows, and imports no
    torch. A file is checked against its SHA-256 in run.json when its table is first read.

    Raises:
        IncompleteTrace: the trace was interrupted.
        RecordError: no trace, a file that is missing, truncated or has other columns, or a schema that
            this graphpath does not know. The message names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.run = read_finished_run(self.path)
        self.id = str(self.run["id"])
        self.counts: dict[str, int] = dict(self.run["counts"])
        self._sound: set[Path] = set()
        for name in TABLES:
            self._check(name)

    def __repr__(self) -> str:
        shown = {name: self.counts.get(name, 0) for name in ("samples", "pathways", "edges")}
        if "channels" in self.counts:
            shown["edges between feature maps"] = self.counts["channels"]
        rows = ", ".join(f"{count:,} {name}" for name, count in shown.items() if count or name != "edges")
        return f"Trace({str(self.path)!r}: {self.run.get('method', '?')}, {rows})"

    @property
    def name(self) -> str | None:
        """What the run was called when it was traced, if anything."""
        return self.run.get("name")

    @property
    def verified(self) -> bool:
        """Whether run.json has the digests of the files; traces of before 2026-11-30 have none."""
        return FILES in self.run

    def files(self, name: str) -> list[Path]:
        """The files of table ``name``: one, or its parts in order; none for an optional table.

        Raises RecordError for one that is damaged.
        """
        files = self._list_files(name)
        for file in files:
            self._verify(file)
        return files

    def _list_files(self, name: str) -> list[Path]:
        if name in SINGLE:
            return [] if name in OPTIONAL - set(self.counts) else [self.path / f"{name}.parquet"]
        if name not in PARTED:
            raise RecordError(f"There is no table {name!r} in a record; there are {', '.join(TABLES)}.")
        parts = [part_file(self.path, name, part) for part in self.run["parts"]]
        return [file for file in parts if name not in OPTIONAL or file.is_file()]

    def _verify(self, file: Path) -> None:
        if not self.verified or file in self._sound:
            return
        if not is_sound(self.path, file, self.run[FILES]):
            raise RecordError(
                f"{file} is damaged: its bytes are not those that were written (SHA-256 in run.json). The "
                "same `graphpath trace` makes it anew."
            )
        self._sound.add(file)

    def dataset(self, name: str) -> ds.Dataset:
        """Table ``name``, read lazily."""
        files = [str(file) for file in self.files(name)]
        if not files:
            return ds.dataset(TABLES[name].empty_table())
        return ds.dataset(files, schema=TABLES[name], format="parquet")

    def layers(self) -> ds.Dataset:
        """One row per site of the network, in topological order; row 0 is the input."""
        return self.dataset("layers")

    def samples(self) -> ds.Dataset:
        """One row per image."""
        return self.dataset("samples")

    def categories(self) -> ds.Dataset:
        """One row per class of the class scheme."""
        return self.dataset("categories")

    def predictions(self) -> ds.Dataset:
        """The five largest logits of each sample."""
        return self.dataset("predictions")

    def pathways(self) -> ds.Dataset:
        """One row per pathway."""
        return self.dataset("pathways")

    def balance(self) -> ds.Dataset:
        """One row per pathway and layer: edges and ``|score|``, selected and kept."""
        return self.dataset("balance")

    def visits(self) -> ds.Dataset:
        """One row per pathway and neuron on it."""
        return self.dataset("visits")

    def edges(self) -> ds.Dataset:
        """One row per pathway and edge on it."""
        return self.dataset("edges")

    def routes(self) -> ds.Dataset:
        """The largest routes of each pathway."""
        return self.dataset("routes")

    def steps(self) -> ds.Dataset:
        """One row per route and neuron on it; position 0 is the input pixel."""
        return self.dataset("steps")

    def crosses(self) -> ds.Dataset:
        """The feature maps that a pixel's diffusion crosses (method ``diffusion`` only)."""
        return self.dataset("crosses")

    def reach(self) -> ds.Dataset:
        """Which edges the network can have at all (see :mod:`graphpath.record.schema`)."""
        return self.dataset("reach")

    def fields(self) -> ds.Dataset:
        """From which pixels anything can flow into a neuron (see :mod:`graphpath.record.schema`)."""
        return self.dataset("fields")

    def channels(self) -> ds.Dataset:
        """One row per pathway and edge between two feature maps on it (method ``channels`` only)."""
        return self.dataset("channels")

    def maps(self) -> ds.Dataset:
        """One row per feature map that has a name of its own (imported traces only)."""
        return self.dataset("maps")

    def _check(self, name: str) -> None:
        rows = sum(check_parquet(file, TABLES[name]) for file in self._list_files(name))
        if rows != self.counts.get(name, 0):
            raise RecordError(
                f"{self.path}: table {name!r} holds {rows} rows, run.json counts {self.counts.get(name, 0)}: "
                "the record is damaged, trace again into a new directory."
            )


def part_file(path: Path, name: str, part: int) -> Path:
    """The file of part ``part`` of table ``name`` in the trace directory ``path``."""
    return path / name / f"part-{part:05d}.parquet"


def is_sound(path: Path, file: Path, digests: dict[str, str]) -> bool:
    """Whether ``file`` of the trace in ``path`` has its digest. Raises RecordError if it cannot be read."""
    try:
        return digest_file(file) == digests.get(file.relative_to(path).as_posix())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise RecordError(f"{file} cannot be read: {reason(error)}.") from error


def find_damaged(path: Path, run: dict[str, Any]) -> set[str]:
    """The files of the finished trace ``run`` in ``path`` that are missing or not as they were written.

    Nothing where run.json has no digests. Reads every byte. Raises RecordError where a file cannot be read.
    """
    digests: dict[str, str] = run.get(FILES, {})
    return {file for file in digests if not is_sound(path, path / file, digests)}
