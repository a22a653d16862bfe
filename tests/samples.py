"""The sample answers in the README: every named query, asked of a small store that is always the same.

python -m tests.samples         writes them between the marks of README.md; tests/test_samples.py compares
python -m tests.samples gds     those of cypher/gds, from a real server that it starts; test_gds.py compares
"""

from __future__ import annotations

import io
import sys
import tempfile
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from graphpath import queries
from graphpath.chance import significance
from graphpath.cli.output import show_table
from graphpath.export import to_frame
from graphpath.server import Server
from graphpath.stores import Store, open_store
from tests.synthetic import write_trace
from tests.verdicts import made

README = Path(__file__).resolve().parents[1] / "README.md"
Marks = tuple[str, str]
MARKS: Marks = ("<!-- samples -->\n", "<!-- end of samples -->")
CHANCE_MARKS: Marks = ("<!-- chance -->\n", "<!-- end of chance -->")
GDS_MARKS: Marks = ("<!-- gds samples -->\n", "<!-- end of gds samples -->")
ROWS = 3
UNSTEADY = ["path"]
"""Columns that tell of this machine."""
BRIEF = {
    "categories/shared_edges": {"min_categories": 3},
    "pathways/largest": {"k": 3},
    "browse/routes": {"k": 1},
}

VERDICT = {
    "query": "categories/shared_edges",
    "parameters": '{"min_categories": 3}',
    "kind": "edges",
    "by": "answer",
    "mode": "remove",
    "baseline": "zero",
    "images": 100,
    "draws": 20,
    "measure": "logit",
    "direction": "necessary",
    "words": "Removing 40 edges of each image changes ...",
}

Parameters = dict[str, Any]


def sample_store(folder: Path) -> Store:
    """The sample traces in an embedded store."""
    store = open_store(folder / "pathways.lbdb")
    load(store, folder)
    return store


def load(store: Store, folder: Path) -> None:
    """Twelve made-up images of four classes, and attacks on them, through a network of five layers."""
    size = {"edges_per_pathway": 60, "layers": 5, "side": 2, "routes": 4}
    clean = write_trace(folder / "clean", run="clean", samples=12, crosses=True, **size)
    attacked = write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean, **size)
    for trace in (clean, attacked):
        store.load(trace, min_support=2)
    store.record_verdict(made(1, **VERDICT), ["clean"])


def sections(store: Store, *, gds: bool = False) -> str:
    """One collapsed block per topic, in it each query's title, command and first rows.

    ``gds`` gives the topic that only a server with Graph Data Science answers instead of all others.
    """
    known = anchors(store)
    found = [query for query in queries.catalogue().values() if query.needs_gds == gds]
    blocks = [
        _block(topic, [_answer(store, query, known) for query in group])
        for topic, group in groupby(found, key=lambda query: query.topic)
    ]
    return "\n".join(blocks)


def chance(store: Store) -> str:
    """One answer held against each null."""
    name, given = "categories/similarity", {"run": "clean"}
    answers = []
    for null in ("independent", "degree"):
        frame = significance(store, name, null=null, **given)
        command = f"$ graphpath query {name} --store pathways.lbdb --run clean --null {null}"
        answers.append(f"```\n{command}\n\n{_table(frame)}\n```\n")
    return "\n".join(answers)


def write(text: str, readme: Path = README, marks: Marks = MARKS) -> None:
    """Put ``text`` between the marks of ``readme``."""
    before, rest = readme.read_text(encoding="utf-8").split(marks[0])
    _, after = rest.split(marks[1])
    readme.write_text(f"{before}{marks[0]}{text}{marks[1]}{after}", encoding="utf-8")


def shown(readme: Path = README, marks: Marks = MARKS) -> str:
    """What stands between the marks."""
    return readme.read_text(encoding="utf-8").split(marks[0])[1].split(marks[1])[0]


def _block(topic: str, answers: list[str]) -> str:
    inner = "\n\n".join(answers)
    return f"<details><summary>{topic}: sample answers</summary>\n\n{inner}\n\n</details>\n"


def _answer(store: Store, query: queries.Query, known: Parameters) -> str:
    given = {name: known[name] for name in query.parameters if name in known} | BRIEF.get(query.name, {})
    if "limit" in query.parameters:
        given["limit"] = ROWS
    drawn = "node" in query.returns.values()
    frame = to_frame(store.graph(query.name, **given)) if drawn else store.query(query.name, **given)
    words = [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
    where = "bolt://localhost:7687" if query.needs_gds else "pathways.lbdb"
    command = " ".join(["$ graphpath query", query.name, f"--store {where}", *words])
    return f"{query.title}.\n\n```\n{command}\n\n{_table(frame)}\n```"


def _table(frame: pd.DataFrame) -> str:
    kept = frame.drop(columns=[name for name in UNSTEADY if name in frame]).head(ROWS)
    printed = io.StringIO()
    with redirect_stdout(printed):
        show_table(kept)
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    return "\n".join(line for line in lines if line)


def anchors(store: Store) -> Parameters:
    """Values for the parameters without a default; those of one sample, its pathway and its attack."""
    pair = store.query("adversarial/pairs", limit=1).iloc[0]
    sample = int(pair.original)
    pathway = int(store.query("pathways/of_sample", sample=sample).pathway[0])
    neuron = int(store.query("pathways/hubs", run="clean", limit=1).neuron[0])
    classes = store.graph("browse/categories", run="clean")
    class_pathway = min(data["id"] for _, data in classes.nodes(data=True) if data["type"] == "ClassPathway")
    return {
        "run": "clean",
        "original": sample,
        "derived": int(pair.derived),
        "sample": sample,
        "pathway": pathway,
        "class_pathway": class_pathway,
        "neuron": neuron,
    }


def main() -> None:
    """Write the README's samples anew."""
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1:] == ["gds"]:
            with Server(Path(folder) / "home", bolt_port=0, http_port=0, gds=True) as server:
                store = open_store(server.uri, password=server.password)
                with store:
                    load(store, Path(folder))
                    write(sections(store, gds=True), marks=GDS_MARKS)
            return
        with sample_store(Path(folder)) as store:
            write(sections(store))
            write(chance(store), marks=CHANCE_MARKS)


if __name__ == "__main__":
    main()
