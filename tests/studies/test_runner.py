"""Running a study: units, resumption, files, pages, the summary and the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from graphpath.errors import StudyError  # noqa: E402
from graphpath.studies import (  # noqa: E402
    MEASURED,
    RANDOM,
    STUDIES,
    Bench,
    Claim,
    Drawing,
    Effects,
    Measurement,
    Result,
    Setting,
    Study,
    find,
    make_frame,
    run_study,
    write_summary,
)
from graphpath.studies.drawings import draw_lines_over  # noqa: E402
from graphpath.studies.study import PrintedFigure  # noqa: E402
from tests.cli.conftest import call, refused  # noqa: E402, F401

CLAIM = Claim("A network is surer of its answers than before it was trained", "sure", 0.0, (RANDOM,))


class Counting:
    """A study that counts its units, and can be interrupted."""

    def __init__(self, stop_at: int = 99) -> None:
        self.units: list[tuple[str, int, str]] = []
        self.stop_at = stop_at

    def measure(self, bench: Bench) -> Measurement:
        if len(self.units) == self.stop_at:
            raise KeyboardInterrupt
        self.units.append((bench.network, bench.seed, bench.part))
        images = bench.images(int(bench.options["images"]))
        with torch.no_grad():
            sure = bench.model.module(images.batch(0, len(images))).softmax(1).amax(1).mean().item()
        found, rows = Effects(), [{"layer": layer, "line": "sure", "value": sure} for layer in (1, 2)]
        found.add("sure", MEASURED, sure)
        return Measurement(found.frame(), {"answers": make_frame(rows)})

    def study(self) -> Study:
        return Study(
            name="test/sure",
            title="Are networks sure?",
            paper="None",
            needs="Looks at answers.",
            claims=(CLAIM,),
            measure=self.measure,
            options={"images": 20, "kind": "plain"},
            parts=("a", "b"),
            draw=lambda t: [
                Drawing("By layer", "...", draw_lines_over(t["answers"], "layer", "line", "value"), "answers")
            ],
        )


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(tmp_path_factory.mktemp("studies"), seeds=(0, 1), widths=(4, 6), train_images=200)


@pytest.fixture(scope="module")
def run(setting: Setting) -> Result:
    return run_study(Counting().study(), setting)


def test_every_network_seed_and_part_is_a_unit(setting: Setting) -> None:
    counting = Counting()
    run_study(counting.study(), replace(setting, out=setting.out / "apart"))
    assert sorted(counting.units) == sorted(
        (network, seed, part) for network in ("trained", RANDOM) for seed in (0, 1) for part in "ab"
    )


def test_an_interrupted_study_goes_on(setting: Setting, run: Result) -> None:
    setting = replace(setting, out=setting.out / "interrupted")
    stopped = Counting(stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        run_study(stopped.study(), setting)
    folder = setting.folder / "test/sure/units"
    assert len(list(folder.iterdir())) == 3
    rest = Counting()
    result = run_study(rest.study(), setting)
    assert len(rest.units) == 8 - 3 and not set(rest.units) & set(stopped.units)
    pd.testing.assert_frame_equal(result.tables["effects"], run.tables["effects"])
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_one_process_at_a_time(setting: Setting, run: Result) -> None:
    code = "import sys; from graphpath.studies.runner import _lock_settings; from pathlib import Path"
    code += "\nwith _lock_settings(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(setting.out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "in\n"
        with pytest.raises(StudyError, match=f"being worked in by process {other.pid}: wait"):
            run_study(Counting().study(), setting)
        other.kill()
    assert len(run_study(Counting().study(), setting).verdicts) == 2


def test_published_figures_stand_beside_ours(setting: Setting, tmp_path: Path) -> None:
    study = replace(
        Counting().study(),
        printed=(
            PrintedFigure("surety", 0.25, "a book", "answers", "value", {"layer": 2}),
            PrintedFigure("doubt", 0.75, "a book", "answers", "value", {"layer": 3}),
        ),
    )
    setting = replace(setting, out=setting.out / "published")
    result = run_study(study, setting)
    ours = result.tables["answers"].query("network == 'trained' and layer == 2").groupby("seed").value.mean()
    found = pd.read_parquet(result.folder / "published.parquet")
    assert found.ours[0] == pytest.approx(ours.mean()) and found.low[0] < found.ours[0] < found.high[0]
    assert found.seeds.tolist() == [2, 0] and found.ours.isna().tolist() == [False, True]
    assert "images 20" in found.setting[0]
    write_summary(setting.out)
    for name in ("summary.html", "summary.md", "digits/test/sure/study.html"):
        text = (setting.out / name).read_text()
        assert "surety" in text and f"{ours.mean():.3g} [" in text and "not measured" in text
    pd.testing.assert_frame_equal(pd.read_parquet(setting.out / "published.parquet")[found.columns], found)


def test_other_options_are_measured_anew(setting: Setting, run: Result) -> None:
    again, other = Counting(), Counting()
    run_study(again.study(), setting)
    run_study(other.study(), setting, {"images": 10})
    assert (len(again.units), len(other.units)) == (0, 8)
    changed = Counting()
    run_study(replace(changed.study(), version=2), setting)
    assert len(changed.units) == 8


def test_tables_are_kept_as_parquet_and_csv(run: Result) -> None:
    assert list(run.tables["answers"].columns[:3]) == ["network", "seed", "part"]
    for name in ("effects", "answers", "verdicts"):
        parquet = pd.read_parquet(run.folder / f"{name}.parquet")
        assert len(pd.read_csv(run.folder / f"{name}.csv")) == len(parquet) > 0
    told = json.loads((run.folder / "study.json").read_text())
    assert told["options"] == {"images": 20, "kind": "plain"} and len(told["accuracy"]) == 2


def test_verdicts_are_of_every_claim_and_part(run: Result) -> None:
    assert list(zip(run.verdicts.claim, run.verdicts.part, strict=True)) == [
        (CLAIM.text, "a"),
        (CLAIM.text, "b"),
    ]
    effects = run.tables["effects"]
    own = effects[(effects.network == "trained") & (effects.part == "a")]
    assert run.verdicts.effect[0] == pytest.approx(own.value.mean())


def test_random_weights_are_drawn_anew(setting: Setting) -> None:
    trained, one, two = (setting.network(kind, 0) for kind in ("trained", RANDOM, RANDOM))
    assert one.sha256 == two.sha256 != trained.sha256
    assert setting.network(RANDOM, 1).sha256 != one.sha256
    assert setting.network("trained", 0).sha256 == trained.sha256  # not touched by it


def test_the_page_says_all(run: Result) -> None:
    page = run.page.read_text()
    assert CLAIM.text in page and run.verdicts.why[0] in page and "images = 20" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    figures = sorted((run.folder / "figures").glob("*.svg"))
    assert len(figures) == 3  # two parts of the claim, and the study's own
    for figure in figures:
        root = ElementTree.fromstring(figure.read_text())
        assert root.tag.endswith("svg")
        assert root.findtext("{*}desc", "").count("\n") >= 1  # its title, and what was asked
    assert page.count('class="save"') == len(figures)


def test_the_summary_gathers_all_studies(setting: Setting, run: Result) -> None:
    table = write_summary(setting.out)
    assert set(table.study) == {"test/sure"} and set(table.on) == {"digits"}
    text = (setting.out / "summary.md").read_text()
    assert CLAIM.text in text and f"{run.verdicts.effect[0]:.3g}" in text
    page = (setting.out / "summary.html").read_text()
    assert CLAIM.text in page
    assert "graphpath study test/sure --data digits --out" in page
    assert page.count('<details class="source">') == page.count("<figure")


def test_the_summary_says_by_which_command(setting: Setting, tmp_path: Path) -> None:
    setting = replace(setting, out=tmp_path)
    run_study(Counting().study(), setting, {"images": 12})
    assert set(write_summary(tmp_path).command) == {
        f"--data digits --out {tmp_path} --seeds 2 --option images=12"
    }
    file = tmp_path / "digits/test/sure/study.json"
    file.write_text(
        json.dumps({name: told for name, told in json.loads(file.read_text()).items() if name != "on"})
    )
    with pytest.raises(StudyError, match=r"study\.json is of an older graphpath: run that study again"):
        write_summary(tmp_path)


def test_a_network_that_is_given_stands_for_a_seed(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not trained, and what it gets right is measured once."""
    trained = setting.network("trained", 1)
    [checkpoint] = (setting.folder / "networks").glob("*seed1.pt")
    given = replace(setting, out=tmp_path, seeds=(5,), models=(str(checkpoint),))
    assert given.network("trained", 5).sha256 == trained.sha256
    assert given.measure_accuracy(5) == pytest.approx(setting.measure_accuracy(1), abs=1e-9)
    monkeypatch.setattr("graphpath.studies.setting.evaluate", lambda *_: pytest.fail("measured again"))
    assert given.measure_accuracy(5) == pytest.approx(setting.measure_accuracy(1), abs=1e-9)
    made = run_study(Counting().study(), given)
    assert set(made.verdicts.seeds) == {1} and made.verdicts.verdict.eq("cannot tell").all()


