"""Images by name: the bundled digits, and MNIST and CIFAR-10 in torchvision's layout."""

from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from sklearn.datasets import load_digits

from graphpath.data import Images, open_images
from graphpath.data.rows import build_categories, choose_balanced
from graphpath.errors import DataError
from graphpath.ids import category_id, sample_id
from graphpath.record.schema import TABLES


def test_digits_are_scikit_learns_and_the_splits_share_nothing() -> None:
    bunch = load_digits()
    parts = [open_images("digits", split=split) for split in ("train", "test")]
    assert [len(part) for part in parts] == [1437, 360]
    indices = [part.rows()["index"].to_numpy() for part in parts]
    np.testing.assert_array_equal(np.sort(np.concatenate(indices)), np.arange(1797))
    for part, index in zip(parts, indices, strict=True):
        np.testing.assert_array_equal(part.labels, bunch.target[index])
        np.testing.assert_allclose(part.batch(0, 2000)[:, 0].numpy() * 16, bunch.images[index], atol=1e-6)


def test_an_image_set_by_name_is_what_the_protocol_says() -> None:
    images = open_images("digits")
    assert isinstance(images, Images)
    assert (images.dataset, images.split, images.scheme, images.shape) == (
        "digits",
        "test",
        "digits",
        (1, 8, 8),
    )
    assert images.classes == tuple("0123456789")
    batch = images.batch(3, 10)
    assert batch.dtype == torch.float32 and batch.shape == (7, 1, 8, 8)
    assert batch.min() >= 0 and batch.max() <= 1
    assert images.batch(355, 400).shape[0] == 5
    assert images.batch(400, 500).shape[0] == 0


def test_rows_are_the_samples_table_of_the_record() -> None:
    rows = open_images("digits").rows()
    assert rows.schema.equals(TABLES["samples"])
    first = rows.to_pylist()[1]
    assert first["sample"] == sample_id("digits", "test", first["index"])
    assert first["parent"] is None and first["variant"] == "original"
    assert len(set(rows["sample"].to_pylist())) == 360


def test_categories_follow_the_classes() -> None:
    table = build_categories("digits", ("zero", "one"))
    assert table.schema.equals(TABLES["categories"])
    assert table["category"].to_pylist() == [category_id("digits", 0), category_id("digits", 1)]


def test_a_batch_that_is_no_range_is_refused() -> None:
    with pytest.raises(DataError, match="not a range"):
        open_images("digits").batch(5, 4)


def test_limit_is_balanced_seeded_and_keeps_the_ids() -> None:
    whole, part = open_images("digits"), open_images("digits", limit=50, seed=3)
    assert np.bincount(part.labels).tolist() == [5] * 10
    again, other = open_images("digits", limit=50, seed=3), open_images("digits", limit=50, seed=4)
    assert part.fingerprint == again.fingerprint != other.fingerprint
    ids = whole.rows()["sample"].to_pylist()
    where = [ids.index(sample) for sample in part.rows()["sample"].to_pylist()]
    assert torch.equal(part.batch(0, 50), whole.batch(0, 360)[where])


