"""Canvases of several objects: where these are, and what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from graphpath.data import open_images  # noqa: E402
from graphpath.data.composed import compose, place_objects  # noqa: E402
from graphpath.errors import DataError  # noqa: E402


@pytest.mark.parametrize("seed", range(3))
def test_objects_lie_on_their_canvas_and_none_over_another(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(1, 4, 200).tolist()
    where = place_objects(50, (28, 28), (64, 84), counts, seed)
    assert np.bincount(where.canvas).tolist() == counts
    assert where.top.min() >= 0 and where.top.max() <= 64 - 28
    for canvas in range(200):
        left = where.left[where.canvas == canvas]
        assert left[0] >= 0 and left[-1] + 28 <= 84 and (np.diff(left) >= 28).all()
    assert where.find_leftmost().sum() == 200


def test_a_canvas_shows_its_objects_and_nothing_else() -> None:
    digits = open_images("digits")
    images = compose(digits, 20, (12, 30), (1, 2, 3), 0, "three")
    pixels = images.batch(0, 20)
    assert pixels.shape == (20, 1, 12, 30) and images.rows()["dataset"][0].as_py() == "three"
    for canvas in range(20):
        expected = torch.zeros(1, 12, 30)
        own = np.flatnonzero(images.where.canvas == canvas)
        for one in own:
            top, left = images.where.top[one], images.where.left[one]
            source = int(images.where.source[one])
            expected[:, top : top + 8, left : left + 8] = digits.batch(source, source + 1)[0]
        assert torch.equal(pixels[canvas], expected)
        assert images.labels[canvas] == digits.labels[images.where.source[own[0]]]


def test_what_is_over_the_edge_is_cut_off() -> None:
    images = compose(open_images("digits"), 3, (8, 8), (1,), 0, "one")
    moved = images.paint(images.where.move(np.ones(3, bool), 3, -2), np.arange(3))
    whole = images.batch(0, 3)
    assert torch.equal(moved[:, :, 3:, :6], whole[:, :, :5, 2:])
    assert not moved[:, :, :3].any() and not moved[:, :, :, 6:].any()


def test_the_same_images_are_composed_every_time() -> None:
    one, two = (compose(open_images("digits"), 9, (12, 30), (2, 3), 4, "x") for _ in range(2))
    assert torch.equal(one.batch(0, 9), two.batch(0, 9)) and one.fingerprint == two.fingerprint


def test_too_small_a_canvas_is_refused() -> None:
    with pytest.raises(DataError, match="no room for 3 objects of 28 x 28"):
        place_objects(10, (28, 28), (64, 80), [1, 3], 0)


def test_m2nist_is_composed_of_mnist(shared_data: Path) -> None:
    images = open_images("m2nist", root=shared_data, limit=50)
    assert images.shape == (1, 64, 84) and len(images) == 50
    assert len(open_images("m2nist", root=shared_data)) == 5_000
    assert images.classes == tuple("0123456789")
