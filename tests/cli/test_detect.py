"""``graphpath detect``, from images to verdicts, by command line; what it computes is tested elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from graphpath.detect import Detector
from graphpath.stores import open_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, a store with the classes' run, clean and attacked images, and the attacked images."""
    from typer.testing import CliRunner

    from graphpath.cli import app

    folder = tmp_path_factory.mktemp("detect")
    store, model = ["--store", folder / "s.lbdb"], ["--model", folder / "m.pt", "--data"]
    own = ["--target", "own", "--routes", 0]
    for words in (
        ["train", "--data", "digits", "--out", folder / "m.pt", "--epochs", 2],
        ["attack", *model, "digits", "--limit", 60, "--attack", "bim", "--epsilon", 0.3,
         "--out", folder / "bim"],
        ["attack", *model, "digits", "--limit", 60, "--attack", "deepfool", "--option", "overshoot=0.05",
         "--out", folder / "fool"],
        ["trace", *model, "digits", "--split", "train", "--limit", 200, *own, "--out", folder / "t-classes"],
        ["trace", *model, "digits", "--limit", 60, *own, "--out", folder / "t-clean"],
        ["trace", *model, folder / "bim", *own, "--out", folder / "t-bim"],
        ["trace", *model, folder / "fool", *own, "--out", folder / "t-fool"],
        ["load", *(folder / f"t-{name}" for name in ("classes", "clean", "bim", "fool")), *store,
         "--min-support", 1],
        ["detect", "fit", *store, "--out", folder / "d.json"],
    ):  # fmt: skip
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
    assert "max-softmax on bim 0.3" in result.stdout and "of clean images for attacked" in result.stdout
    assert "trained_on" in result.stdout
    return folder


def scored(place: Path, *more: object) -> list[object]:
    return ["detect", "score", "--detector", place / "d.json", "--store", place / "s.lbdb", "--model",
            place / "m.pt", *more]  # fmt: skip


def test_new_images_get_verdicts(call, place) -> None:
    shown = call(*scored(place, "--data", place / "bim", "--limit", 12))
    assert shown.exit_code == 0, shown.output
    assert "of 12 images are taken for attacked" in shown.stdout
    attacked, clean = (
        json.loads(call(*scored(place, "--data", data, "--json")).stdout)
        for data in (place / "bim", "digits")
    )
    share = [sum(row["attacked"] for row in rows) / len(rows) for rows in (attacked, clean)]
    assert share[0] > share[1] and len(clean) == 360
    with open_store(place / "s.lbdb") as store:
        expected = Detector.load(place / "d.json").score(store, place / "t-bim")
    assert [row["score"] for row in attacked] == pytest.approx(expected.score.tolist())
    assert {"sample", "score", "layer", "outside", "softmax"} <= attacked[0].keys()


def test_a_verdict_is_explained(call, place, tmp_path) -> None:
    out = ["--out", tmp_path / "kept"]
    [first, *_] = json.loads(
        call(*scored(place, "--data", place / "bim", "--limit", 3, "--json", *out)).stdout
    )
    assert (tmp_path / "kept" / "run.json").is_file()
    words = scored(place, "--data", place / "bim", "--limit", 3, "--explain", first["sample"], *out)
    told = call(*words)
    assert told.exit_code == 0, told.output
    assert "normal_first" in told.stdout and "strongest first" in told.stdout
    edges = json.loads(call(*words, "--json").stdout)
    assert f"{edges[0]['source_name']} -> {edges[0]['target_name']}" == first["outside"]


def test_one_attack_and_another_kind(call, place, tmp_path) -> None:
    words = ["detect", "fit", "--store", place / "s.lbdb", "--out", tmp_path / "d.json"]
    report = call(*words, "--kind", "forest", "--attack", "bim", "--csv")
    assert report.exit_code == 0, report.output
    rows = [line.split(",") for line in report.stdout.splitlines()]
    assert {row[0] for row in rows[1:]} == {"bim 0.3", "deepfool"} and rows[0][:2] == [
        "trained_on",
        "tested_on",
    ]
    assert json.loads((tmp_path / "d.json").read_text())["kind"] == "forest"


def test_what_the_method_learned_comes_from_the_classes(call, place, tmp_path) -> None:
    """Thresholds that were fitted on the classes' images are used for new ones."""
    model, own = ["--model", place / "m.pt", "--data"], ["--target", "own", "--routes", 0]
    fitted = ["--option", "phi=fitted", *own]
    classes, store = tmp_path / "classes", ["--store", tmp_path / "s.lbdb"]
    lent = [*fitted, "--fitted-on", classes]
    for words in (
        ["trace", *model, "digits", "--split", "train", "--limit", 80, *fitted, "--out", classes],
        ["trace", *model, "digits", "--limit", 60, *lent, "--out", tmp_path / "clean"],
        ["trace", *model, place / "bim", *lent, "--out", tmp_path / "bim"],
        ["load", classes, tmp_path / "clean", tmp_path / "bim", *store],
        ["detect", "fit", *store, "--out", tmp_path / "d.json"],
    ):
        assert call(*words).exit_code == 0
    known = Detector.load(tmp_path / "d.json")
    words = ["detect", "score", "--detector", tmp_path / "d.json", *store, *model, place / "bim", "--json"]
    scored = call(*words)
    assert scored.exit_code == 0, scored.output
    with open_store(tmp_path / "s.lbdb") as kept:
        expected = known.score(kept, tmp_path / "bim")
    assert [row["score"] for row in json.loads(scored.stdout)] == pytest.approx(expected.score.tolist())


def test_what_cannot_be_is_refused_in_one_sentence(refused, place, store, tmp_path) -> None:
    out = ["--out", tmp_path / "d.json"]
    assert "no run of attacked images" in refused("detect", "fit", "--store", store, *out)
    fit = ["detect", "fit", "--store", place / "s.lbdb", *out]
    assert "'magic' is unknown" in refused(*fit, "--kind", "magic")
    assert "attack 'cw' is not in the store" in refused(*fit, "--attack", "cw")
    assert "no store at" in refused("detect", "fit", "--store", tmp_path / "none.lbdb", *out)
    assert "cannot be read" in refused(
        *scored(place, "--data", "digits", "--detector", tmp_path / "none.json")
    )
    assert "has not the run" in refused(*scored(place, "--data", "digits", "--limit", 2, "--store", store))
    assert "was fitted on m" in refused(*scored(place, "--data", "digits", "--size", 64, "--limit", 1,
                                                "--model", "squeezenet1_1"))  # fmt: skip
