"""What ``--target`` says, as ``graphpath.trace`` takes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from graphpath.errors import MethodError

if TYPE_CHECKING:
    from graphpath.tracing.targets import Target

HELP = (
    "predicted, own, label, or a class by number or name; two of them (3,5) for the difference of their "
    "logits; a "
    "feature map ('features.10 [12]') or neuron ('features.10 [12] 3,4') as the graph calls them."
)

NUMBER = re.compile(r"[0-9]{1,18}")
PLACE = re.compile(
    r"(?P<layer>.*\S)\s*\[\s*(?P<channel>[0-9]{1,18})\s*\]"
    r"(?:\s*(?P<y>[0-9]{1,18})\s*,\s*(?P<x>[0-9]{1,18}))?"
)


def parse_target(text: str) -> Target:
    """The target that ``text`` names.

    Raises MethodError where it has a bracket or comma and yet is no place and no pair of classes; whether
    there are such classes and layers is for the trace to say.
    """
    if "[" in text:
        return _parse_place(text)
    if "," not in text:
        return _parse_class(text)
    first, *others = (_parse_class(part.strip()) for part in text.split(","))
    if len(others) != 1:
        raise MethodError(f"--target {text!r}: a contrast is of two classes, such as 3,5.")
    return first, others[0]


def _parse_class(text: str) -> str | int:
    return int(text) if NUMBER.fullmatch(text.removeprefix("-")) else text


def _parse_place(text: str) -> Target:
    from graphpath.tracing import at

    found = PLACE.fullmatch(text.strip())
    if found is None:
        raise MethodError(
            f"--target {text!r}: a feature map is written 'LAYER [CHANNEL]', a neuron 'LAYER [CHANNEL] Y,X'."
        )
    place = () if found["y"] is None else (int(found["y"]), int(found["x"]))
    return at(found["layer"], int(found["channel"]), *place)