def test_what_cannot_be_run(setting: Setting, tmp_path: Path) -> None:
    study = Counting().study()
    with pytest.raises(StudyError, match="no option 'image'; it has images, kind"):
        run_study(study, setting, {"image": 3})
    with pytest.raises(StudyError, match="images='many' should be like its default, 20"):
        run_study(study, setting, {"images": "many"})
    with pytest.raises(StudyError, match="each once"):
        Setting(tmp_path, seeds=(1, 1))
    with pytest.raises(StudyError, match="2 networks for 3 seeds"):
        Setting(tmp_path, seeds=(0, 1, 2), models=("a.pt", "b.pt"))
    with pytest.raises(StudyError, match="1 networks for 2 seeds: test/sure needs as many"):
        run_study(study, Setting(tmp_path, seeds=(0, 1), models=("a.pt",)))
    with pytest.raises(StudyError, match="--categories FILE --scheme NAME"):
        run_study(replace(study, categories=True), setting)
    with pytest.raises(StudyError, match="leave none"):
        Bench(setting, 0, "trained", setting.network("trained", 0), {}).other_images(10, beside=360)


def test_studies_are_found_by_name() -> None:
    assert find("lyu/key_maps") is find("key-maps") is STUDIES["lyu/key_maps"]
    with pytest.raises(StudyError, match="did you mean"):
        find("lyu/key_map")


def test_every_study_says_what_it_is() -> None:
    for name, study in STUDIES.items():
        assert name == study.name and study.title and study.paper and study.needs and study.claims
        assert all(claim.text[-1].isalnum() or claim.text[-1] == ")" for claim in study.claims)


def test_the_command_line(
    call: Callable[..., object],  # noqa: F811
    refused: Callable[..., str],  # noqa: F811
    tmp_path: Path,
) -> None:
    assert "lyu/key_maps" in call("study", "--list").stdout  # type: ignore[attr-defined]
    assert "--list shows" in refused("study")
    assert "did you mean" in refused("study", "key_mapz")
    assert "has no option" in refused("study", "key_maps", "--out", tmp_path, "--option", "size=3")
    assert "none of these 2 studies" in refused(
        "study", "key_maps", "causal", "--out", tmp_path, "--option", "size=3"
    )
    assert "--root" in refused("study", "key_maps", "--out", tmp_path, "--data", "mnist")
