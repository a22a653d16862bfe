"""Neo4j Browser on the real server, in a real Chromium: every browse/* query draws its graph.

The screenshots go to $GRAPHPATH_ARTIFACTS where that is set, else to pytest's own folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graphpath as gp
from graphpath import queries
from graphpath.server import Server
from graphpath.server.browser import build_address, export_kit, query_text
from graphpath.server.style import PALETTE
from graphpath.stores import Store
from tests.chromium import Chromium, need_chromium
from tests.synthetic import write_trace

BROWSE = sorted(name for name in queries.catalogue() if name.startswith("browse/"))
STREAM = "[data-testid=stream] article:first-child"
# The editor keeps only the lines that it shows, and its spaces do not break.
EDITOR = "document.querySelector('[data-testid=activeEditor]')?.innerText.replaceAll('\\u00a0', ' ')"
RUN = "browser-test"


@pytest.fixture(scope="module")
def store(neo4j_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The real store with an original run and an adversarial one, taken out again at the end."""
    folder = tmp_path_factory.mktemp("traces")
    sizes = {"samples": 12, "edges_per_pathway": 40, "weights": "browser"}
    clean = write_trace(folder / "clean", run=RUN, **sizes)
    attacked = write_trace(folder / "adv", run=f"{RUN}-adv", seed=1, adversarial_of=clean, **sizes)
    with gp.open(neo4j_server.uri, password=neo4j_server.password) as opened:
        opened.load(clean, min_support=1)
        opened.load(attacked)
        yield opened
        opened.delete(RUN)
        opened.delete(f"{RUN}-adv")


