"""Studies of one given network: groups of its images instead of seeds, categories of its classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from graphpath.data import open_images  # noqa: E402
from graphpath.models import Opening  # noqa: E402
from graphpath.record.files import read_json  # noqa: E402
from graphpath.stores.categories import Scheme  # noqa: E402
from graphpath.studies import (  # noqa: E402
    MEASURED,
    STUDIES,
    Bench,
    Claim,
    Effects,
    Measurement,
    Setting,
    Study,
    run_study,
)
from graphpath.studies.conditions import GROUP, RANDOM, TRAINED  # noqa: E402
from graphpath.studies.decisions import compute_logits, decide, decide_images  # noqa: E402
from tests.cli.conftest import call, refused  # noqa: E402, F401

NETWORK = """
import torch
from torch import nn

def small():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 25, 6)
    )
"""
CLASSES = ("collie", "pug", "tabby", "siamese", "anvil", "harp")
CATEGORIES = {"collie": "dog", "pug": "dog", "tabby": "cat", "siamese": "cat", "anvil": "", "harp": ""}


def write_images(folder: Path, names: tuple[str, ...], each: int, side: int = 20) -> Path:
    """Noisy images, every class of its own colour."""
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            random = np.random.default_rng((place, number))
            pixels = random.integers(0, 120, (side, side, 3)) + 20 * np.array([place % 2, place // 2, 1]) * 3
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{name}{number}.png")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, its classes, their categories, and images of either."""
    folder = tmp_path_factory.mktemp("groups")
    (folder / "nets.py").write_text(NETWORK)
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    rows = [f"{name},{kind}" for name, kind in CATEGORIES.items()]
    (folder / "kinds.csv").write_text("\n".join(["name,category", *rows]))
    write_images(folder / "classes", CLASSES, 7)
    train(folder)
    write_images(folder / "kinds", ("cat", "dog"), 5)
    return folder


def train(folder: Path) -> None:
    """Weights with which the network knows most of these images."""
    images = open_images(str(folder / "classes"), size=16)
    network, labels = _make_network(folder), torch.from_numpy(images.labels.astype(np.int64))
    # The folder lists its classes in alphabetical order.
    labels = torch.tensor([CLASSES.index(name) for name in images.classes])[labels]
    pixels, steps = (images.batch(0, len(images)) - 0.5) / 0.25, torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(40):
        steps.zero_grad()
        torch.nn.functional.cross_entropy(network(pixels), labels).backward()
        steps.step()
    torch.save(network.state_dict(), folder / "trained.pt")


def make_setting(
    made: Path, out: Path, data: str = "classes", groups: int = 4, *, trained: bool = False
) -> Setting:
    weights = str(made / "trained.pt") if trained else None
    return Setting(
        out,
        str(made / data),
        seeds=tuple(range(groups)),
        models=(f"{made / 'nets.py'}:small",),
        opening=Opening(weights, mean="0.5", std="0.25", classes=str(made / "classes.txt")),
        size=16,
        scheme=Scheme.read(made / "kinds.csv", "kinds"),
    )


def measure(bench: Bench) -> Measurement:
    """The share of each group's images that are of a category; what no network decides."""
    kinds = bench.name_categories(bench.test)
    mine = bench.deal_groups(kinds) == bench.place
    found = Effects()
    found.add("images", MEASURED, mine.sum())
    found.add("dogs", MEASURED, (kinds[mine] == "dog").mean())
    return Measurement(found.frame())


STUDY = Study(
    name="test/groups",
    title="Groups",
    paper="None",
    needs="Counts.",
    claims=(Claim("There are dogs", "dogs", 0.0, beside=(RANDOM,)),),
    measure=measure,
    over=GROUP,
    categories=True,
)


def test_groups_are_disjoint_even_and_of_one_network(made: Path, tmp_path: Path) -> None:
    setting = make_setting(made, tmp_path)
    result = run_study(STUDY, setting)
    effects = result.tables["effects"]
    images = effects[(effects.quantity == "images") & (effects.network == TRAINED)]
    assert sorted(images.value) == [10, 10, 11, 11] and images.value.sum() == 42
    assert effects[effects.quantity == "dogs"].value.between(3 / 11, 4 / 10).all()
    [verdict] = result.verdicts.itertuples()
    assert verdict.verdict == "holds" and verdict.over == GROUP and verdict.seeds == 4
    assert " over 4 groups of images" in verdict.why
    assert "4 groups of images" in result.page.read_text() and "over seeds" not in result.page.read_text()
    loaded = [setting.network(kind, seed).sha256 for kind in (TRAINED, RANDOM) for seed in (0, 3)]
    assert loaded[0] == loaded[1] != loaded[2] == loaded[3]
    again = run_study(STUDY, make_setting(made, tmp_path, groups=3)).tables["effects"]
    assert again[again.quantity == "images"].value.eq(14).all()  # other groups are measured anew


