"""The table of graphpath/studies/README.md is that of the kept run, which is of the studies as they are."""

from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("torch")

from graphpath.studies import STUDIES
from graphpath.studies.verdicts import FAILS, HOLDS, UNSURE
from tests.documents import shown
from tests.studies import readme


def test_the_table_is_up_to_date() -> None:
    anew = "Write it anew: python -m tests.studies.readme"
    assert shown(readme.DOCUMENT, readme.MARKS) == readme.table(), anew
    assert shown(readme.DOCUMENT, readme.PUBLISHED_MARKS) == readme.published_table(), anew
    assert readme.PICTURE.read_text(encoding="utf-8") == readme.picture(), anew


def test_every_claim_of_every_study_has_its_verdict() -> None:
    """On digits; of what was measured elsewhere, claims that could not be judged anew are out."""
    found = readme.kept()
    for on, some in found.groupby("on"):
        told = list(zip(some.study, some.part, some.claim, some.null.map("{:.6g}".format), strict=True))
        expected = [
            (name, part, claim.text, f"{claim.null:.6g}")
            for name, study in STUDIES.items()
            for part in study.parts
            for claim in study.claims
            if name in set(some.study)
        ]
        known = expected if on == "digits" else [one for one in expected if one in told]
        assert told == known, "Run the studies: python -m tests.studies.readme OUT"
    on_digits = {name for name, study in STUDIES.items() if not study.categories}
    assert set(found[found.on == "digits"].study) == on_digits


def test_no_verdict_rests_on_the_least_of_each_seed_s_layers() -> None:
    assert not readme.kept().why.str.contains("in the worst of").any()


def test_every_published_figure_is_compared() -> None:
    found = pd.read_csv(readme.PUBLISHED)
    for on, some in found.groupby("on"):
        told = list(zip(some.figure, some.printed, some["where"], strict=True))
        expected = [
            (one.figure, one.value, one.where)
            for name, study in STUDIES.items()
            for one in study.printed
            if name in set(some.study)
        ]
        assert told == expected, "Run the studies: python -m tests.studies.readme OUT"
        printed = {name for name, study in STUDIES.items() if study.printed and not study.categories}
        assert on != "digits" or set(some.study) == printed
    assert found[found.seeds == 1][["low", "high"]].isna().all(axis=None)  # one network has no interval
    several = found[found.seeds > 1]
    assert (several.low <= several.ours).all() and (several.ours <= several.high).all()


def test_verdicts_agree_with_their_numbers() -> None:
    found = readme.kept()
    assert set(found.verdict) <= {HOLDS, FAILS, UNSURE}
    assert (found[found.on.isin(["digits", "mnist"])].seeds == 3).all()
    # One network has no interval, and so no verdict.
    alone = found[found.seeds == 1]
    assert (alone.verdict == UNSURE).all() and alone.low.isna().all() and alone.high.isna().all()
    found = found[found.seeds > 1]
    assert (found.low <= found.effect).all() and (found.effect <= found.high).all()
    assert (found[found.verdict == HOLDS].low > found[found.verdict == HOLDS].null).all()
