"""Counts of pathways and portion-hot vectors of diffusion traces, against pandas and against the query."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

import graphpath as gp  # noqa: E402
from graphpath.analysis import counts, portion_hot  # noqa: E402
from graphpath.errors import QueryParameterError, RecordError  # noqa: E402
from tests.synthetic import write_trace  # noqa: E402
from tests.tracing import nets  # noqa: E402

SIDE = 5
OPTIONS: dict[str, dict[str, Any]] = {
    "large": {"top": 2, "pixels": "all"},
    "every": {"top": 2, "pixels": "all", "every_map": True, "kernel": "plus_one"},
    "single": {"top": 1, "pixels": [[1, 2], [3, 3], [0, 0]], "per_pixel": True},
    "unit": {"top": 2, "init": "unit"},
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], gp.Trace]:
    folder = tmp_path_factory.mktemp("diffusion's")
    model, shape = nets.made("plain", 3)
    images = nets.images(shape, 5, 3)
    images[4] = 0.05  # nothing in the foreground
    made: dict[str, gp.Trace] = {}

    def of(name: str) -> gp.Trace:
        if name not in made:
            made[name] = gp.trace(
                model,
                images,
                labels=[0, 1, 1, 2, 2],
                method="diffusion",
                out=folder / name,
                **OPTIONS[name],
            )
        return made[name]

    return of


def crossed(trace: gp.Trace) -> pd.DataFrame:
    """``crosses`` with each pathway's sample and label, the pixel's place, and the map's id."""
    frames = {name: trace.dataset(name).to_table().to_pandas() for name in ("pathways", "samples", "layers")}
    found = trace.crosses().to_table().to_pandas()
    found = found.merge(frames["pathways"][["pathway", "sample"]]).merge(
        frames["samples"][["sample", "label"]]
    )
    found = found.merge(
        frames["layers"][["layer", "offset", "height", "width", "name", "channels"]], on="layer"
    )
    found["map"] = found.offset + found.channel * found.height * found.width
    found["place"] = found.pixel - frames["layers"].offset[0]
    return found


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("by", ["sample", "category"])
def test_counts(name: str, by: str, trace: Callable[[str], gp.Trace]) -> None:
    found, every = crossed(trace(name)), name == "every"
    key = "sample" if by == "sample" else "label"
    for top, layers in ((None, ()), (1, (1, 2))):
        large = found[found["rank"] <= (top or OPTIONS[name]["top"])]
        ours = counts(trace(name).path, by=by, top=top, layers=layers)  # type: ignore[arg-type]
        wanted = large.astype({"size": float}).groupby([key, "map"])
        expected = pd.DataFrame({"pixels": wanted.size(), "size": wanted["size"].sum()})
        if every:
            groups = found.astype({"size": float}).groupby([key, "map"])
            expected = expected.reindex(groups.size().index, fill_value=0)
            expected["reached"], expected["total"] = groups.size(), groups["size"].sum()
        assert ours["reached"].notna().all() == ours["total"].notna().all() == every
        if layers:
            places = found[found.layer.isin(layers)]["map"].unique()
            expected = expected[expected.index.get_level_values(1).isin(places)]
        assert len(ours) == len(expected) > 0
        for column in expected:
            assert ours[column].to_numpy() == pytest.approx(expected[column].to_numpy())
        assert ours["map"].tolist() == expected.index.get_level_values(1).tolist()


@pytest.mark.parametrize("by", ["sample", "category"])
def test_the_query_counts_the_same(by: str, trace: Callable[[str], gp.Trace], tmp_path: Path) -> None:
    with gp.open(tmp_path / "s.lbdb", buffer_bytes=128 << 20) as store:
        for name in OPTIONS:
            store.load(trace(name))
        for name in OPTIONS:
            asked = store.query("pathways/counts", run=trace(name).id, by=by)
            theirs = asked[asked.pixels > 0].sort_values(["owner", "map"]).reset_index(drop=True)
            ours = counts(trace(name), by=by)  # type: ignore[arg-type]
            ours = ours[ours.pixels > 0].reset_index(drop=True)
            columns = ["owner", "category", "layer", "map", "channel", "name", "pixels", "size"]
            pd.testing.assert_frame_equal(ours[columns], theirs[columns], check_dtype=False, rtol=1e-6)


