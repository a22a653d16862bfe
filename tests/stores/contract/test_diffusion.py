"""A diffusion trace in either engine: what pixels cross is counted as it is straight from the Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from graphpath.analysis import counts
from graphpath.stores import Store

COLUMNS = ["owner", "category", "layer", "map", "channel", "name", "pixels", "size"]


@pytest.mark.parametrize("per_pixel", [False, True])
def test_pathways_on_feature_maps_are_counted(per_pixel: bool, empty: Store, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import graphpath as gp
    from tests.tracing import nets

    model, shape = nets.made("residual", 1)
    trace = gp.trace(
        model,
        nets.images(shape, 4, 1),
        labels=[0, 1, 1, 2],
        method="diffusion",
        kernel="plus_one",
        pixels=[[1, 1], [2, 3], [4, 4]],
        top=2,
        every_map=True,
        per_pixel=per_pixel,
        max_edges=50,
        out=tmp_path / "trace",
    )
    report = empty.load(trace)
    assert report.counts["Pathway"] == (12 if per_pixel else 4)
    assert report.counts["CROSSES"] > 0
    for by in ("sample", "category"):
        asked = empty.query("pathways/counts", run=trace.id, by=by)
        ours, theirs = (
            frame[frame.pixels > 0].sort_values(["owner", "map"]).reset_index(drop=True)
            for frame in (counts(trace, by=by), asked)  # type: ignore[arg-type]
        )
        pd.testing.assert_frame_equal(ours[COLUMNS], theirs[COLUMNS], check_dtype=False, rtol=1e-6)
    origins = empty.cypher("MATCH (p:Pathway) RETURN p.origin AS origin ORDER BY origin").origin
    assert origins.nunique() == (3 if per_pixel else 0)
