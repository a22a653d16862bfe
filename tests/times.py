"""How long each part of the suite takes, in tests/README.md, from what pytest measured.

pytest -n auto --dist loadgroup --junitxml=times.xml
python -m tests.times times.xml    writes the table between the marks
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from tests.documents import CHECKOUT, write

DOCUMENT = CHECKOUT / "tests" / "README.md"
MARKS = ("<!-- times -->\n", "<!-- end of times -->")


def table(report: Path) -> str:
    """A row a part, the dearest first: its tests, their seconds with fixtures, and its dearest file."""
    cases = ElementTree.parse(report).getroot().iter("testcase")
    rows = [(_module(case.get("classname", "")), float(case.get("time", 0))) for case in cases]
    found = pd.DataFrame(rows, columns=["module", "seconds"])
    found["part"] = [_part(module) for module in found.module]
    lines = ["| part | tests | seconds | of these, its dearest file |", "|---|---:|---:|---|"]
    parts = found.groupby("part").seconds.sum().sort_values(ascending=False)
    for part, seconds in parts.items():
        some = found[found.part == part]
        files = some.groupby("module").seconds.sum()
        dearest = f"{files.max():,.0f} in `{str(files.idxmax()).replace('.', '/')}.py`"
        lines.append(f"| `{part}` | {len(some):,} | {seconds:,.0f} | {dearest} |")
    lines.append(f"| all | {len(found):,} | {found.seconds.sum():,.0f} | |")
    return "\n".join(lines) + "\n"


def _module(classname: str) -> str:
    """The module of a test, without the class that it may be in."""
    return ".".join(name for name in classname.split(".") if not name[:1].isupper())


def _part(module: str) -> str:
    """The folder of a module; ``stores/contract`` is a part of its own, as it needs a server."""
    folders = module.split(".")[:-1]
    return "/".join(folders[:3] if "contract" in folders else folders[:2])


if __name__ == "__main__":
    write(table(Path(sys.argv[1])), DOCUMENT, MARKS)
