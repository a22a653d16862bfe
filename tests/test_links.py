"""Relative links of all documents lead to a file of the checkout, and their anchors to a heading in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

import pytest

from tests.documents import CHECKOUT, documents, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_CODE = re.compile(r"`[^`]*`")
_HEADING = re.compile(r"^#{1,6} (.+?)\s*#*$", flags=re.MULTILINE)


@cache
def anchors(document: str) -> frozenset[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found: list[str] = []
    for title in _HEADING.findall(prose(document)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = found.count(anchor)
        found.append(anchor)
        if again:
            found.append(f"{anchor}-{again}")
    return frozenset(found)


def links(document: str) -> Iterator[str]:
    """The targets of a document's links and pictures, those on the web left out."""
    for link in _LINK.finditer(_CODE.sub("", prose(document))):
        target = link[1] or link[2]
        if not re.match(r"\w+:", target):
            yield target


def fault(document: str, link: str) -> str | None:
    """What is wrong with a link, if anything."""
    path, _, anchor = link.partition("#")
    target = document
    if path:
        there = ((CHECKOUT / document).parent / path).resolve()
        if path.startswith("/") or not there.is_relative_to(CHECKOUT) or not there.is_file():
            return f"{document}: there is no file {path}"
        target = there.relative_to(CHECKOUT).as_posix()
    if not anchor:
        return None
    if target not in documents():
        return f"{document}: {link} has an anchor in what is no document"
    return None if anchor in anchors(target) else f"{document}: {target} has no heading #{anchor}"


@pytest.mark.parametrize("document", documents())
def test_every_link_leads_somewhere(document: str) -> None:
    faults = [fault(document, link) for link in links(document)]
    assert not [found for found in faults if found]


def test_links_that_lead_nowhere_are_found() -> None:
    assert fault("README.md", "graphpath/nowhere") is not None
    assert fault("README.md", "#no-such-heading") is not None
    assert fault("README.md", "cypher/README.md#no-such-heading") is not None
    assert fault("README.md", "../LICENSE") is not None
    assert fault("README.md", "LICENSE#copyright") is not None
    assert fault("README.md", "#set-up") is None
    assert fault("cypher/README.md", "../README.md#set-up") is None


def test_every_document_can_be_reached_from_the_readme() -> None:
    """By links; the guide is of Neo4j Browser's export, and is linked too."""
    reached, open_ = set(), ["README.md"]
    while open_:
        document = open_.pop()
        if document in reached or document not in documents():
            continue
        reached.add(document)
        folder = PurePosixPath(document).parent
        for link in links(document):
            if path := link.partition("#")[0]:
                there = (CHECKOUT / folder / path).resolve()
                open_.append(there.relative_to(CHECKOUT).as_posix())
    assert reached == set(documents())
