"""``graphpath examples``, on the bundled digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from graphpath.stores import open_store

pytest.importorskip("torch")

NET = """
from torch import nn

def Net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
"""


@pytest.fixture
def folder(tmp_path: Path, call: Callable[..., Result]) -> Path:
    """The store of six digits through a small network."""
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    model, trace = f"{tmp_path / 'net.py'}:Net", tmp_path / "trace"
    assert call("trace", "--model", model, "--data", "digits", "--limit", 6, "--out", trace).exit_code == 0
    assert call("load", trace, "--store", tmp_path / "a.lbdb").exit_code == 0
    return tmp_path


def test_a_sheet_of_two_maps(folder: Path, call: Callable[..., Result]) -> None:
    sheet = folder / "sheet.png"
    words = ["--store", folder / "a.lbdb", "--data", "digits", "--out", sheet, "--limit", 3]
    with open_store(folder / "a.lbdb") as store:
        [run] = store.runs().run
        counts = store.query("pathways/counts", layers=[1]).groupby("channel").pathways.sum()
    first, second = counts.sort_values().index[-2:]
    maps = ["--run", run, "--map", f"conv · map {first}", "--map", f"0 [{second}]"]
    result = call("examples", *words, *maps, "--by", "score")
    assert result.exit_code == 0, result.stderr
    *said, last = result.stdout.splitlines()
    for line, channel in zip(said, (first, second), strict=True):
        count = min(3, counts[channel])
        assert line.startswith(f"conv · map {channel}: {count} patch") and "of 3 x 3 pixels" in line
    assert last == str(sheet)
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"


def test_what_is_no_map_is_refused(folder: Path, refused: Callable[..., str]) -> None:
    words = ["--store", folder / "a.lbdb", "--data", "digits", "--out", folder / "sheet.png"]
    assert "no feature map 'conv · map 9'" in refused("examples", *words, "--map", "conv · map 9")
    assert not (folder / "sheet.png").exists()