def hot(found: pd.DataFrame, top: int, pixels: set[int] | None, unit: bool) -> dict[int, dict[Any, float]]:
    """Shares of foreground pixels, in plain loops: sample -> (layer, channel) -> share."""
    result: dict[int, dict[Any, float]] = {}
    for sample, mine in found.groupby("sample"):
        bright = mine[(mine.layer == 0) & (unit | (mine.signed > 0.1))]
        lit = {p for p in bright.place if pixels is None or p in pixels}
        result[sample] = {}
        for (layer, channel), rows in mine[(mine["rank"] <= top) & (mine.layer > 0)].groupby(
            ["layer", "channel"]
        ):
            if lit:
                result[sample][layer, channel] = len(set(rows.place) & lit) / len(lit)
    return result


@pytest.mark.parametrize("name", OPTIONS)
def test_portion_hot(name: str, trace: Callable[[str], gp.Trace]) -> None:
    found, layers = crossed(trace(name)), trace(name).layers().to_table().to_pandas()
    mask = np.zeros((SIDE, SIDE), bool)
    mask[1:4, 2:] = True
    some = {y * SIDE + x for y, x in np.argwhere(mask)}
    for pixels, places in ((None, None), (mask, some), (np.argwhere(mask), some), (sorted(some), some)):
        vectors = portion_hot(trace(name), pixels=pixels)
        wanted = hot(found, OPTIONS[name]["top"], places, name == "unit")
        last = found.layer.max()
        assert vectors.shape == (5, layers.channels[1 : last + 1].sum())
        for sample, row in vectors.iterrows():
            shares = wanted.get(sample, {})
            if not shares:
                assert row.isna().all()
                continue
            assert {key: value for key, value in row.items() if value > 0} == pytest.approx(
                {key: value for key, value in shares.items() if value > 0}
            )
    assert vectors.isna().all(axis=1).any() and (vectors > 0).any(axis=None)


def test_portion_hot_of_parts_and_binary(trace: Callable[[str], gp.Trace]) -> None:
    samples = sorted(trace("large").samples().to_table()["sample"].to_pylist())
    parts = {samples[0]: [[1, 1]], samples[1]: [[2, 2], [3, 3]]}
    vectors = portion_hot(trace("large"), pixels=parts)
    assert vectors.notna().any(axis=1).sum() <= 2
    assert set(np.unique(vectors.loc[samples[0]].dropna())) <= {0.0, 1.0}
    assert set(np.unique(vectors.loc[samples[1]].dropna())) <= {0.0, 0.5, 1.0}
    plain, binary = portion_hot(trace("large")), portion_hot(trace("large"), binary=0.5)
    assert ((plain >= 0.5) == (binary == 1)).all(axis=None)
    assert (binary.isna() == plain.isna()).all(axis=None)
    assert portion_hot(trace("large"), threshold=2.0).isna().all(axis=None)
    one, two = (portion_hot(trace("large"), top=top) for top in (1, 2))
    assert (two.fillna(0) >= one.fillna(0)).all(axis=None) and not two.equals(one)


def test_what_cannot_be_answered(trace: Callable[[str], gp.Trace], tmp_path: Path) -> None:
    with pytest.raises(QueryParameterError, match="recorded the 2 largest maps"):
        counts(trace("large"), top=3)
    assert counts(trace("every"), top=3).pixels.sum() > counts(trace("every")).pixels.sum()
    with pytest.raises(QueryParameterError, match="top=0"):
        portion_hot(trace("every"), top=0)
    with pytest.raises(QueryParameterError, match=r"expected a mask \(5, 5\)"):
        portion_hot(trace("large"), pixels=np.ones((4, 5), bool))
    with pytest.raises(QueryParameterError, match="by must be"):
        counts(trace("large"), by="layer")  # type: ignore[arg-type]
    other = write_trace(tmp_path / "other", run="other", samples=2)
    with pytest.raises(RecordError, match="method='diffusion'"):
        counts(other)
