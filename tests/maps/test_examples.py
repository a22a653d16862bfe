"""Patches of a feature map: cut from real images, against pixels taken one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch import nn

import graphpath as gp
from graphpath.data.base import BaseImages
from graphpath.data.given import as_images
from graphpath.errors import DataError, QueryParameterError, StoreError
from graphpath.maps import draw_sheet, write_sheet
from graphpath.maps.patches import cut_patch
from graphpath.maps.sheet import TILE, make_tile
from graphpath.stores import Store
from tests.synthetic import write_trace

SHAPE = (2, 9, 7)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def store(images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("maps")
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(48, 3),
    )  # fmt: skip
    trace = gp.trace(model, images, labels=[0, 1, 2, 0, 1], theta=0.9, out=folder / "trace")
    with gp.open(folder / "a.lbdb") as opened:
        opened.load(trace)
        yield opened


def largest(store: Store, title: str, by: str) -> str:
    """The map of that layer with the most rows."""
    for channel in range(3):
        name = f"{title} · map {channel}"
        if len(store.query("maps/examples", map=map_id(store, title, channel), by=by)) > 2:
            return name
    raise AssertionError("no map of this layer is visited")


def map_id(store: Store, title: str, channel: int) -> int:
    found = store.execute(
        "MATCH (f:FeatureMap)-[:IN_LAYER]->(l:Layer) WHERE l.title = $title AND f.channel = $channel "
        "RETURN f.id AS map",
        {"title": title, "channel": channel},
    )
    return int(found["map"][0].as_py())


@pytest.mark.parametrize("by", ["activation", "score"])
@pytest.mark.parametrize(("title", "around"), [("conv 1", 1), ("conv 2", None)])
def test_patches_are_the_pixels_of_the_fields(
    title: str, around: int | None, by: str, store: Store, images: torch.Tensor
) -> None:
    name = largest(store, title, by)
    found = gp.examples(store, name, images, by=by, fill=-1)
    assert (found.title, found.missing) == (name, 0)
    assert found.rows["rank"].tolist() == list(range(1, len(found.rows) + 1))
    assert found.rows[by].is_monotonic_decreasing and found.rows["sample"].is_unique
    place = {sample: number for number, sample in enumerate(samples(images))}
    assert found.patches.dtype == np.float32
    for patch, row in zip(found.patches, found.rows.itertuples(), strict=True):
        image = images[place[row.sample]].numpy()
        inside = patch[:, (patch[0] != -1).any(1)][:, :, (patch[0] != -1).any(0)]
        assert np.array_equal(inside, image[:, row.y0 : row.y1 + 1, row.x0 : row.x1 + 1])
        if around is not None:  # the neuron's own place is in the middle, what is beyond the image is filled
            padded = np.pad(image, ((0, 0), (around, around), (around, around)), constant_values=-1)
            size = 2 * around + 1
            assert np.array_equal(patch, padded[:, row.y : row.y + size, row.x : row.x + size])


def samples(images: torch.Tensor) -> list[int]:
    return as_images(images).rows()["sample"].to_pylist()


def test_a_map_by_its_id_name_or_title(store: Store, images: torch.Tensor) -> None:
    number = map_id(store, "conv 1", 1)
    every = [gp.examples(store, asked, images) for asked in (number, str(number), "0 [1]", "conv 1 · map 1")]
    assert {(one.map, one.title) for one in every} == {(number, "conv 1 · map 1")}
    for asked in (7, "0 [99]", "conv 1", "conv 9 · map 1"):
        with pytest.raises(QueryParameterError, match="has no feature map"):
            gp.examples(store, asked, images)


def test_samples_without_an_image_are_left_out_and_counted(store: Store, images: torch.Tensor) -> None:
    name = largest(store, "conv 1", "activation")
    whole = gp.examples(store, name, images)
    part = gp.examples(store, name, images[:2])
    kept = whole.rows["sample"].isin(samples(images)[:2])
    assert part.missing == (~kept).sum() > 0
    assert part.rows["rank"].tolist() == whole.rows["rank"][kept].tolist()
    assert np.array_equal(part.patches, whole.patches[kept], equal_nan=True)


def test_other_images_are_refused(store: Store, images: torch.Tensor) -> None:
    name = largest(store, "conv 1", "activation")
    with pytest.raises(DataError, match=r"None of the .* samples is among the 2 images"):
        gp.examples(store, name, as_images(torch.rand(2, *SHAPE), dataset="others"))
    with pytest.raises(DataError, match=r"are \(2, 8, 7\), and were traced as \(2, 9, 7\)"):
        gp.examples(store, name, Cropped(images))


class Cropped(BaseImages):
    """The same samples a row lower."""

    def __init__(self, images: torch.Tensor) -> None:
        self._whole = as_images(images)
        super().__init__("tensor", "test", (), (2, 8, 7))

    def __len__(self) -> int:
        return len(self._whole)

    def _sample_rows(self) -> pa.Table:
        return self._whole.rows()

    def read(self, positions: np.ndarray) -> torch.Tensor:
        return torch.stack([self._whole.batch(at, at + 1)[0, :, :8] for at in positions])


def test_a_store_that_knows_no_fields_says_what_to_do(images: torch.Tensor, tmp_path: Path) -> None:
    with gp.open(tmp_path / "a.lbdb") as older:
        older.load(write_trace(tmp_path / "t", samples=3, reach=False))
        row = older.query("maps/examples", map=map_id(older, "conv 1", 0), limit=1)
        assert row[["y0", "y1", "x0", "x1"]].isna().all(axis=None)
        with pytest.raises(StoreError, match="Trace anew"):
            gp.examples(older, "conv 1 · map 0", images)


def test_a_field_at_the_border_keeps_its_place() -> None:
    image = np.arange(20, dtype=np.float32).reshape(1, 4, 5)
    assert cut_patch(image, (0, 1, 3, 4), (3, 3), -1).tolist() == [[[-1, -1, -1], [3, 4, -1], [8, 9, -1]]]
    assert cut_patch(image, (1, 3, 1, 3), (3, 3), -1).tolist() == image[:, 1:4, 1:4].tolist()
    assert cut_patch(image, (0, 3, 0, 4), (6, 5), -1)[0, :, 0].tolist() == [-1, 0, 5, 10, 15, -1]


def test_a_sheet_has_a_row_a_map_and_a_tile_a_patch(
    store: Store, images: torch.Tensor, tmp_path: Path
) -> None:
    found = [
        gp.examples(store, largest(store, title, "score"), images, by="score")
        for title in ("conv 1", "conv 2")
    ]
    written = write_sheet(found, tmp_path / "sheet.png")
    with Image.open(written) as sheet:
        assert sheet.format == "PNG" and sheet.size == draw_sheet(found).size
        assert sheet.width > max(len(one.rows) for one in found) * TILE and sheet.height > 2 * TILE
    assert draw_sheet([]).size[0] > 0


def test_a_tile_keeps_few_pixels_and_shows_what_is_outside() -> None:
    patch = np.array([[[0, 1], [np.nan, 0.5]]], np.float32)
    tile = make_tile(patch)
    assert tile.size == (TILE, TILE)
    pixels = [tile.getpixel((x, y)) for y in (10, TILE - 10) for x in (10, TILE - 10)]
    assert pixels == [(0, 0, 0), (255, 255, 255), (226, 229, 234), (128, 128, 128)]
