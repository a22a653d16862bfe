"""A detector's file is read as it was written, or refused: never one that calls nothing attacked."""

import json

import numpy as np
import pandas as pd
import pytest

from graphpath.detect import Detector
from graphpath.detect.features import SHARES
from graphpath.detect.scorers import Linear
from graphpath.detect.traced import TracingSetup
from graphpath.errors import RecordError


@pytest.fixture
def file(tmp_path):
    wide = 2 * len(SHARES)
    detector = Detector(
        kind="linear",
        scorer=Linear(np.linspace(-1, 1, wide), 0.5),
        threshold=0.25,
        layers={0: "conv", 1: "fc"},
        normal=np.linspace(0, 1, wide),
        spread=np.full(wide, 0.1),
        reference="run",
        traced=TracingSetup("cnn", "f" * 64, "effective_path", {"theta": 0.5}, "c" * 16),
        report=pd.DataFrame({"auc": [0.9]}),
        notes={},
    )
    return detector.save(tmp_path / "d.json")


def test_it_comes_back(file):
    assert Detector.load(file).threshold == 0.25


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", ["threshold", "normal", "spread", "weights", "offset"])
def test_what_is_no_number_is_refused_by_name(file, place, number):
    stored = json.loads(file.read_text())
    del stored["digest"]
    where = stored["scorer"] if place in ("weights", "offset") else stored
    where[place] = [number, *where[place][1:]] if isinstance(where[place], list) else number
    file.write_text(json.dumps(stored))
    with pytest.raises(RecordError, match=rf"d.json is damaged.*{place} is not a finite number"):
        Detector.load(file)


def test_every_flipped_bit_is_refused_or_changes_nothing(file):
    data, told = file.read_bytes(), vars(Detector.load(file)).copy()
    random = np.random.default_rng(0)
    for bit in random.integers(0, 8 * len(data), 200).tolist():
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        try:
            found = Detector.load(file)
        except RecordError as error:
            assert "d.json" in str(error)
        else:  # a space
            assert (found.threshold, found.reference) == (told["threshold"], told["reference"])
            np.testing.assert_array_equal(found.normal, told["normal"])
