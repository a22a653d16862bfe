"""A class by its name, wherever a class is asked for: trace, verify, attack, and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import pandas as pd

import graphpath as gp
from graphpath.attacks import attack
from graphpath.cli import target
from graphpath.errors import MethodError
from graphpath.models import find_class, match_classes
from graphpath.tracing.batches import number_classes
from tests.models.test_matching import images, model

NAMES = ("tench, Tinca tinca", "crane", "zebra", "Crane", "n02391049_sorrel_horse")


def called(name: str, names: tuple[str, ...] | None = NAMES) -> int:
    found = images((), [0, 1]) if names is None else images(names, [0, 1])
    known = model(names, outputs=5)
    return find_class(name, known, match_classes(known, found), "target", "predicted")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("zebra", 2),
        ("ZEBRA", 2),
        ("tinca_tinca", 0),
        ("crane", 1),
        ("Crane", 3),
        ("sorrel horse", 4),
        ("n02391049", 4),
    ],
)
def test_a_name_is_found_as_the_images_classes_are(name: str, number: int) -> None:
    assert called(name) == number


@pytest.mark.parametrize(
    ("name", "names", "sentence"),
    [
        ("CRANE", NAMES, r"target='CRANE' may be several classes of net: 1 \('crane'\), 3 \('Crane'\)"),
        (
            "zebu",
            NAMES,
            r"'zebu' is unknown; expected one of predicted, or a class by name \(of 5 .* 'zebra'",
        ),
        ("zebra", None, "net names no classes"),
    ],
)
def test_what_is_no_class_or_several_is_refused(
    name: str, names: tuple[str, ...] | None, sentence: str
) -> None:
    with pytest.raises(MethodError, match=sentence):
        called(name, names)


def test_the_images_names_do_where_the_model_has_none() -> None:
    known = model(None, outputs=5)
    assert find_class("zebra", known, match_classes(known, images(NAMES, [0, 1])), "target", "own") == 2


def test_trace_verify_and_attack_take_names(tmp_path: Path) -> None:
    known, given = model(NAMES), images(NAMES, [0, 1, 2, 1])
    one, two = (gp.trace(known, given, target=t, out=tmp_path / str(t)) for t in ("Zebra", 2))
    assert one.id == two.id and one.run["parameters"]["target"] == 2
    pair = gp.trace(known, given, target=("zebra", "tench"), out=tmp_path / "pair")
    assert pair.run["parameters"]["target"] == {"contrast": [2, 0]}
    asked = {"answer": pd.DataFrame({"neuron": [1, 2]}), "target": "zebu"}
    with gp.open(tmp_path / "a.lbdb") as store:
        store.load(one, min_support=1)
        with pytest.raises(MethodError, match="target='zebu' is unknown"):
            gp.verify(known, given, store=store, **asked)
        assert number_classes("zebra", known, match_classes(known, given)) == 2  # as verify asks
    made = attack(known, given, "fgsm", targeted="zebra", out=tmp_path / "set")
    assert made.provenance["targeted"] == 2
    with pytest.raises(MethodError, match="targeted='zebu' is unknown; expected one of least_likely"):
        attack(known, given, "fgsm", targeted="zebu", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(MethodError, match="the difference of a class with itself"):
        gp.trace(known, given, target=("zebra", 2), out=tmp_path / "same")


def test_the_command_line_passes_a_name_on() -> None:
    assert target.parse_target("zebra") == "zebra" and target.parse_target("zebra, crane") == (
        "zebra",
        "crane",
    )
