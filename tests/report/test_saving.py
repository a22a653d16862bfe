"""Saving figures, in a real Chromium: what is clicked is what lies on the disk afterwards."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from graphpath.report.source import format_command
from graphpath.report.standalone import make_standalone, read_style
from tests.chromium import Chromium, need_chromium

SVG = "{http://www.w3.org/2000/svg}"
HEAT = "the-pathways-of-toy_classes-1_likeness-of-classes-layer-by-layer"
PATHWAY = "the-pathways-of-toy_pathways-1_one-image-of-each-class-the-one-most-like-its-class_class-0"

IMAGES = "the-pathways-of-toy_attacks-3_the-images"


@pytest.fixture(scope="module")
def browser(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The report, opened from a file as a reader would."""
    need_chromium()
    folder = tmp_path_factory.mktemp("saving")
    (folder / "report.html").write_text(page, "utf-8")
    with Chromium(folder / "profile") as chromium:
        chromium.open((folder / "report.html").as_uri())
        yield chromium


def saved(browser: Chromium, folder: Path, file: str, suffix: str) -> bytes:
    return browser.download(f'[data-file="{file}"] [data-as={suffix}]', folder, f"{file}.{suffix}")


def pixels(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def size(svg: ElementTree.Element) -> tuple[float, float]:
    _, _, width, height = map(float, svg.get("viewBox", "").split())
    return width, height


def test_every_drawing_has_its_buttons_and_they_are_seen(browser: Chromium) -> None:
    drawings = browser.value("document.querySelectorAll('figure .scroll:not(.tall) > svg').length")
    places = "[...document.querySelectorAll('.save')]"
    assert browser.value(f"{places}.length") == drawings > 8
    assert browser.value(f"{places}.every(one => !one.hidden)")
    files = browser.value(f"{places}.map(one => one.dataset.file)")
    assert all(re.fullmatch(r"[a-z0-9_-]{10,200}", file) for file in files)


def test_without_scripts_there_are_none(page: str) -> None:
    shown = re.findall(r'<p class="save"[^>]*>', page)
    assert len(shown) > 8
    assert all(one.endswith(" hidden>") for one in shown)


def test_the_svg_is_the_drawing_with_its_style_and_where_it_comes_from(
    browser: Chromium, page: str, tmp_path: Path
) -> None:
    text = saved(browser, tmp_path, HEAT, "svg").decode()
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert root[0].text == read_style()
    told = root.findtext(f"{SVG}desc", "").split("\n")
    assert told[0] == "Likeness of classes, layer by layer"
    assert format_command("categories/similarity", "", {"run": "clean"}).split("--store")[0] in told[1]
    [drawn] = re.findall(r"<svg(?:(?!<svg).)*Likeness of class pathways.*?</svg>", page, flags=re.DOTALL)
    expected = make_standalone(drawn, "\n".join(told))
    assert ElementTree.canonicalize(text) == ElementTree.canonicalize(expected)


@pytest.mark.parametrize("file", [HEAT, PATHWAY, IMAGES])
def test_the_svg_needs_nothing_from_outside(browser: Chromium, tmp_path: Path, file: str) -> None:
    text = saved(browser, tmp_path, file, "svg").decode()
    assert not re.search(r'href="(?!data:|#)|url\(|@import|var\(|<script', text)
    ids = re.findall(r'<symbol[^>]* id="([^"]+)"', text)
    assert {*re.findall(r'href="#([^"]+)"', text)} == {*ids}


@pytest.mark.parametrize("file", [HEAT, PATHWAY, IMAGES])
def test_the_png_is_the_drawing_at_twice_its_size_on_white(
    browser: Chromium, tmp_path: Path, file: str
) -> None:
    found = pixels(saved(browser, tmp_path, file, "png"))
    width, height = size(ElementTree.fromstring(saved(browser, tmp_path, file, "svg")))
    assert found.shape == (np.ceil(2 * height), np.ceil(2 * width), 3)
    white = (found == 255).all(axis=2)
    assert 0.01 < white.mean() < 0.99
    assert white[-1, -1]
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 50


def test_the_png_has_the_colours_of_the_drawing(browser: Chromium, tmp_path: Path) -> None:
    text = saved(browser, tmp_path, PATHWAY, "svg").decode()
    found = {
        tuple(pixel)
        for pixel in np.unique(pixels(saved(browser, tmp_path, PATHWAY, "png")).reshape(-1, 3), axis=0)
    }
    gold = re.search(r"\.route \{[^}]*stroke: #(\w+);", text)[1]
    assert tuple(bytes.fromhex(gold)) in found


def test_the_image_comes_along(browser: Chromium, tmp_path: Path) -> None:
    """The input in the PNG, cell by cell, is the one in the SVG."""
    root = ElementTree.fromstring(saved(browser, tmp_path, PATHWAY, "svg"))
    [image] = [one for one in root.iter(f"{SVG}image") if "input" in one.get("class", "")]
    encoded = image.get("href", "").removeprefix("data:image/png;base64,")
    expected = pixels(base64.b64decode(encoded))
    x, y, width, height = (2 * float(image.get(name, "")) for name in ("x", "y", "width", "height"))
    rows = (y + (np.arange(len(expected)) + 0.15) * height / len(expected)).astype(int)
    columns = (x + (np.arange(len(expected[0])) + 0.15) * width / len(expected[0])).astype(int)
    found = pixels(saved(browser, tmp_path, PATHWAY, "png"))[np.ix_(rows, columns)]
    assert np.median(np.abs(found - expected)) <= 2  # edges and dots lie over some cells
    assert expected.std() > 30


def test_what_is_saved_is_light_where_the_page_is_dark(browser: Chromium, tmp_path: Path) -> None:
    light = [saved(browser, tmp_path, HEAT, suffix) for suffix in ("svg", "png")]
    (tmp_path / "dark").mkdir()
    browser.emulate(prefers_color_scheme="dark")
    assert browser.value("matchMedia('(prefers-color-scheme: dark)').matches")
    dark = [saved(browser, tmp_path / "dark", HEAT, suffix) for suffix in ("svg", "png")]
    browser.emulate(prefers_color_scheme="light")
    assert dark == light