@given(st.lists(st.integers(-1, 4), max_size=60), st.integers(0, 70), st.integers(0, 5))
def test_balanced_takes_as_evenly_as_the_classes_allow(labels: list[int], count: int, seed: int) -> None:
    array = np.array(labels, dtype=np.int32)
    chosen = choose_balanced(array, count, seed)
    assert len(chosen) == min(count, len(array))
    assert (np.diff(chosen) > 0).all()
    taken = {label: int((array[chosen] == label).sum()) for label in set(labels)}
    most = max(taken.values(), default=0)
    for label, number in taken.items():
        # A class gives fewer than another only by one, or because it has no more.
        assert number >= most - 1 or number == labels.count(label)
    assert set(choose_balanced(array, count // 2, seed)) <= set(chosen)


def test_a_subset_can_be_reordered_and_checked() -> None:
    images = open_images("digits")
    swapped = images.subset([7, 2])
    assert torch.equal(swapped.batch(0, 2), images.batch(0, 8)[[7, 2]])
    assert swapped.subset([1]).rows().to_pylist() == images.rows().slice(2, 1).to_pylist()
    with pytest.raises(DataError, match="outside the 360 images"):
        images.subset([360])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "digit"}, "did you mean digits"),
        ({"spec": "no/such/folder"}, "no such file"),
        ({"spec": "digits", "split": "validation"}, "splits test and train"),
        ({"spec": "mnist"}, "--root"),
        ({"spec": "cifar10"}, "--root"),
        ({"spec": "digits", "limit": -1}, "limit -1"),
        ({"spec": "digits", "size": 0}, "size 0"),
        ({"spec": "digits", "channels": 2}, "channels=2"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_sentence(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_images(**arguments).batch(0, 1)  # type: ignore[arg-type]


def test_images_are_brought_to_a_models_shape() -> None:
    plain, fitted = open_images("digits"), open_images("digits", size=(16, 12), channels=3)
    assert fitted.shape == (3, 16, 12)
    batch = fitted.batch(0, 4)
    assert batch.shape == (4, 3, 16, 12)
    assert torch.equal(batch[:, 0], batch[:, 2])
    assert fitted.rows().equals(plain.rows())
    assert fitted.fingerprint != plain.fingerprint
    assert torch.equal(open_images("digits", size=8, channels=1).batch(0, 4), plain.batch(0, 4))


def write_idx(path: Path, values: np.ndarray) -> None:
    """An IDX file: magic with type 8 (bytes) and rank, the sizes, the bytes."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, count in (("train", 12), ("t10k", 7)):
        write_idx(raw / f"{name}-images-idx3-ubyte", rng.integers(0, 256, (count, 28, 28)))
        write_idx(raw / f"{name}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path


def test_mnist_reads_torchvisions_layout(mnist_root: Path) -> None:
    images = open_images("mnist", root=mnist_root)
    stored = (mnist_root / "MNIST/raw/t10k-images-idx3-ubyte").read_bytes()[16:]
    expected = np.frombuffer(stored, np.uint8).reshape(7, 1, 28, 28) / np.float32(255)
    np.testing.assert_array_equal(images.batch(0, 7).numpy(), expected)
    assert images.labels.tolist() == list(range(7))
    assert len(open_images("mnist", root=mnist_root, split="train")) == 12


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_mnist_that_is_not_whole_is_refused(mnist_root: Path, damage: str) -> None:
    file = mnist_root / "MNIST/raw/t10k-images-idx3-ubyte"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"mnist: .* holds no complete copy"):
        open_images("mnist", root=mnist_root)


def test_cifar10_reads_torchvisions_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3072), dtype=np.uint8)
    batch = pickle.dumps({"data": pixels, "labels": [3, 1, 4, 1, 5]})
    meta = pickle.dumps({"label_names": [f"class {n}" for n in range(10)]})
    (folder / "test_batch").write_bytes(batch)
    (folder / "batches.meta").write_bytes(meta)
    digest = {name: hashlib.md5(data).hexdigest() for name, data in (("batch", batch), ("meta", meta))}
    monkeypatch.setattr(CIFAR10, "train_list", [])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", digest["batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": digest["meta"]})
    images = open_images("cifar10", root=tmp_path)
    assert images.labels.tolist() == [3, 1, 4, 1, 5] and images.classes[3] == "class 3"
    np.testing.assert_array_equal(images.batch(0, 5).numpy(), pixels.reshape(5, 3, 32, 32) / np.float32(255))
    (folder / "test_batch").write_bytes(batch + b"x")
    with pytest.raises(DataError, match=r"cifar10: .* no complete copy"):
        open_images("cifar10", root=tmp_path)


def test_the_real_mnist(shared_data: Path) -> None:
    images = open_images("mnist", root=shared_data)
    assert len(images) == 10_000
    assert images.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert images.batch(0, 1).mean().item() == pytest.approx(0.0922, abs=1e-3)
