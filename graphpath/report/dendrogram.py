"""A tree of groups, lying on its side: leaves at the right, the whole at the left."""

from __future__ import annotations

from collections.abc import Sequence

from graphpath.report.captions import fmt, format_ratio, join_words
from graphpath.report.clustering import Group
from graphpath.report.svg import make_element, make_text, make_title

LEFT, STUB = 1.0, 10.0
"""Room for the stroke of the last joint, and the least length of a leaf's line."""


def draw_dendrogram(tree: Sequence[Group], width: float, row: float) -> str:
    """The joints of ``tree``, its leaves ``row`` apart; their likeness falls from right to left.

    The axis runs from the likeness of the first joint to that of the last, which are written below it.
    """
    most, least = tree[0].likeness, tree[-1].likeness
    room = width - LEFT - STUB

    def x(group: Group) -> float:
        if not group.parts:
            return width
        return LEFT + (room * (group.likeness - least) / (most - least) if most > least else 0.0)

    drawn = [_draw_joint(joint, x(joint), [x(part) for part in joint.parts], row) for joint in tree]
    below = row * len(tree[-1].members) + 11
    ends = [
        make_text(0, below, format_ratio(least), "tick"),
        make_text(width - STUB, below, format_ratio(most), "tick end"),
    ]
    return make_element("g", *drawn, *(ends if most > least else ends[:1]))


def _draw_joint(joint: Group, x: float, ends: Sequence[float], row: float) -> str:
    first, second = (part.place * row for part in joint.parts)
    path = f"M{fmt(ends[0])} {fmt(first)}H{fmt(x)}V{fmt(second)}H{fmt(ends[1])}"
    one, two = (join_words(list(part.members)) for part in joint.parts)
    words = f"{one} with {two}: mean likeness {format_ratio(joint.likeness)}"
    return make_element("path", make_title(words), d=path, class_="joint")
