"""graphpath/README.md says what the code says."""

from __future__ import annotations

import re

from graphpath.schema import NODES, RELATIONSHIPS
from tests.documents import CHECKOUT

DESIGN = (CHECKOUT / "graphpath" / "README.md").read_text(encoding="utf-8")


def drawn() -> set[tuple[str, str, str]]:
    """The arrows of the diagram of the graph: (source, type, target), several types on one arrow."""
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", DESIGN, flags=re.DOTALL)
    arrows = re.findall(r"^ +(\w+) -- ([A-Z_, ]+) --> (\w+)$", diagram, flags=re.MULTILINE)
    assert len(arrows) == diagram.count("-->")
    return {(start, name, end) for start, names, end in arrows for name in names.split(", ")}


def test_the_schema_drawn_is_the_schema() -> None:
    assert drawn() == {(r.source, r.name, r.target) for r in RELATIONSHIPS}
    apart = {node.label for node in NODES} - {end for start, _, target in drawn() for end in (start, target)}
    assert apart == {"GraphpathMeta"}
