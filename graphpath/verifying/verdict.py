"""The verdict: what is concluded of an ablated answer, in figures and in words."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from graphpath.ids import digest
from graphpath.schema import NODE
from graphpath.verifying.controls import CONTROLS, NULLS
from graphpath.verifying.outcomes import ANSWER
from graphpath.verifying.statistics import ALPHA, surely_above

MATTERS: Final = "matters"
NO_MORE: Final = "does not matter more than chance"
UNKNOWN: Final = "cannot tell"

WORDS: Final = {
    "random": "random ones",
    "live": "random live ones",
    "other": "live ones outside the answer",
}
LEAST_IMAGES: Final = 6
"""With fewer, even if all images agree, a sign test against chance does not reach the 5 % level."""
LEAST_DRAWS: Final = 19
"""With fewer, no p-value reaches the 5 % level."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What :func:`graphpath.verify` found.

    ``table`` has the figures, a row for each set (answer, and the controls random, live, other) and measure:
    ``size`` (mean number of neurons or edges of an image), ``change`` (of the mean, after less before) with
    its 95 % interval ``low`` to ``high``; of controls the p-value ``p`` and how much ``more`` the answer
    does, with its interval. ``decision`` is "matters", "does not matter more than chance" or "cannot tell";
    ``direction`` "necessary", "sufficient" or ""; ``words`` says it in two sentences.

    ``answer`` is a sha256 of what was ablated, ``kind`` neurons or edges, ``by`` answer or sample, ``layers``
    their numbers, ``text`` the Cypher, ``first`` the id of the network's first neuron, ``runs`` what the
    answer is of, ``fingerprint`` that of the images.
    """

    query: str
    text: str
    parameters: dict[str, Any]
    runs: tuple[str, ...]
    answer: str
    kind: str
    by: str
    layers: tuple[int, ...]
    model: str
    first: int
    sha256: str
    dataset: str
    fingerprint: str
    images: int
    mode: str
    baseline: str
    target: Any
    measure: str
    draws: int
    seed: int
    decision: str
    direction: str
    words: str
    made: str
    table: pd.DataFrame = field(repr=False)

    @property
    def id(self) -> int:
        """The same for the same answer, ablated in the same manner (52 bits)."""
        how = (self.mode, self.baseline, self.target, self.measure, self.draws, self.seed)
        what = (self.text, self.parameters, self.answer, self.kind, self.by, self.layers)
        return int(digest(self.sha256, self.fingerprint, what, how)[:13], 16)

    def row(self) -> dict[str, object]:
        """The properties of its node in a store."""
        plain = {name: getattr(self, name) for name in NODE["Verdict"].properties if hasattr(self, name)}
        return {
            **plain,
            "model": self.first,
            "parameters": json.dumps(self.parameters, sort_keys=True),
            "ablated": json.dumps(self.layers),
            "watched": json.dumps(self.target),
            "figures": self.table.to_json(orient="records", double_precision=10),
        }

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Finding:
    """The judgement of a table: its ``decision``, ``direction`` and reason.

    ``decision`` is "matters", "does not matter more than chance" or "cannot tell". ``why`` is a clause.

    ``direction`` is "necessary" where removing the answer matters and flips more than half of the
    predictions, "sufficient" where keeping it matters and flips less than half (each by its 95 % interval),
    else "".
    """

    decision: str
    direction: str
    why: str


def judge(table: pd.DataFrame, mode: str, measure: str, images: int, draws: int) -> Finding:
    """The judgement of a verdict's table by one of its measures.

    An answer matters if p <= .05 against both nulls, and for both the interval of ``more`` lies above 0. It
    does not matter more than chance if, of one of them, surely more than one draw in twenty does as much. If
    perhaps so many do, one cannot tell.
    """
    if images < LEAST_IMAGES:
        return Finding(UNKNOWN, "", f"{images} images are too few: at least {LEAST_IMAGES} are needed")
    if draws < LEAST_DRAWS:
        return Finding(UNKNOWN, "", f"{draws} draws are too few: at least {LEAST_DRAWS} are needed")
    rows = {name: _find_row(table, name, measure) for name in NULLS}
    if like := [name for name, row in rows.items() if surely_above(row.p, draws, len(rows))]:
        return Finding(NO_MORE, "", f"{_name_controls(like)} do as much")
    if like := [name for name, row in rows.items() if row.p > ALPHA + 1e-12]:
        return Finding(
            UNKNOWN, "", f"some {_name_controls(like)} do as much: more than {draws} draws would tell"
        )
    if unsure := [name for name, row in rows.items() if row.more_low <= 0]:
        return Finding(UNKNOWN, "", f"{images} images are too few to tell it from {_name_controls(unsure)}")
    return _judge_direction(table, mode)


def _judge_direction(table: pd.DataFrame, mode: str) -> Finding:
    flipped = _find_row(table, ANSWER, "flipped")
    if mode == "remove" and flipped.low > 0.5:
        return Finding(MATTERS, "necessary", "without it most predictions change")
    if mode == "keep" and flipped.high < 0.5:
        return Finding(MATTERS, "sufficient", "with it alone most predictions stay")
    rest = (
        "predictions stand without it" if mode == "remove" else "by itself it does not carry the predictions"
    )
    return Finding(MATTERS, "", f"more than chance, but {rest}")


def describe_verdict(
    table: pd.DataFrame, finding: Finding, mode: str, what: str, measure: str, images: int, draws: int
) -> str:
    """The verdict in two sentences: what happened, and what it means."""
    verb = "Removing" if mode == "remove" else "Keeping only"
    size = _find_row(table, ANSWER, measure)["size"]
    logit = _find_row(table, ANSWER, "logit")
    changed = f"{logit.change:+.3g}{_format_interval(logit.low, logit.high, '+.3g')}"
    p = " and ".join(f"{_find_row(table, name, measure).p:.3f}" for name in NULLS)
    others = ", ".join(f"{WORDS[name]} {_format_share(table, name)}" for name in CONTROLS)
    return (
        f"{verb} {_format_count(size)} {what} of each image changes the target's logit by {changed} "
        f"and flips {_format_share(table, ANSWER)} of {images:,} predictions; "
        f"as many in each layer, {others} (p = {p} against the first two by {measure}, {draws} draws each). "
        f"Verdict: {finding.decision}{_format_reason(finding)}."
    )


def _format_count(size: float) -> str:
    """Whole, or with one place where images differ."""
    return f"{size:,.0f}" if size >= 1000 else f"{size:.1f}".removesuffix(".0")


def _format_reason(finding: Finding) -> str:
    return f" ({finding.direction}): {finding.why}" if finding.direction else f": {finding.why}"


def _format_share(table: pd.DataFrame, name: str) -> str:
    row = _find_row(table, name, "flipped")
    return f"{row.change:.1%}{_format_interval(row.low, row.high, '.1%')}"


def _format_interval(low: float, high: float, how: str) -> str:
    """An interval, or nothing where it is not known."""
    return "" if math.isnan(low) else f" [{low:{how}}, {high:{how}}]"


def _name_controls(names: list[str]) -> str:
    return " and ".join(WORDS[name] for name in names)


def _find_row(table: pd.DataFrame, name: str, measure: str) -> pd.Series[float]:
    return table[(table["set"] == name) & (table.measure == measure)].iloc[0]
