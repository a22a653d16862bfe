"""The documents of cypher/ list every query with an answer that it gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphpath import queries
from graphpath.stores import Store
from tests import samples
from tests.documents import shown, write

ANEW = "Write them anew: python -m tests.samples"
TOPICS = [topic for topic in samples.topics() if topic != "gds"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return samples.sample_store(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def made(store: Store) -> dict[str, str]:
    return {topic: samples.section(store, topic) for topic in TOPICS}


@pytest.mark.parametrize("topic", TOPICS)
def test_the_sample_answers_are_up_to_date(topic: str, made: dict[str, str]) -> None:
    assert shown(samples.document(topic), samples.MARKS) == made[topic], ANEW


def test_the_table_of_queries_is_up_to_date() -> None:
    assert shown(samples.CYPHER, samples.QUERIES_MARKS) == samples.listed(), ANEW


def test_the_answers_held_against_chance_are_up_to_date(store: Store) -> None:
    assert shown(samples.CHANCE, samples.CHANCE_MARKS) == samples.chance(store), ANEW


def test_every_query_has_a_sample_with_rows(made: dict[str, str]) -> None:
    text = "".join(made.values())
    found = re.findall(r"^\$ graphpath query (\S+)[^\n]*\n\n[^\n]+\n ─+\n [^\n]+", text, flags=re.MULTILINE)
    assert found == [name for name, query in queries.catalogue().items() if not query.needs_gds]
    assert "(no rows)" not in text


def test_writing_replaces_only_what_is_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(f"before\n{samples.MARKS[0]}old\n{samples.MARKS[1]}\nafter\n")
    write("new\n", document, samples.MARKS)
    assert document.read_text() == f"before\n{samples.MARKS[0]}new\n{samples.MARKS[1]}\nafter\n"
