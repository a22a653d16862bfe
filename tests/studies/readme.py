"""The tables of graphpath/studies/README.md and their picture, from runs that are kept beside this file.

python -m tests.studies.readme OUT    takes over what graphpath study --all --out OUT found, and writes
python -m tests.studies.readme        writes the tables between the marks; test_readme.py compares
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from graphpath.report.standalone import make_standalone
from graphpath.studies import published
from graphpath.studies.board import draw_board
from graphpath.studies.summary import describe_setting, gather, to_markdown
from tests.documents import CHECKOUT, write

DOCUMENT = CHECKOUT / "graphpath" / "studies" / "README.md"
MARKS = ("<!-- studies -->\n", "<!-- end of studies -->")
PUBLISHED_MARKS = ("<!-- published -->\n", "<!-- end of published -->")
KEPT = Path(__file__).with_name("summary.csv")
PUBLISHED = Path(__file__).with_name("published.csv")
PICTURE = Path(__file__).with_name("verdicts.svg")
KEY = ["on", "study"]
COLUMNS = ["study", "part", "claim", "verdict", "effect", "low", "high", "null", "seeds", "why", "on"]
COLUMNS += ["network", "accuracy", "over"]


def kept() -> pd.DataFrame:
    """The verdicts of the run."""
    return pd.read_csv(KEPT, keep_default_na=False, na_values={"low": [""], "high": [""], "effect": [""]})


def table() -> str:
    """What the document shows: for each setting on what they were run, and the verdicts."""
    return "\n".join(
        f"{describe_setting(some)}\n\n{to_markdown(some)}" for _, some in kept().groupby("on", sort=False)
    )


def published_table() -> str:
    """Published figures beside ours, as in the document."""
    return published.to_markdown(pd.read_csv(PUBLISHED))


def picture() -> str:
    """All verdicts as the drawing that the document shows."""
    return (
        make_standalone(draw_board(kept()), "Which published claims hold, on which images and networks")
        + "\n"
    )


def take_over(out: Path) -> None:
    """Keep the verdicts and figures of a run; of studies and settings that it has not, those kept before."""
    _keep(KEPT, gather(out)[COLUMNS])
    _keep(PUBLISHED, published.gather(out)[[*published.COLUMNS, "on"]])


def _keep(file: Path, found: pd.DataFrame) -> None:
    from graphpath.studies import STUDIES

    order = {name: place for place, name in enumerate(STUDIES)}
    if file.exists():
        before = pd.read_csv(file, keep_default_na=False, na_values=[""])
        anew = pd.MultiIndex.from_frame(before[KEY]).isin(pd.MultiIndex.from_frame(found[KEY]))
        found = pd.concat([before[~anew], found], ignore_index=True)
    place = pd.DataFrame({"on": found.on != "digits", "name": found.on, "study": found.study.map(order)})
    found = found.loc[place.sort_values(["on", "name", "study"], kind="stable").index]
    found.to_csv(file, index=False, float_format="%.6g")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take_over(Path(sys.argv[1]))
    write(table(), DOCUMENT, MARKS)
    write(published_table(), DOCUMENT, PUBLISHED_MARKS)
    PICTURE.write_text(picture(), encoding="utf-8")
