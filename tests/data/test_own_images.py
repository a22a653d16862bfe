"""A caller's own tensors, DataLoaders and image sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.utils.data import DataLoader, IterableDataset, Subset, SubsetRandomSampler, TensorDataset

from graphpath.data import LoaderImages, TensorImages, open_images
from graphpath.data.rows import build_categories, build_sample_rows
from graphpath.errors import DataError, RecordError
from graphpath.record.imageset import ImagePart, write_image_set

PIXELS = torch.rand(10, 2, 3, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10) % 3


def test_a_tensor_is_kept_as_it_is() -> None:
    images = TensorImages(PIXELS, LABELS, classes=("a", "b", "c"))
    assert torch.equal(images.batch(2, 5), PIXELS[2:5])
    assert images.labels.tolist() == LABELS.tolist()
    assert (images.shape, images.dataset, images.split) == ((2, 3, 4), "tensor", "all")
    assert TensorImages(PIXELS.double()).batch(0, 1).dtype == torch.float64
    assert TensorImages(PIXELS).labels.tolist() == [-1] * 10


def test_bytes_are_divided_by_255() -> None:
    stored = torch.tensor([[[[0, 51], [102, 255]]]], dtype=torch.uint8)
    np.testing.assert_allclose(TensorImages(stored).batch(0, 1)[0, 0], [[0, 0.2], [0.4, 1]], atol=1e-7)


def test_other_pixels_are_another_sample() -> None:
    ids = TensorImages(PIXELS).rows()["sample"].to_pylist()
    changed = PIXELS.clone()
    changed[3, 0, 0, 0] += 0.001
    others = TensorImages(changed).rows()["sample"].to_pylist()
    assert [a == b for a, b in zip(ids, others, strict=True)] == [i != 3 for i in range(10)]
    assert TensorImages(PIXELS).fingerprint == TensorImages(PIXELS.clone()).fingerprint


def test_derived_tensors_keep_their_parents() -> None:
    originals = TensorImages(PIXELS).rows()["sample"].to_pylist()
    details = [{"attack": "mine", "step": i} for i in range(10)]
    derived = TensorImages(PIXELS, variant="adversarial", parents=originals, details=details).rows()
    assert derived["parent"].to_pylist() == originals
    assert set(derived["variant"].to_pylist()) == {"adversarial"}
    assert '"attack":"mine"' in derived["detail"][4].as_py()
    assert not set(derived["sample"].to_pylist()) & set(originals)


@pytest.mark.parametrize(
    ("tensor", "arguments", "message"),
    [
        (torch.rand(4), {}, r"\(N, C, H, W\)"),
        (torch.rand(1, 2, 3, 4, 4, 4), {}, r"\(N, C, H, W\)"),
        (torch.full((1, 1, 2, 2), float("nan")), {}, "not finite"),
        (PIXELS, {"labels": [1, 2]}, "labels: 2 given for 10"),
        (PIXELS, {"details": [{}]}, "details: 1 given for 10"),
        (PIXELS, {"parents": [1]}, "parents: 1 given for 10"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tensor: torch.Tensor, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        TensorImages(tensor, **arguments).rows()


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_is_read_in_the_order_of_its_data_set(shuffle: bool) -> None:
    loader = DataLoader(TensorDataset(PIXELS, LABELS), batch_size=4, shuffle=shuffle)
    images = LoaderImages(loader, dataset="mine")
    assert torch.equal(images.batch(0, 10), PIXELS)
    assert torch.equal(images.batch(7, 9), PIXELS[7:9])
    assert images.labels.tolist() == LABELS.tolist()
    assert images.fingerprint == LoaderImages(loader, dataset="mine").fingerprint


def test_a_loaders_selection_is_followed() -> None:
    data = TensorDataset(PIXELS, LABELS)
    sampled = LoaderImages(DataLoader(data, sampler=SubsetRandomSampler([8, 1])))
    assert torch.equal(sampled.batch(0, 5), PIXELS[[1, 8]])
    assert sampled.rows()["index"].to_pylist() == [1, 8]
    subset = LoaderImages(DataLoader(Subset(data, [5, 2])))
    assert torch.equal(subset.batch(0, 5), PIXELS[[5, 2]])


def test_loaders_that_cannot_be_read_again_are_refused() -> None:
    class Stream(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(PIXELS)

    with pytest.raises(DataError, match="only be gone through once"):
        LoaderImages(DataLoader(Stream()))
    sampler = torch.utils.data.WeightedRandomSampler([1.0] * 10, 5)
    with pytest.raises(DataError, match="WeightedRandomSampler"):
        LoaderImages(DataLoader(TensorDataset(PIXELS, LABELS), sampler=sampler))
    with pytest.raises(DataError, match="ToTensor"):
        LoaderImages(DataLoader([("no tensor", 1)]))  # type: ignore[arg-type]


def test_a_loaders_pixels_are_finite() -> None:
    pixels = PIXELS.clone()
    pixels[4, 0, 0, 0] = float("inf")
    images = LoaderImages(DataLoader(TensorDataset(pixels, LABELS)))
    assert images.batch(0, 4).shape[0] == 4
    with pytest.raises(DataError, match="item 4 are not finite"):
        images.batch(4, 5)


def stored_set(path: Path) -> None:
    rows = build_sample_rows("mine", "test", LABELS.numpy(), index=list(range(10)))
    parts = [ImagePart(rows.slice(a, b - a), PIXELS[a:b].numpy()) for a, b in ((0, 4), (4, 5), (5, 10))]
    write_image_set(path, parts, build_categories("things", ("x", "y", "z")))


def test_an_image_set_is_opened_by_its_path(tmp_path: Path) -> None:
    stored_set(tmp_path / "set")
    images = open_images(tmp_path / "set")
    assert (images.dataset, images.split, images.scheme) == ("mine", "test", "things")
    assert images.classes == ("x", "y", "z")
    for start, stop in ((0, 10), (3, 6), (4, 5), (9, 10), (10, 12)):
        assert torch.equal(images.batch(start, stop), PIXELS[start:stop])
    assert torch.equal(images.subset([9, 0, 4]).batch(0, 3), PIXELS[[9, 0, 4]])
    assert open_images(tmp_path / "set", size=8, limit=3).batch(0, 3).shape == (3, 2, 8, 8)


def test_a_damaged_image_set_names_its_file(tmp_path: Path) -> None:
    stored_set(tmp_path / "set")
    part = tmp_path / "set" / "images" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(RecordError, match="part-00001"):
        open_images(tmp_path / "set")
