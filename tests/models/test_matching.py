"""Two numberings of the same classes: the images' and the model's."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

import graphpath as gp
from graphpath.attacks import attack
from graphpath.classes import Finder, find_wnid, simplify
from graphpath.data import MatchedImages, TensorImages, open_images
from graphpath.errors import DataError, MethodError, ModelError
from graphpath.models import LoadedModel, digest_weights, match_classes

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
IMAGENET = CASES.parent / "data" / "imagenet-classes.csv"


def model(classes: Sequence[str] | None, outputs: int | None = None, **facts: Any) -> LoadedModel:
    torch.manual_seed(0)
    count = outputs or len(classes or ())
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, count)).eval()
    named = None if classes is None else tuple(classes)
    return LoadedModel(module, "net", digest_weights(module), named, (1, 4, 4), **facts)


def images(classes: Sequence[str], labels: Sequence[int], **facts: Any) -> TensorImages:
    torch.manual_seed(1)
    return TensorImages(
        torch.rand(len(labels), 1, 4, 4), list(labels), classes=classes, dataset="pets", **facts
    )


# ---- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("zebra", 2),
        ("Zebra", 2),
        (" great__White-SHARK ", 0),
        ("great white shark", 0),
        ("n02391049_zebra", 2),
        ("n02391049", 2),
        ("zebra (N02391049)", 2),
        ("Tinca tinca", 1),
        ("tench", 1),
        ("3", 3),
        ("zero", 4),
        ("0", 4),
        ("Größe", 5),
    ],
)
def test_a_class_is_found_by_any_spelling(name: str, found: int) -> None:
    classes = ("great_white_shark", "tench, Tinca tinca", "n02391049 zebra", "3", "0 - zero", "gro\u0308ße")
    assert Finder(classes).find_classes(name) == [found]


def test_numbers_are_names_and_signs_are_kept() -> None:
    finder = Finder(("7", "07", "-1", "1", "a-b"))
    assert [finder.find_classes(name) for name in ("7", "07", "007", "-1", "1", "A B", "")] == [
        [0],
        [1],
        [],
        [2],
        [3],
        [4],
        [],
    ]


def test_a_wordnet_id_decides_where_both_have_one() -> None:
    finder = Finder(("crane", "crane"), ("n02012849", "n03126707"))
    assert finder.find_classes("n03126707_crane") == [1]
    assert finder.find_classes("crane") == [0, 1]
    assert finder.find_classes("n00000001_crane") == []
    assert (find_wnid("xn02012849"), find_wnid("n020128491"), simplify("A_b  C")) == (None, None, "a b c")


# ---- the two sides meet ------------------------------------------------------------------------------


def test_labels_become_the_models_numbers() -> None:
    met = match_classes(model(("cat", "dog", "zebra"), scheme="zoo"), images(("Zebra", "cat"), [0, 0, 1, -1]))
    assert met.labels.tolist() == [2, 2, 0, -1]
    assert (met.classes, met.scheme) == (("cat", "dog", "zebra"), "zoo")
    assert "Found by name among the model's 3 classes: 2 of the images' 2, 2 with another" in (
        met.numbered.words
    )


def test_numberings_that_agree_keep_their_ids() -> None:
    given = images(("cat", "dog"), [0, 1])
    for classes in (("cat", "dog"), ("Cat", "DOG")):
        met = match_classes(model(classes, scheme="zoo"), given)
        assert (met.fingerprint, met.scheme, met.classes) == (given.fingerprint, "pets", ("cat", "dog"))
        assert met.rows().equals(given.rows())
    assert match_classes(model(("dog", "cat"), scheme="zoo"), given).fingerprint != given.fingerprint


def test_samples_keep_their_ids_in_another_numbering() -> None:
    given = images(("dog", "cat"), [0, 1])
    met = match_classes(model(("cat", "dog")), given)
    assert met.rows()["sample"].equals(given.rows()["sample"])
    assert torch.equal(met.batch(0, 2), given.batch(0, 2))
    assert torch.equal(met.read(np.array([1])), given.batch(1, 2))


def test_a_class_that_the_model_lacks_is_refused_unless_by_position() -> None:
    known, given = model(("cat", "dog"), scheme="zoo"), images(("Katze", "dogs"), [0, 1])
    with pytest.raises(DataError, match=r"2 of the images' 2 classes are none .* net knows: 'Katze'"):
        match_classes(known, given)
    met = match_classes(known, given, "by-position")
    assert met.labels.tolist() == [0, 1]
    assert (met.classes, met.scheme) == (("cat", "dog"), "zoo")
    assert "by position: 'Katze' for 'cat', 'dogs' for 'dog'." in met.numbered.words
    with pytest.raises(MethodError, match="expected by-name or by-position"):
        match_classes(known, given, "by-size")


def test_only_classes_with_images_must_be_known() -> None:
    met = match_classes(model(("cat", "dog")), images(("Katze", "dog"), [1, 1]))
    assert met.labels.tolist() == [1, 1]
    assert "without images and none of the model's: 'Katze'" in met.numbered.words


def test_a_name_that_means_two_classes_is_refused() -> None:
    known = model(("crane", "dog", "crane"))
    with pytest.raises(DataError, match=r"'crane' of the images may be several of net's: 0 \('crane'\), 2"):
        match_classes(known, images(("crane",), [0]))
    # As many classes in the same order leave no doubt.
    assert match_classes(known, images(("Crane", "dog", "Crane"), [2, 0])).labels.tolist() == [2, 0]


def test_a_model_without_names_takes_as_many_classes_as_it_has_outputs() -> None:
    given = images(("cat", "dog"), [0, 1])
    met = match_classes(model(None, 2), given)
    assert (met.classes, met.fingerprint) == (("cat", "dog"), given.fingerprint)
    assert "names no classes" in met.numbered.words
    with pytest.raises(DataError, match=r"2 classes, and net has 3 outputs without names.*by-position"):
        match_classes(model(None, 3), given)
    assert match_classes(model(None, 3), given, "by-position").labels.tolist() == [0, 1]


def test_labels_without_names_are_outputs() -> None:
    met = match_classes(model(("cat", "dog")), images((), [1, -1]))
    assert met.labels.tolist() == [1, -1] and met.numbered.how == "numbers"
    assert match_classes(model(("cat", "dog")), images((), [-1])).numbered.how == "none"


def test_as_many_names_as_outputs() -> None:
    with pytest.raises(ModelError, match="net has 3 outputs and 2 names"):
        match_classes(model(("cat", "dog"), 3), images((), [0]))


def test_a_label_without_a_name_among_names_is_refused() -> None:
    with pytest.raises(DataError, match="labels '5' have no name"):
        match_classes(model(("cat", "dog")), images(("dog", "cat"), [0, 5]))


# ---- real inputs -------------------------------------------------------------------------------------


@pytest.mark.skipif(not (CASES / "empty_class_folder").is_dir(), reason="the case is not there")
def test_an_empty_class_folder_shifts_no_label(tmp_path: Path) -> None:
    digits = [str(number) for number in range(10)]
    given = open_images(CASES / "empty_class_folder", size=4, channels=1)
    trace = gp.trace(model(digits, scheme="digits"), given, out=tmp_path / "t", routes=0)
    samples = trace.samples().to_table()
    folders = [detail.split('"')[3].split("/")[0] for detail in samples["detail"].to_pylist()]
    assert [str(label) for label in samples["label"].to_pylist()] == folders
    assert trace.categories().to_table()["name"].to_pylist() == digits


@pytest.mark.skipif(not IMAGENET.is_file(), reason="the list is not there")
def test_imagenet_folders_find_torchvisions_classes() -> None:
    from torchvision.models import ResNet18_Weights

    from graphpath.models.imagenet import read_wnids

    with IMAGENET.open() as file:
        rows = list(csv.DictReader(file))
    assert list(read_wnids()) == [row["wnid"] for row in rows]
    finder = Finder(ResNet18_Weights.DEFAULT.meta["categories"], read_wnids())
    for row in rows:
        label = int(row["index"])
        assert (
            finder.find_classes(f"{row['wnid']}_{row['name']}") == finder.find_classes(row["wnid"]) == [label]
        )
    by_name = [finder.find_classes(row["name"]) for row in rows]
    # The list has crane and maillot twice; torchvision calls the other "crane bird" and "maillot tank suit".
    other = {label: places for label, places in enumerate(by_name) if places != [label]}
    assert other == {134: [517], 639: [638]}
    with pytest.raises(
        DataError, match=r"134 \('crane'\) and 517 \('crane'\) are both the model's class 517"
    ):
        match_classes(
            model(ResNet18_Weights.DEFAULT.meta["categories"], wnids=read_wnids()),
            images([row["name"] for row in rows], [134, 517]),
        )


# ---- wherever labels meet outputs --------------------------------------------------------------------


def test_a_trace_says_and_uses_the_models_numbers(tmp_path: Path) -> None:
    known, given = model(("cat", "dog", "zebra"), scheme="zoo"), images(("zebra", "cat"), [0, 1, 0])
    trace = gp.trace(known, given, out=tmp_path / "t", target="label", routes=0)
    assert trace.pathways().to_table()["target"].to_pylist() == [2, 0, 2]
    assert trace.samples().to_table()["label"].to_pylist() == [2, 0, 2]
    assert trace.categories().to_table()["name"].to_pylist() == ["cat", "dog", "zebra"]
    assert set(trace.categories().to_table()["scheme"].to_pylist()) == {"zoo"}
    assert trace.run["labels"]["matched"] == "by-name"
    assert "Found by name" in trace.run["labels"]["said"]
    assert trace.run["model"]["classes"] == 3
    with pytest.raises(DataError, match="none of the 3"):
        gp.trace(known, images(("ape",), [0]), out=tmp_path / "u")
    assert not (tmp_path / "u").exists()


def test_ids_of_before_are_kept(tmp_path: Path) -> None:
    """Those of a trace whose numberings agree, as graphpath gave them before it matched names."""
    given = images(("cat", "dog"), [0, 1])
    named, unnamed = (
        gp.trace(m, given, out=tmp_path / m.name, routes=0)
        for m in (
            model(("cat", "dog"), scheme="zoo"),
            LoadedModel(model(None, 2).module, "other", model(None, 2).sha256),
        )
    )
    assert named.id == unnamed.id
    assert named.categories().to_table().equals(unnamed.categories().to_table())


def test_attacked_images_have_the_models_classes(tmp_path: Path) -> None:
    known, given = model(("cat", "dog", "zebra"), scheme="zoo"), images(("zebra", "cat"), [0, 1, 0])
    made = attack(known, given, "fgsm", 0.1, out=tmp_path / "a")
    assert made.samples()["label"].to_pylist() == [2, 0, 2]
    assert made.categories()["name"].to_pylist() == ["cat", "dog", "zebra"]
    again = match_classes(known, open_images(str(tmp_path / "a")))
    assert (again.labels.tolist(), again.numbered.how) == ([2, 0, 2], "own")
    # Another network, another numbering: the prediction on the original is translated too.
    other = model(("zebra", "dog", "cat"), scheme="other")
    trace = gp.trace(other, made, out=tmp_path / "t", routes=0)
    said = [json.loads(detail)["predicted"] for detail in made.samples()["detail"].to_pylist()]
    assert trace.pathways().to_table()["target"].to_pylist() == [2 - number for number in said]


def test_a_high_label_makes_no_classes_of_those_below(tmp_path: Path) -> None:
    given = images((), [0, 16_777_217])
    trace = gp.trace(model(None, 2), given, out=tmp_path / "t", routes=0)
    found = trace.categories().to_table()
    assert found["label"].to_pylist() == [0, 1, 16_777_217]
    assert found["name"].to_pylist() == ["0", "1", "16777217"]


@pytest.mark.parametrize("labels", [[0.5, 1], [0, -2], [0, 2**31], ["a", "b"], [[0, 1]], [0, float("nan")]])
def test_labels_that_are_no_classes_are_refused(labels: list[Any]) -> None:
    with pytest.raises(DataError, match="labels"):
        TensorImages(torch.rand(2, 1, 4, 4), labels).rows()


def test_matching_once_is_enough() -> None:
    known = model(("cat", "dog"))
    met = match_classes(known, images(("dog",), [0]))
    assert isinstance(met, MatchedImages) and match_classes(known, met) is met
