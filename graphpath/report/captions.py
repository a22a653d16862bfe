"""Words and numbers as the report writes them."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence

from graphpath.titles import SEPARATOR
from graphpath.titles import name_layers as titles_of

MANY = 3
"""Of fewer layers a common beginning says something."""


def fmt(value: float, digits: int = 1) -> str:
    """``value`` rounded for a coordinate, without trailing zeros."""
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def format_ratio(value: float | None) -> str:
    """A likeness or share with two decimals, small ones with three; a dash for null."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.3f}" if 0 < value < 0.0995 else f"{value:.2f}"


def format_percent(value: float) -> str:
    """A share as whole per cent."""
    if math.isnan(value):
        return "–"
    if 0 < value < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= value < 1 else f"{value:.0%}"


def name_layer(name: str, kind: str) -> str:
    """ "conv features.0"; the input and the logits are called that."""
    if kind == "input":
        return kind
    return f"{kind} {name}"


def name_layers(names: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Titles of a network's layers (``graphpath.titles``), without a beginning that all but the input have.

    It is the module that a network was wrapped in.
    """
    titles = titles_of(names, kinds)
    first = {title.partition(SEPARATOR)[0] for title in titles[1:]}
    wrapped = len(titles) > MANY and len(first) == 1
    return [title.removeprefix(f"{first.copy().pop()}{SEPARATOR}") for title in titles] if wrapped else titles


def describe_shape(channels: int, height: int, width: int) -> str:
    """ "16 maps of 8×8" or "64 units"."""
    if height == width == 1:
        return f"{channels} units"
    return f"{height}×{width}" if channels == 1 else f"{channels} maps of {height}×{width}"


def format_power(log10_abs: float, sign: int = 1) -> str:
    """A contribution sign * 10^log10_abs with two digits, however small."""
    exponent = math.floor(log10_abs)
    mantissa = 10 ** (log10_abs - exponent)
    minus = "−" if sign < 0 else ""
    if -3 <= exponent < 4:
        return f"{minus}{mantissa * 10**exponent:.2g}"
    return f"{minus}{mantissa:.1f}·10^{exponent}"


def join_words(words: list[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def name_model(name: str) -> str:
    """A network's name without its module and arguments: "nets:Net.make(width=3)" is "Net"."""
    called = name.partition("(")[0]
    if ":" not in called:
        return called or name
    return called.rpartition(":")[2].partition(".")[0] or name


def name_class(name: str) -> str:
    """A class's name without its WordNet id: "n02099601_golden_retriever" is "golden retriever"."""
    return re.sub(r"^n\d{8}[ _-]+(?=.)", "", name).replace("_", " ")


def fit_words(text: str, letters: int, lines: int = 1) -> list[str]:
    """``text`` in at most ``lines`` lines of at most ``letters`` letters, the last cut short if need be."""
    room = max(letters, 4)
    found = textwrap.wrap(text, room, break_on_hyphens=False)
    if len(found) <= lines:
        return found
    last = " ".join(found[lines - 1 :])
    return [*found[: lines - 1], f"{last[: room - 1].rstrip()}…"]
