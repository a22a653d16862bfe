"""Image sets keep float32 exactly, are written whole, and are refused when damaged."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphpath.errors import RecordError
from graphpath.record import ImagePart, ImageSet, is_image_set, write_image_set
from tests.synthetic import write_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return write_trace(tmp_path_factory.mktemp("imageset") / "trace", samples=9)


def parts(trace, pixels, size=4):
    samples = trace.samples().to_table().slice(0, len(pixels))
    for start in range(0, len(pixels), size):
        yield ImagePart(samples.slice(start, size), pixels[start : start + size])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pixels=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
        elements=st.floats(0, 1, width=32),
    ),
    size=st.integers(1, 9),
)
def test_round_trip(tmp_path_factory, trace, pixels, size):
    path = tmp_path_factory.mktemp("set") / "images"
    categories = trace.categories().to_table()
    made = write_image_set(path, parts(trace, pixels, size), categories, {"attack": "pgd"})
    opened = ImageSet(path)
    assert len(opened) == len(made) == len(pixels)
    assert opened.provenance == {"attack": "pgd"}
    assert opened.categories().equals(categories)
    assert opened.samples().equals(trace.samples().to_table().slice(0, len(pixels)))
    read = list(opened.parts())
    np.testing.assert_array_equal(np.concatenate([part.pixels for part in read]), pixels)
    assert all(part.pixels.dtype == np.float32 for part in read)
    assert [part.samples.num_rows for part in read] == [len(part.pixels) for part in read]


def test_an_interrupted_set_leaves_nothing(tmp_path, trace):
    def failing():
        yield from parts(trace, np.zeros((4, 1, 2, 2), np.float32))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_image_set(tmp_path / "images", failing(), trace.categories().to_table())
    assert list(tmp_path.iterdir()) == []


def test_refusals(tmp_path, trace):
    categories = trace.categories().to_table()
    path = tmp_path / "images"
    write_image_set(path, parts(trace, np.zeros((6, 1, 2, 2), np.float32)), categories)
    assert is_image_set(path)
    with pytest.raises(RecordError, match="exists already"):
        write_image_set(path, [], categories)
    part = path / "images" / "part-00001.parquet"
    data = part.read_bytes()
    part.write_bytes(data[:-20])
    with pytest.raises(RecordError, match=r"part-00001.parquet"):
        ImageSet(path)
    part.unlink()
    with pytest.raises(RecordError, match=r"part-00001.parquet is missing"):
        ImageSet(path)
    with pytest.raises(RecordError, match="no image set"):
        ImageSet(trace.path)


@pytest.mark.parametrize("pixels", [np.zeros((1, 1, 2, 2)), np.zeros((1, 2, 2), np.float32)])
def test_other_pixels_are_refused(trace, pixels):
    with pytest.raises(RecordError, match="float32 of shape"):
        ImagePart(trace.samples().to_table().slice(0, 1), pixels)


def test_as_many_samples_as_images(trace):
    with pytest.raises(RecordError, match="2 images came with 1 samples"):
        ImagePart(trace.samples().to_table().slice(0, 1), np.zeros((2, 1, 2, 2), np.float32))
