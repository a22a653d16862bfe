"""The README's sample answers are what the queries answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphpath import queries
from tests import samples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    with samples.sample_store(tmp_path_factory.mktemp("samples")) as store:
        return samples.sections(store)


def test_the_sample_answers_are_up_to_date(made: str) -> None:
    assert samples.shown() == made, "Write them anew: python -m tests.samples"


def test_the_answers_held_against_chance_are_up_to_date(tmp_path: Path) -> None:
    with samples.sample_store(tmp_path) as store:
        assert samples.shown(marks=samples.CHANCE_MARKS) == samples.chance(store)


def test_every_query_has_a_sample_with_rows(made: str) -> None:
    found = re.findall(r"^\$ graphpath query (\S+)[^\n]*\n\n[^\n]+\n ─+\n [^\n]+", made, flags=re.MULTILINE)
    assert found == [name for name, query in queries.catalogue().items() if not query.needs_gds]
    assert "(no rows)" not in made


def test_writing_replaces_only_what_is_between_the_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{samples.MARKS[0]}old\n{samples.MARKS[1]}\nafter\n")
    samples.write("new\n", readme)
    assert readme.read_text() == f"before\n{samples.MARKS[0]}new\n{samples.MARKS[1]}\nafter\n"
