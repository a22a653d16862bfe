"""Image sets: images as float32 with their samples and categories (DESIGN §5).

What ``attack`` writes and ``--data`` takes. Pixels stay float32, since eight bits would destroy
perturbations.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphpath.errors import RecordError
from graphpath.record.files import check_parquet, check_version, read_json, rename, write_json, write_parquet
from graphpath.record.schema import IMAGES, SCHEMA_VERSION, TABLES
from graphpath.record.table import Columns, Table, conform

DESCRIPTION = "image_set.json"


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
    building = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    try:
        (building / "images").mkdir(parents=True)
        _fill(building, parts, categories, provenance or {})
        rename(building, path)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return ImageSet(path)


def _fill(
    path: Path, parts: Iterable[ImagePart], categories: Columns, provenance: Mapping[str, object]
) -> None:
    samples = [TABLES["samples"].empty_table()]
    for number, part in enumerate(parts):
        rows = Table.of("samples", part.samples).data
        write_parquet(path / "images" / f"part-{number:05d}.parquet", _images(rows, part.pixels))
        samples.append(rows)
    write_parquet(path / "samples.parquet", pa.concat_tables(samples))
    write_parquet(path / "categories.parquet", Table.of("categories", categories).data)
    described = {
        "schema": SCHEMA_VERSION,
        "images": sum(table.num_rows for table in samples),
        "parts": len(samples) - 1,
    }
    write_json(path / DESCRIPTION, {**described, "provenance": dict(provenance)})


def _images(samples: pa.Table, pixels: np.ndarray) -> pa.Table:
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
        RecordError: no image set, or a file that is missing, truncated or of another schema.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not is_image_set(self.path):
            raise RecordError(f"{path} is no image set: it has no {DESCRIPTION}.")
        described = read_json(self.path / DESCRIPTION)
        check_version(self.path / DESCRIPTION, described.get("schema"))
        self.provenance: dict[str, object] = dict(described.get("provenance", {}))
        self._files = [
            self.path / "images" / f"part-{part:05d}.parquet" for part in range(int(described["parts"]))
        ]
        self._rows = [check_parquet(file, IMAGES) for file in self._files]
        samples = check_parquet(self.path / "samples.parquet", TABLES["samples"])
        check_parquet(self.path / "categories.parquet", TABLES["categories"])
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
        return _pixels(self._files[part])

    def samples(self) -> pa.Table:
        """The samples table, one row per image in order."""
        return pq.read_table(self.path / "samples.parquet")

    def categories(self) -> pa.Table:
        """The categories table."""
        return pq.read_table(self.path / "categories.parquet")

    def parts(self) -> Iterator[ImagePart]:
        """The images, part by part. Raises RecordError for a damaged part."""
        samples, start = self.samples(), 0
        for file, rows in zip(self._files, self._rows, strict=True):
            yield ImagePart(samples.slice(start, rows), _pixels(file))
            start += rows


def is_image_set(path: str | Path) -> bool:
    """Whether ``path`` looks like an image set."""
    return (Path(path) / DESCRIPTION).is_file()


def _pixels(file: Path) -> np.ndarray:
    """The images of one part as float32 (n, C, H, W)."""
    try:
        table = pq.read_table(file)
        shapes = {tuple(shape) for shape in table["shape"].to_pylist()}
        if len(shapes) > 1:
            raise RecordError(f"{file} mixes images of the shapes {sorted(shapes)}; a part has one shape.")
        flat = np.frombuffer(b"".join(table["pixels"].to_pylist()), dtype="<f4")
        shape = next(iter(shapes), (0, 0, 0))
        return flat.reshape(table.num_rows, *shape).astype(np.float32)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecordError(f"{file} is damaged: {error}.") from error
