"""A few rounds of every part, and that the table says what is out of bounds."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.calibration import chance
from tests.calibration.__main__ import DOCUMENT, MARKS, PARTS
from tests.calibration.results import WRONG, Row, covered, table
from tests.documents import shown


def test_significance_is_wrong_no_more_often_than_it_says() -> None:
    found = list(chance.rows(np.random.default_rng(0), 60))
    assert len(found) == 14 and not [row for row in found if not row.good]


def test_a_row_is_out_of_bounds_by_more_than_chance_only() -> None:
    hits = np.arange(1000) < 870
    assert covered("", "", "", hits[:100]).good  # .87 of a hundred is no proof
    assert not covered("", "", "", np.repeat(hits, 2)).good
    assert Row("", "", "", 0.052, 1000, WRONG).good and not Row("", "", "", 0.08, 1000, WRONG).good


def test_the_table_has_the_extremes_of_each_kind() -> None:
    rows = [
        Row("verify", "a", f"setting {n}", share, 100, (0.9, 0.99)) for n, share in enumerate((0.95, 0.91))
    ]
    told = table([*rows, Row("verify", "b", "alone", 0.02, 100, WRONG)])
    assert "| verify | a | 2, of 100 rounds | 0.910 (setting 1) | 0.950 (setting 0) | 0.9 to 0.99 |" in told
    assert "| verify | b | alone | 0.020 | 0.020 | 0 to 0.05 |" in told


def test_the_kept_table_has_every_part() -> None:
    assert set(re.findall(r"^[|] (\w+) [|]", shown(DOCUMENT, MARKS), re.MULTILINE)) - {"part"} == set(PARTS)
