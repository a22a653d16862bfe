"""The images of a study: turned where that is asked, and what was met in them is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from graphpath.cli.notes import keep_notes, report_notes
from graphpath.stores import Scheme
from graphpath.studies.setting import Setting


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of two classes, the first of which lies on its side by its EXIF orientation."""
    for number in range(4):
        place = tmp_path / "images" / str(number % 2)
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        exif = Image.Exif()
        if number == 0:
            exif[274] = 6
        Image.fromarray(pixels).save(place / f"{number}.png", exif=exif)
    return tmp_path / "images"


def test_exif_turns_a_studys_images(folder: Path, tmp_path: Path) -> None:
    plain, turned = (Setting(tmp_path, str(folder), seeds=(0,), exif=exif) for exif in (False, True))
    one, two = (setting.images() for setting in (plain, turned))
    assert torch.equal(two.batch(0, 1)[0], torch.rot90(one.batch(0, 1)[0], -1, (1, 2)))
    assert torch.equal(one.batch(1, 4), two.batch(1, 4)) and one.fingerprint != two.fingerprint
    assert plain.format_command() == ["--data", str(folder), "--out", str(tmp_path), "--seeds", "1"]
    assert "--exif" in turned.format_command() and turned.describe() != plain.describe()
    assert turned._locate_checkpoint(0) != plain._locate_checkpoint(0)


def test_the_command_names_the_column_that_was_asked_for(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "kinds.csv").write_text("name,category,coarse\n0,a,b\n")
    plain, asked = (Scheme.read(tmp_path / "kinds.csv", "kinds", column) for column in (None, "coarse"))
    words = Setting(tmp_path, str(folder), scheme=asked).format_command()
    place = words.index("--categories")
    assert words[place : place + 6] == [
        *("--categories", str(tmp_path / "kinds.csv"), "--scheme", "kinds", "--column", "coarse")
    ]
    assert "--column" not in Setting(tmp_path, str(folder), scheme=plain).format_command()


def test_what_is_met_is_said_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with report_notes():
        setting = keep_notes(Setting(tmp_path, str(folder), seeds=(0,)))
        for _ in range(3):
            setting.images(limit=2).batch(0, 2)
            setting.images().batch(0, 4)
        assert capsys.readouterr().err == ""
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("note: ") and "EXIF" in line and "0.png" in line