@pytest.fixture(scope="module")
def page(neo4j_server: Server, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Browser, connected as a person would: the password typed into the form."""
    need_chromium()
    with Chromium(tmp_path_factory.mktemp("chromium") / "profile") as chromium:
        chromium.open(build_address(neo4j_server.uri, neo4j_server.browser))
        chromium.fill("[data-testid=password]", neo4j_server.password)
        chromium.click("[data-testid=connect]")
        # What the server has Browser do on connecting: its settings and its style.
        for command in (":config", ":style"):
            chromium.wait(f"document.body.innerText.includes('{command}')")
        yield chromium


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("GRAPHPATH_ARTIFACTS")
    folder = Path(kept) / "browser" if kept else tmp_path_factory.mktemp("browser")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def parameters(store: Store, name: str) -> dict[str, Any]:
    """Values with which the query has something to show."""
    first = store.query("pathways/of_run", run=RUN).iloc[0]
    heaviest = store.cypher(
        "MATCH (c:ClassPathway) WHERE c.run = $run RETURN c.id AS id ORDER BY c.edges DESC LIMIT 1", run=RUN
    )
    passed = store.cypher(
        "MATCH (p:Pathway)-[:VISITS]->(n:Neuron) WHERE p.id = $id AND n.layer = 2 RETURN min(n.id) AS id",
        id=int(first.pathway),
    )
    known: dict[str, Any] = {
        "run": RUN,
        "pathway": int(first.pathway),
        "sample": int(first["sample"]),
        "class_pathway": int(heaviest.id[0]),
        "neuron": int(passed.id[0]),
        "runs": [RUN, f"{RUN}-adv"],
    }
    pair = store.cypher(
        "MATCH (p:Pathway)-[:OF_SAMPLE]->(d:Sample)-[:DERIVED_FROM]->(o:Sample) WHERE p.run = $run "
        "RETURN d.id AS derived, o.id AS original ORDER BY d.id",
        run=f"{RUN}-adv",
    )
    known |= {"derived": int(pair.derived[0]), "original": int(pair.original[0])}
    return {key: value for key, value in known.items() if key in queries.find(name).parameters}


def drawn(page: Chromium) -> tuple[int, int]:
    """How many nodes and relationships the newest answer shows."""
    count = "document.querySelectorAll('{} svg g.{}').length".format
    return page.value(count(STREAM, "node")), page.value(count(STREAM, "relationship"))


def run_what_is_filled_in(page: Chromium, name: str) -> None:
    """Presses the arrow once the query stands in the editor and the server's style has been set."""
    title = json.dumps(queries.find(name).title)
    page.wait(f"{EDITOR}?.includes({title})")
    page.wait("document.body.innerText.includes(':style')")
    page.click("[data-testid=editor-Run]")


@pytest.mark.parametrize("name", BROWSE)
def test_every_browse_query_draws_what_it_returns(
    name: str, page: Chromium, neo4j_server: Server, store: Store, pictures: Path
) -> None:
    values = parameters(store, name)
    graph = store.graph(name, **values)
    assert 0 < graph.number_of_nodes() <= 300
    page.open(build_address(neo4j_server.uri, neo4j_server.browser, query_text(name, **values)))
    run_what_is_filled_in(page, name)
    page.wait(f"document.querySelectorAll('{STREAM} svg g.node').length")
    page.wait(f"document.querySelector('{STREAM}').innerText.includes('Displaying')")
    assert drawn(page) == (graph.number_of_nodes(), graph.number_of_edges())
    assert not page.value(f"document.querySelector('{STREAM}').innerText.includes('Warn')")
    page.picture(pictures / f"{name.replace('/', '-')}.png")


def test_a_pathway_is_coloured_by_layer(
    page: Chromium, neo4j_server: Server, store: Store, pictures: Path
) -> None:
    values = parameters(store, "browse/pathway") | {"limit": 40}
    graph = store.graph("browse/pathway", **values)
    layers = {layer for _, layer in graph.nodes(data="layer")}
    assert len(layers) >= 4
    page.open(build_address(neo4j_server.uri, neo4j_server.browser, query_text("browse/pathway", **values)))
    run_what_is_filled_in(page, "browse/pathway")
    page.wait(f"document.querySelectorAll('{STREAM} svg g.node').length")
    fills = page.value(
        f"[...document.querySelectorAll('{STREAM} svg g.node circle')]"
        ".map(circle => circle.getAttribute('fill')).filter(fill => fill && fill.startsWith('#'))"
    )
    assert set(map(str.upper, fills)) == {PALETTE[layer][0] for layer in layers}
    page.click(f"{STREAM} [title=Fullscreen]")
    page.picture(pictures / "pathway-by-layer.png")


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    export_kit(tmp_path)
    return tmp_path


def favourites(page: Chromium) -> dict[str, set[str]]:
    """Titles by folder, as the drawer behind the star shows them."""
    if not page.value("!!document.querySelector('[data-testid^=savedScriptsButton]')"):
        page.click("[data-testid=navigationFavorites]")
    page.wait("document.querySelectorAll('[data-testid^=savedScriptsFolder]').length")
    folders = "[...document.querySelectorAll('[data-testid^=savedScriptsFolder]')]"
    page.value(f"{folders}.forEach(one => one.querySelector('[data-testid^=expandFolder]').click())")
    inside = "[...one.querySelectorAll('[data-testid^=scriptTitle]')].map(title => title.innerText)"
    found = page.value(f"{folders}.map(one => [one.dataset.testid, {inside}])")
    return {name.removeprefix("savedScriptsFolder-"): set(titles) for name, titles in found}


def test_the_archive_of_queries_becomes_favourites(
    page: Chromium, neo4j_server: Server, kit: Path, pictures: Path
) -> None:
    page.open(build_address(neo4j_server.uri, neo4j_server.browser))
    page.wait("document.body.innerText.includes(':style')")
    page.wait("document.body.innerText.includes(':play start')")
    page.drop(kit / "queries.zip")
    page.click("[data-testid=navigationFavorites]")
    page.wait("document.querySelectorAll('[data-testid^=\"savedScriptsFolder-graphpath\"]').length")
    expected: dict[str, set[str]] = {}
    for query in queries.catalogue().values():
        expected.setdefault(f"graphpath {query.topic}", set()).add(query.title)
    shown = favourites(page)
    assert {name: titles for name, titles in shown.items() if name.startswith("graphpath")} == expected
    page.picture(pictures / "favourites.png")
    title = queries.find("runs/all").title
    page.click(f'[data-testid="scriptTitle-{title}"]')
    page.wait(f"{EDITOR}?.includes({json.dumps(title)})")
    page.click("[data-testid=editor-Run]")
    page.wait(f"document.querySelector('{STREAM}')?.innerText.includes('{RUN}')")


def test_a_single_query_is_saved_or_pasted(page: Chromium, kit: Path) -> None:
    page.drop(kit / "queries" / "pathways" / "hubs.cypher")
    page.click(".filedrop-paste-in-editor")
    page.wait(f"{EDITOR}?.includes('The busiest neurons')")


def test_the_style_sheet_is_taken_when_dropped(page: Chromium, kit: Path) -> None:
    """Not only the one that this server sets: another colour comes with the file."""
    sheet = (kit / "graphpath.grass").read_text("utf-8")
    (kit / "graphpath.grass").write_text(re.sub("#0072B2", "#123456", sheet), "utf-8")
    page.drop(kit / "graphpath.grass")
    page.wait(f"document.querySelector('{STREAM}')?.innerText.includes('#123456')")
    assert "node.L1" in page.value(f"document.querySelector('{STREAM}').innerText")
