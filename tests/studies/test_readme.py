"""The README's table of studies is that of the kept run, which is of the studies as they are."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from graphpath.studies import STUDIES
from graphpath.studies.verdicts import FAILS, HOLDS, UNSURE
from tests.samples import shown
from tests.studies import readme


def test_the_table_is_up_to_date() -> None:
    assert shown(marks=readme.MARKS) == readme.table(), "Write it anew: python -m tests.studies.readme"


def test_every_claim_of_every_study_has_its_verdict() -> None:
    found = readme.kept()
    told = list(zip(found.study, found.part, found.claim, found.null, strict=True))
    expected = [
        (name, part, claim.text, claim.null)
        for name, study in STUDIES.items()
        for part in study.parts
        for claim in study.claims
        if name in set(found.study)
    ]
    assert told == expected, "Run the studies: python -m tests.studies.readme OUT"
    assert {name for name in STUDIES if name.startswith("lyu/")} <= set(found.study)


def test_verdicts_agree_with_their_numbers() -> None:
    found = readme.kept()
    assert set(found.verdict) <= {HOLDS, FAILS, UNSURE}
    assert (
        (found.seeds >= 3).all() and (found.low <= found.effect).all() and (found.effect <= found.high).all()
    )
    assert (found[found.verdict == HOLDS].low > found[found.verdict == HOLDS].null).all()
