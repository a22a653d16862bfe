"""The DuckDB analyses equal the named queries' answers, and pandas'."""

from __future__ import annotations

import pandas as pd
import pytest

from graphpath.analysis import consistency, largest_overlap
from graphpath.errors import QueryParameterError
from graphpath.record import Trace
from tests.queries.answers import ANSWERS
from tests.queries.facts import Facts
from tests.synthetic import write_trace


@pytest.fixture(
    scope="module", params=[{}, {"pathways_per_sample": 2}, {"edges_per_pathway": 1, "routes": 1}]
)
def trace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("it's a trace")
    size = {"samples": 8, "side": 2, "edges_per_pathway": 30, **request.param}
    return write_trace(folder / "trace", run="run", **size)


def assert_equal(answer: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    assert len(answer) > 0
    frames = [frame[answer.columns].sort_values(keys).reset_index(drop=True) for frame in (answer, expected)]
    pd.testing.assert_frame_equal(*frames, check_dtype=False, rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"k": 1}, {"k": 2, "by": "categories"}, {"unit": "map"}])
def test_largest_overlap(trace: Trace, options: dict[str, object]) -> None:
    expected = ANSWERS["pathways/largest_overlap"](Facts((trace,), 2), run="run", **options)
    keys = ["what", "relation", "category1", "category2"]
    assert_equal(largest_overlap(trace, **options), expected, keys)


@pytest.mark.parametrize(
    "options", [{}, {"weights": "raw", "layers": [1, 4]}, {"unit": "map"}, {"unit": "map", "weights": "raw"}]
)
def test_consistency(trace: Trace, options: dict[str, object]) -> None:
    expected = ANSWERS["categories/consistency"](Facts((trace,), 2), run="run", **options)
    assert_equal(consistency(trace.path, memory="200MB", **options), expected, ["layer"])


def test_another_variant_has_no_rows(trace: Trace) -> None:
    assert largest_overlap(trace, variant="shifted").empty
    assert consistency(trace, variant="shifted").empty


def test_unknown_choices_are_refused(trace: Trace) -> None:
    with pytest.raises(QueryParameterError, match="by must be relation or categories, not 'layer'"):
        largest_overlap(trace, by="layer")  # type: ignore[arg-type]
    with pytest.raises(QueryParameterError, match="weights must be normalised or raw"):
        consistency(trace, weights="rough")  # type: ignore[arg-type]
    with pytest.raises(QueryParameterError, match="unit must be neuron or map, not 'layer'"):
        consistency(trace, unit="layer")  # type: ignore[arg-type]
