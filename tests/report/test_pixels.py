"""Images: from image sets, from visits, and as PNG."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
from PIL import Image

from graphpath.report.pictures import choose_look, encode_difference, encode_image, encode_thumbnail
from graphpath.report.pixels import ImageSetPixels, find_pixels, pixels_from_visits


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_an_image_set_gives_each_samples_own_pixels(images) -> None:
    for one in images:
        pixels = ImageSetPixels(one)
        for part in one.parts():
            for sample, expected in zip(part.samples["sample"].to_pylist(), part.pixels, strict=True):
                np.testing.assert_array_equal(pixels.find(sample), expected)
    assert pixels.find(-1) is None


def test_the_first_source_that_has_a_sample_is_taken(images) -> None:
    sources = [ImageSetPixels(one) for one in images]
    sample = images[1].samples()["sample"][0].as_py()
    np.testing.assert_array_equal(find_pixels(sources, sample), sources[1].find(sample))
    assert find_pixels(sources, -1) is None


def test_a_photo_keeps_eight_bits_of_every_pixel() -> None:
    image = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 3, 4)
    found = decoded(encode_image(image))
    np.testing.assert_array_equal(found[..., 0], np.round(image[0] * 255))
    assert (found[..., 3] == 255).all()
    colour = np.random.default_rng(0).random((3, 5, 2), dtype=np.float32)
    np.testing.assert_array_equal(
        decoded(encode_image(colour))[..., :3], np.round(colour.transpose(1, 2, 0) * 255)
    )


def test_pixels_that_are_not_known_are_transparent() -> None:
    visits = pd.DataFrame({"channel": [0], "y": [1], "x": [2], "activation": [0.5]})
    image = pixels_from_visits(visits, (1, 3, 4))
    found = decoded(encode_image(image))
    assert (found[..., 3] > 0).sum() == 1
    assert found[1, 2, 3] == 255


def test_a_difference_is_red_where_brighter_and_blue_where_darker() -> None:
    before = np.full((1, 1, 3), 0.5, np.float32)
    after = before + np.array([[[0.1, -0.05, 0.0]]], np.float32)
    uri, most = encode_difference(before, after)
    found = decoded(uri)[0].astype(int)
    assert abs(most - 0.1) < 1e-6
    assert found[0, 0] > found[0, 2] and found[1, 2] > found[1, 0]
    assert found[:, 3].tolist() == [255, 127, 0] or found[:, 3].tolist() == [255, 128, 0]


def test_a_large_photograph_is_brought_to_its_place_and_compressed() -> None:
    y, x = np.mgrid[:200, :400] / 400
    image = np.stack([x, y, 1 - x]).astype(np.float32)
    whole, small = encode_image(image), encode_thumbnail(image)
    assert whole.startswith("data:image/jpeg") and choose_look(whole) == "photograph"
    assert decoded(whole).shape == (160, 320, 3) and decoded(small).shape == (48, 96)
    expected = np.asarray(
        Image.fromarray((image.transpose(1, 2, 0) * 255).astype(np.uint8)).resize((320, 160))
    )
    assert np.abs(decoded(whole).astype(float) - expected).mean() < 4
    assert len(small) < 4000


def test_unknown_pixels_of_a_large_image_stay_transparent() -> None:
    image = np.full((1, 100, 100), np.nan, dtype=np.float32)
    image[0, :50] = 0.5
    for uri in (encode_image(image), encode_thumbnail(image)):
        assert choose_look(uri) == "pixels"
        alpha = decoded(uri)[..., 3]
        assert alpha[: len(alpha) // 3].min() == 255 and alpha[-len(alpha) // 3 :].max() == 0
