"""The README's table of studies, from a run of all of them that is kept beside this file.

python -m tests.studies.readme OUT    takes over what graphpath study --all --out OUT found, and writes
python -m tests.studies.readme        writes the table between the marks of README.md; test_readme.py compares
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from graphpath.studies.summary import gather, markdown, on_what
from tests.samples import write

MARKS = ("<!-- studies -->\n", "<!-- end of studies -->")
KEPT = Path(__file__).with_name("summary.csv")
COLUMNS = ["study", "part", "claim", "verdict", "effect", "low", "high", "null", "seeds", "why", "data"]
COLUMNS += ["network", "accuracy"]


def kept() -> pd.DataFrame:
    """The verdicts of the run."""
    return pd.read_csv(KEPT, keep_default_na=False, na_values={"low": [""], "high": [""], "effect": [""]})


def table() -> str:
    """What stands in the README: on what they were run, and the verdicts."""
    found = kept()
    return f"{on_what(found)}\n\n{markdown(found)}"


def take_over(out: Path) -> None:
    """Keep the verdicts of a run, and of other studies those kept before, in the catalogue's order."""
    from graphpath.studies import STUDIES

    found = gather(out)[COLUMNS]
    before = kept() if KEPT.exists() else found[:0]
    order = {name: place for place, name in enumerate(STUDIES)}
    found = pd.concat([found, before[~before.study.isin(found.study)]], ignore_index=True)
    found = found.iloc[found.study.map(order).argsort(kind="stable")]
    found.to_csv(KEPT, index=False, float_format="%.6g")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take_over(Path(sys.argv[1]))
    write(table(), marks=MARKS)