def test_groups_are_even_within_each_kind(made: Path, tmp_path: Path) -> None:
    setting = make_setting(made, tmp_path)
    kinds = np.array(["a"] * 9 + ["b"] * 2 + ["c"] * 13)
    dealt = []
    for seed in setting.seeds:
        with Bench(setting, seed, TRAINED, setting.network(TRAINED, seed), {}) as bench:
            assert bench.place == seed
            dealt.append(bench.deal_groups(kinds))
    assert all(np.array_equal(dealt[0], one) for one in dealt)
    table = pd.crosstab(kinds, dealt[0])
    assert ((table.max(axis=1) - table.min(axis=1)) <= 1).all() and table.sum().eq(6).all()


def test_categories_of_images_and_what_a_network_decides(made: Path, tmp_path: Path) -> None:
    setting = make_setting(made, tmp_path)
    model = setting.network(TRAINED, 0)
    with Bench(setting, 0, TRAINED, model, {}) as bench:
        kinds, images = bench.name_categories(bench.test), bench.test
    expected = [CATEGORIES[images.classes[label]] for label in images.labels]
    assert kinds.tolist() == expected
    assert setting.scheme is not None
    decided = decide_images(model, images, setting.scheme)
    assert set(decided) == {"cat", "dog"}
    probable = torch.cat(list(compute_logits(model, images))).double().softmax(1).numpy()
    means = {kind: probable[:, [CLASSES.index(n) for n in CLASSES if CATEGORIES[n] == kind]].mean(1)
             for kind in ("cat", "dog")}  # fmt: skip
    assert decided.tolist() == np.where(means["dog"] > means["cat"], "dog", "cat").tolist()


def test_a_category_of_many_classes_has_no_advantage() -> None:
    """Three classes of .2 lose against one of .3, and what is in no category has no say."""
    probable = torch.tensor([[0.2, 0.2, 0.2, 0.3, 0.1], [0.02, 0.02, 0.04, 0.02, 0.9]])
    assert decide(probable.log(), {0: "a", 1: "a", 2: "a", 3: "b"}).tolist() == ["b", "a"]


def test_images_labelled_with_categories_have_no_class(made: Path, tmp_path: Path) -> None:
    setting = make_setting(made, tmp_path, "kinds")
    model = setting.network(TRAINED, 0)
    images = setting.match(model, setting.images())
    assert images.classes == CLASSES and set(images.labels) == {-1} and images.shape == (3, 16, 16)
    assert setting.scheme is not None
    decided = decide_images(model, setting.images(), setting.scheme)
    expected = float(np.mean(decided == np.repeat(["cat", "dog"], 5)))
    assert 0 < expected < 1 and setting.measure_accuracy(2) == pytest.approx(expected)


def test_the_command_opens_such_a_network(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., object],  # noqa: F811
    refused: Callable[..., str],  # noqa: F811
) -> None:
    monkeypatch.setitem(STUDIES, STUDY.name, STUDY)
    model = f"{made / 'nets.py'}:small"
    torch.manual_seed(5)
    state = _make_network(made).state_dict()
    changed = {name: torch.randn_like(value) / 5 for name, value in state.items()}
    torch.save(changed, made / "changed.pt")
    words = ["study", "groups", "--model", model, "--data", made / "classes", "--out", tmp_path / "out"]
    given = ["--weights", made / "changed.pt", "--mean", "0.5", "--std", "0.25", "--size", "16"]
    given += ["--classes", made / "classes.txt"]
    assert "--categories FILE --scheme NAME" in refused(*words, *given)
    asked = [*words, *given, "--categories", made / "kinds.csv", "--scheme", "kinds"]
    shown = call(*asked).stdout  # type: ignore[attr-defined]
    assert "over 5 groups of images" in shown
    facts = read_json(next((tmp_path / "out").glob("*/test/groups/study.json")))
    assert facts["command"][:2] == ["--data", str(made / "classes")]
    again = call("study", "groups", *facts["command"]).stdout  # type: ignore[attr-defined]
    assert again == shown
    assert "1 networks for 2 seeds" in refused("study", "key_maps", *asked[2:], "--seeds", "2")


def _make_network(made: Path) -> torch.nn.Module:
    space: dict[str, Callable[[], torch.nn.Module]] = {}
    exec((made / "nets.py").read_text(), space)
    return space["small"]()
