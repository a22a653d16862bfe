"""Between what a query compares: neurons, or feature maps.

A query that declares the parameter ``unit`` (``"neuron"|"map"``) is written for neurons. For feature maps its
text is made of that by the names below: no engine takes a label as a parameter. So ``unit`` is no parameter
of the engine, and is not in the line ``:params``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from graphpath.queries.parameters import Parameter, Value

UNIT: Final = "unit"
NEURON: Final = "neuron"
MAP: Final = "map"
KIND: Final = f'"{NEURON}"|"{MAP}"'

NAMES: Final = (
    (r":Neuron\b", ":FeatureMap"),
    (r":CLASS_FLOWS_TO\b", ":MAP_FLOWS_TO"),
    (r":FLOWS_TO\b", ":FLOWS_TO_MAP"),
    (r"\babs\((\w+)\.score\)", r"\1.weight"),  # of a sum of edges, the sum of the absolute scores
    (r":VISITS\b", ":VISITS_MAP"),
    (r"-\[(\w+):STEP\]->\((\w+):FeatureMap\)", r"-[\1:STEP]->(:Neuron)-[:IN_MAP]->(\2:FeatureMap)"),
    (r"\bl\.possible\b", "l.possible_maps"),
    (r"\bc\.min_support\b", "1"),  # class pathways have all their edges between feature maps
    (r"\bn\.[yx]\b", "-1"),  # a feature map has no place
    (rf"'{NEURON}'", f"'{MAP}'"),
)
"""What stands in a text for neurons, and what for feature maps."""


def has_units(parameters: Mapping[str, Parameter]) -> bool:
    """Whether a query with these parameters asks between neurons or feature maps."""
    return UNIT in parameters and parameters[UNIT].kind == KIND


def take_unit(
    parameters: Mapping[str, Parameter], values: Mapping[str, Value]
) -> tuple[str, dict[str, Value]]:
    """The unit among ``values``, neurons where the query has none, and the values that its engine binds."""
    if not has_units(parameters):
        return NEURON, dict(values)
    rest = {name: value for name, value in values.items() if name != UNIT}
    return str(values.get(UNIT, NEURON)), rest


def rewrite(text: str, unit: str) -> str:
    """``text``, which is written for neurons, for ``unit``; its comments stay."""
    if unit == NEURON:
        return text
    return "\n".join(map(_rewrite_line, text.split("\n")))


def _rewrite_line(line: str) -> str:
    if line.lstrip().startswith("//"):
        return line
    for pattern, other in NAMES:
        line = re.sub(pattern, other, line)
    return line
