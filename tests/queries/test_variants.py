"""No default hides a run: of attacked images a query is about these, and what it left out is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from graphpath import queries
from graphpath.analysis import consistency
from graphpath.chance import significance
from graphpath.errors import QueryParameterError
from graphpath.queries.variants import choose_variant
from graphpath.record import Trace
from graphpath.report import write_report
from graphpath.stores import Store
from tests.queries.facts import Facts

ATTACKED = {"run": "attacked"}


def test_a_run_of_attacked_images_is_counted_by_variant(store: Store) -> None:
    """It once held 0 samples, 0 pathways, 0 categories: the originals that it has not."""
    assert store.query("pathways/samples", **ATTACKED).to_dict("records") == [
        {"variant": "adversarial", "samples": 12, "pathways": 12, "categories": 4}
    ]


@pytest.mark.parametrize(
    "name", [name for name, query in queries.catalogue().items() if "variant" in query.parameters]
)
def test_the_only_variant_of_a_run_is_meant(name: str, store: Store) -> None:
    query = queries.find(name)
    if query.needs_gds or name in ("pathways/samples", "pathways/coverage"):
        assert query.parameters["variant"].default in ("original", "")
        return
    one = {"map": int(store.execute("MATCH (f:FeatureMap) RETURN min(f.id) AS id")["id"][0].as_py())}
    more = one if "map" in query.parameters else {}
    answer = queries.query(store, name, **ATTACKED, **more)
    assert answer.attrs["notes"] == [
        "There are no originals in run 'attacked': variant=adversarial was taken."
    ]
    given = queries.query(store, name, **ATTACKED, **more, variant="adversarial")
    assert given.attrs["notes"] == [] and len(given) == len(answer)
    assert queries.query(store, name, run="clean", **more).attrs["notes"] == []
    assert queries.bind_parameters(store, name, **ATTACKED, **more)["variant"] == "adversarial"


def test_what_is_left_out_is_said_and_several_are_asked_for() -> None:
    assert choose_variant("Query q", "run 'a'", ["adversarial", "original"]) == (
        "original",
        ["Of run 'a' the originals were taken; it also holds variant=adversarial."],
    )
    assert choose_variant("Query q", "run 'a'", []) == ("original", [])
    with pytest.raises(QueryParameterError, match=r"Query q needs variant=.*: adversarial, shifted"):
        choose_variant("Query q", "run 'a'", ["adversarial", "shifted"])


def test_analyses_mean_the_only_variant_too(traces: tuple[Trace, Trace], store: Store) -> None:
    attacked = consistency(traces[1])
    assert attacked.pairs_within.max() > 0
    pd.testing.assert_frame_equal(attacked, consistency(traces[1], variant="adversarial"))
    assert consistency(traces[1], variant="original").empty
    held = significance(store, "categories/consistency", null="independent", **ATTACKED)
    assert held.pairs_within.max() > 0


def test_a_report_counts_images_and_edges_once(store: Store, facts: Facts, tmp_path: Path) -> None:
    page = write_report(store, tmp_path, run="clean", samples=1, pairs=1).read_text()
    mine = facts.edges[facts.edges.run == "clean"]
    different = len(mine[["source", "target"]].drop_duplicates())
    median = int(facts.pathways[facts.pathways.run == "clean"].edges.median())
    assert different < len(mine)
    assert f"take {different:,} different neuron-to-neuron edges: {median:,} each (median), " in page
    assert f"{len(mine):,} added up" in page


def test_a_report_on_attacked_images_alone_is_whole(store: Store, tmp_path: Path) -> None:
    page = write_report(store, tmp_path, run="attacked", samples=1, pairs=0).read_text()
    assert "How far do the largest pathways overlap?" in page and "variant=adversarial was taken" in page
