"""Image sets: images as float32 with their samples and categories.

What ``attack`` writes and ``--data`` takes. Pixels stay float32, since eight bits would destroy
perturbations. ``image_set.json`` holds the SHA-256 of every other file and of itself: damage is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import RecordError
from graphpath.record.building import build_directory
from graphpath.record.description import DIGEST, FILES, digest_run
from graphpath.record.files import check_parquet, check_version, read_json, write_json, write_parquet
from graphpath.record.schema import IMAGES, SCHEMA_VERSION, TABLES
from graphpath.record.table import Columns, Table, conform

DESCRIPTION = "image_set.json"
_SAMPLES, _CATEGORIES = "samples.parquet", "categories.parquet"
_KINDS: dict[str, type] = {"images": int, "parts": int, "provenance": dict, FILES: dict, DIGEST: str}


@dataclass(frozen=True)
class ImagePart:
    """Some images: ``samples`` is their samples table, ``pixels`` float32 (n, C, H, W) in [0, 1]."""

    samples: pa.Table
    pixels: np.ndarray

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.float32 or self.pixels.ndim != 4:
            raise RecordError(
                f"Images are float32 of shape (n, C, H, W), not {self.pixels.dtype} {self.pixels.shape}."
            )
        if len(self.pixels) != self.samples.num_rows:
            raise RecordError(f"{len(self.pixels)} images came with {self.samples.num_rows} samples.")


def write_image_set(
    path: str | Path,
    parts: Iterable[ImagePart],
    categories: Columns,
    provenance: Mapping[str, object] | None = None,
) -> ImageSet:
    """Write an image set whole: built beside ``path`` and renamed into place. Returns it opened.

    Raises:
        RecordError: ``path`` exists, or a table is not as its schema.
    """
    path = Path(path)
    if path.exists():
        raise RecordError(f"{path} exists already: choose another output directory (--out), or delete it.")
    try:
        with build_directory(path) as building:
            (building / "images").mkdir()
            _write_files(building, parts, categories, provenance or {})
    except OSError as error:
        raise RecordError(f"{path} cannot be written: {error.strerror or error}.") from error
    return ImageSet(path)


def _write_files(
    path: Path, parts: Iterable[ImagePart], categories: Columns, provenance: Mapping[str, object]
) -> None:
    samples = [TABLES["samples"].empty_table()]
    for number, part in enumerate(parts):
        rows = Table.from_columns("samples", part.samples).data
        write_parquet(path / _part_file(number), _build_table(rows, part.pixels))
        samples.append(rows)
    write_parquet(path / _SAMPLES, pa.concat_tables(samples))
    write_parquet(path / _CATEGORIES, Table.from_columns("categories", categories).data)
    names = [*(_part_file(number) for number in range(len(samples) - 1)), _SAMPLES, _CATEGORIES]
    described: dict[str, object] = {
        "schema": SCHEMA_VERSION,
        "images": sum(table.num_rows for table in samples),
        "parts": len(samples) - 1,
        "provenance": dict(provenance),
        FILES: {name: _digest((path / name).read_bytes()) for name in names},
    }
    write_json(path / DESCRIPTION, {**described, DIGEST: digest_run(described)})


def _part_file(number: int) -> str:
    return f"images/part-{number:05d}.parquet"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _build_table(samples: pa.Table, pixels: np.ndarray) -> pa.Table:
    little = np.ascontiguousarray(pixels, dtype="<f4")
    shapes = pa.array([pixels.shape[1:]] * len(pixels), type=IMAGES.field("shape").type)
    columns = {
        "sample": samples["sample"],
        "shape": shapes,
        "pixels": pa.array([image.tobytes() for image in little], type=pa.binary()),
    }
    return conform("images", columns, IMAGES)


class ImageSet:
    """The image set in ``path``, opened: every file's footer is checked, no pixel is read.

    Raises:
        RecordError: no image set, or a file that is missing, damaged or of another schema.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not is_image_set(self.path):
            raise RecordError(f"{path} is no image set: it has no {DESCRIPTION}.")
        described = _read_description(self.path / DESCRIPTION)
        self.provenance: dict[str, object] = described["provenance"]
        self._digests: Mapping[str, object] | None = described[FILES]
        # One after the other: a damaged number of parts ends at the first that is missing.
        self._rows = [_check_file(self.path / _part_file(part), IMAGES) for part in range(described["parts"])]
        samples = _check_file(self.path / _SAMPLES, TABLES["samples"])
        _check_file(self.path / _CATEGORIES, TABLES["categories"])
        if not samples == sum(self._rows) == described["images"]:
            raise RecordError(f"{path} holds {sum(self._rows)} images and {samples} samples: it is damaged.")

    def __len__(self) -> int:
        return sum(self._rows)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many images each part has."""
        return tuple(self._rows)

    def pixels(self, part: int) -> np.ndarray:
        """float32 (n, C, H, W): the images of one part. Raises RecordError for a damaged one."""
        name = _part_file(part)
        return _to_pixels(self.path / name, self._read_table(name))

    def samples(self) -> pa.Table:
        """The samples table, one row per image in order. Raises RecordError where it is damaged."""
        return self._read_table(_SAMPLES)

    def categories(self) -> pa.Table:
        """The categories table. Raises RecordError where it is damaged."""
        return self._read_table(_CATEGORIES)

    def parts(self) -> Iterator[ImagePart]:
        """The images, part by part. Raises RecordError for a damaged part."""
        samples, start = self.samples(), 0
        for part, rows in enumerate(self._rows):
            yield ImagePart(samples.slice(start, rows), self.pixels(part))
            start += rows

    def _read_table(self, name: str) -> pa.Table:
        file = self.path / name
        try:
            data = file.read_bytes()
        except OSError as error:
            raise RecordError(f"{file} cannot be read: {error.strerror}.") from error
        if self._digests is not None and self._digests.get(name) != _digest(data):
            raise _explain_damage(file, "it is not what was written, by its digest")
        try:
            return pq.read_table(pa.BufferReader(data))
        except (pa.ArrowException, OSError) as error:
            raise _explain_damage(file, str(error)) from error


def is_image_set(path: str | Path) -> bool:
    """Whether ``path`` looks like an image set."""
    return (Path(path) / DESCRIPTION).is_file()


def _read_description(file: Path) -> dict[str, Any]:
    """What ``image_set.json`` says, with entries of their kinds."""
    described = read_json(file)
    check_version(file, described.get("schema"))
    entries: dict[str, Any] = {"provenance": {}, FILES: None, DIGEST: None, **described}
    if unknown := entries.keys() - _KINDS.keys() - {"schema"}:
        raise _explain_damage(file, f"it has the unknown entry {sorted(unknown)[0]!a}")
    for name, kind in _KINDS.items():
        if name not in entries:
            raise _explain_damage(file, f"it lacks {name}")
        optional = name in (FILES, DIGEST) and not {FILES, DIGEST} & described.keys()
        if not optional and (not isinstance(entries[name], kind) or isinstance(entries[name], bool)):
            raise _explain_damage(
                file, f"{name} is a {type(entries[name]).__name__}, expected {kind.__name__}"
            )
    if entries[DIGEST] not in (None, digest_run(described)):
        raise _explain_damage(file, "it is not what was written, by its own digest")
    return entries


def _check_file(file: Path, schema: pa.Schema) -> int:
    """How many rows ``file`` has, whose columns must be those of ``schema``."""
    try:
        return check_parquet(file, schema)
    except ValueError as error:  # names in a damaged footer that are no UTF-8
        raise _explain_damage(file, str(error)) from error


def _explain_damage(file: Path, why: str) -> RecordError:
    return RecordError(f"{file} is damaged: {why}. Make the image set anew, in a new directory.")


def _to_pixels(file: Path, table: pa.Table) -> np.ndarray:
    """The images of one part as float32 (n, C, H, W)."""
    shapes = {tuple(shape) for shape in table["shape"].to_pylist()}
    if len(shapes) > 1:
        raise RecordError(f"{file} mixes images of the shapes {sorted(shapes)}; a part has one shape.")
    shape = next(iter(shapes), (0, 0, 0))
    if len(shape) != 3 or min(shape) < 0:
        raise _explain_damage(file, f"its images have the shape {shape}, expected (channels, height, width)")
    try:
        flat = np.frombuffer(b"".join(table["pixels"].to_pylist()), dtype="<f4")
        pixels = flat.reshape(table.num_rows, *shape).astype(np.float32)
    except ValueError as error:
        raise _explain_damage(file, str(error)) from error
    if not np.isfinite(pixels).all():
        raise _explain_damage(file, "some of its pixels are not finite")
    return pixels
