"""The picture of all verdicts."""

from __future__ import annotations

from xml.etree import ElementTree

import pandas as pd
import pytest

pytest.importorskip("torch")

from graphpath.studies.board import draw_board
from graphpath.studies.summary import describe_setting
from graphpath.studies.verdicts import FAILS, HOLDS, UNSURE

LONG = "a claim of so many words " * 10


def table() -> pd.DataFrame:
    rows = [
        ("one", "a/x", "first", "p", HOLDS),
        ("one", "a/x", "first", "q", FAILS),
        ("one", "a/x", LONG, "", UNSURE),
        ("two <&>", "a/x", "first", "p", UNSURE),
        ("two <&>", "b/y", "second", "", FAILS),
    ]
    columns = ["on", "study", "claim", "part", "verdict"]
    return pd.DataFrame(rows, columns=columns).assign(why="for reasons.", seeds=3)


def test_every_verdict_has_its_mark_in_the_column_of_its_setting() -> None:
    drawing = ElementTree.fromstring(draw_board(table()))
    marks = {
        mark.findtext("title"): mark
        for group in drawing.iter("g")
        for mark in group
        if mark.find("title") is not None
    }
    told = {
        f"{one.on}{', ' + one.part if one.part else ''}: {one.verdict}. for reasons.": one
        for one in table().itertuples()
    }
    assert set(told) <= set(marks)
    middle = {}
    for words, one in told.items():
        mark = marks[words]
        assert mark.tag == ("rect" if one.verdict == FAILS else "circle")
        x = float(mark.get("cx") or float(mark.get("x", 0)) + float(mark.get("width", 0)) / 2)
        middle.setdefault(one.on, []).append(x)
    assert max(middle["one"]) < min(middle["two <&>"])
    assert len(set(middle["one"])) == 3  # two parts beside each other, and one alone between them


def test_one_network_has_no_column_beside_others() -> None:
    alone = table().query("on == 'one'").assign(on="data, net, other", seeds=1)
    both = pd.concat([table(), alone])
    assert draw_board(both) == draw_board(table())
    drawing = ElementTree.fromstring(draw_board(alone))
    shown = {text.text: float(text.get("y", 0)) for text in drawing.iter("text")}
    assert shown["data"] < shown["net"] < shown["other"] < shown["a/x"]


def test_a_long_claim_is_cut_and_shown_whole_to_who_points_at_it() -> None:
    drawing = ElementTree.fromstring(draw_board(table()))
    assert LONG in [title.text for title in drawing.iter("title")]
    shown = [text.text or "" for text in drawing.iter("text")]
    assert any(words.endswith("…") and LONG.startswith(words[:-1]) for words in shown)
    assert all(len(words) < len(LONG) for words in shown)


def test_a_setting_says_of_how_many_groups_its_studies_are() -> None:
    given = table().assign(network="n", accuracy=0.9, over="group of images")
    assert describe_setting(given).startswith("On one, 3 groups of images: n (90.0%")
    given["seeds"] = [3, 3, 0, 3, 5]  # 0: not measured
    assert describe_setting(given).startswith("On one, 3 to 5 groups of images: n (90.0%")
    assert describe_setting(given.iloc[:4]).startswith("On one, 3 groups of images:")
