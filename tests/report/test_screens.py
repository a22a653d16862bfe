"""Reports on networks of 5, 51 and 150 layers, as a browser shows them at 1400 and at 400 pixels.

The screenshots go to $GRAPHPATH_ARTIFACTS where that is set, else to pytest's own folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphpath.record import ImageSet, Trace, write_image_set
from graphpath.record.imageset import ImagePart
from graphpath.report import write_report
from graphpath.stores import open_store
from tests.chromium import Chromium, need_chromium
from tests.synthetic import write_trace

WIDTHS = (1400, 400)
HEIGHT = 1000
LAYERS = (5, 51, 150)
MOST_BYTES = 10_000_000
"""Of a report on 100 images."""

OVERLAPS = """(() => {
  const shown = [...document.querySelectorAll("svg.pathway")].find((svg) => svg.getClientRects().length);
  const boxes = [...shown.querySelectorAll("text.caption, text.note, text.class")]
    .map((text) => [text.textContent, text.getBoundingClientRect()]);
  const over = ([, a], [, b]) => a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 4 && b.top < a.bottom - 4;
  return boxes.flatMap((one, i) => boxes.slice(i + 1).filter((two) => over(one, two))
    .map((two) => `${one[0]} | ${two[0]}`));
})()"""
FIRST = "[...document.querySelectorAll('svg.pathway')].find((one) => one.getClientRects().length)"


def make_images(trace: Trace, side: int, folder: Path) -> ImageSet:
    """A blob of its own colour for every sample: photographs compress about as well."""
    samples, categories = trace.samples().to_table(), trace.categories().to_table()
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    centres, colours = random.random((len(samples), 2)), random.random((len(samples), 3))
    blobs = [np.exp(-8 * ((y - b) ** 2 + (x - a) ** 2)) for a, b in centres]
    pixels = np.stack([blob * colour[:, None, None] for blob, colour in zip(blobs, colours, strict=True)])
    return write_image_set(folder, [ImagePart(samples, pixels.astype(np.float32))], categories)


@pytest.fixture(scope="module", params=LAYERS)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on twelve images of a network of so many layers, and what an attack made of them."""
    folder = tmp_path_factory.mktemp(f"layers{request.param}")
    many = {"layers": request.param, "classes": 10, "edges_per_pathway": 12 * request.param}
    clean = write_trace(folder / "clean", run="clean", **many)
    attacked = write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, **many)
    with open_store(folder / "s.lbdb") as store:
        for trace in (clean, attacked):
            store.load(trace)
        images = [make_images(trace, 224, folder / f"images-{trace.id}") for trace in (clean, attacked)]
        return write_report(
            store, folder / f"layers-{request.param}.html", run="clean", images=images, pairs=2
        )


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, report: Path, tmp_path: Path) -> Iterator[tuple[Chromium, Path]]:
    need_chromium()
    with Chromium(tmp_path / "profile") as browser:
        browser.resize(request.param, HEIGHT)
        browser.open(report.as_uri())
        kept = Path(os.environ.get("GRAPHPATH_ARTIFACTS") or tmp_path)
        kept.mkdir(parents=True, exist_ok=True)
        yield browser, kept / f"report-{report.stem}-{request.param}.png"


def test_the_first_screen_shows_the_picture_and_nothing_lies_on_anything(page: Any) -> None:
    browser, kept = page
    browser.picture(kept)
    assert browser.value(OVERLAPS) == []
    assert browser.value(f"{FIRST}.getBoundingClientRect().top") < HEIGHT / 2
    width = browser.value("innerWidth")
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value(f"{FIRST}.getBoundingClientRect().right") <= width
    assert browser.value(f"{FIRST}.getBoundingClientRect().width") > 0.75 * min(width, 1200)


def test_a_click_opens_a_block_and_a_map_in_place(page: Any) -> None:
    browser, kept = page
    browser.value(f"{FIRST}.querySelectorAll('a')[1].id = 'try'")  # the first is the first block's head
    target = browser.value("document.getElementById('try').getAttribute('href')")
    opened = f"document.querySelector({target!r})"
    assert not browser.value(f"{opened}.open")
    browser.value("document.getElementById('try').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert browser.value(f"{opened}.open && {opened}.closest('details.block').open")
    assert browser.value(f"{opened}.querySelector('.map-large').getBoundingClientRect().width") > 100
    browser.value(f"{opened}.scrollIntoView({{behavior: 'instant', block: 'center'}})")
    browser.picture(kept.with_name(f"{kept.stem}-opened.png"))


def test_what_an_attack_changed_is_told_by_dash_and_colour(page: Any) -> None:
    browser, kept = page
    last = "[...document.querySelectorAll('svg.pathway')].filter((one) => one.getClientRects().length).at(-1)"
    looks = {}
    for tone in ("lost", "gained", "for", "against"):
        figure = last if tone in ("lost", "gained") else FIRST
        style = f"getComputedStyle({figure}.querySelector('path.edge.{tone}, path.ribbon.{tone}'))"
        looks[tone] = (browser.value(f"{style}.stroke"), browser.value(f"{style}.strokeDasharray"))
    assert len({colour for colour, _ in looks.values()}) == 4
    assert [tone for tone, (_, dash) in looks.items() if dash != "none"] == ["lost"]
    browser.value(f"{last}.scrollIntoView({{behavior: 'instant', block: 'center'}})")
    browser.picture(kept.with_name(f"{kept.stem}-attack.png"))


def test_a_report_on_a_hundred_photographs_is_small(tmp_path: Path) -> None:
    trace = write_trace(
        tmp_path / "t", run="r", samples=100, classes=10, layers=51, edges_per_pathway=1000, part_size=50
    )
    with open_store(tmp_path / "s.lbdb") as store:
        store.load(trace)
        images = [make_images(trace, 224, tmp_path / "images")]
        file = write_report(store, tmp_path / "report.html", images=images)
    assert 200_000 < file.stat().st_size < MOST_BYTES
