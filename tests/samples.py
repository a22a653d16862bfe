"""The documents of ``cypher/`` and the answers in them, asked of a small store that is always the same.

python -m tests.samples               writes the table of queries in cypher/README.md, every query's answer in
                                      its topic's document, and those of graphpath/chance/README.md
python -m tests.samples gds           writes cypher/gds/README.md, from a real server that it starts
python -m tests.samples store FILE    makes the store, to ask it by hand, and its traces in traces/samples

``tests/test_samples.py`` compares, and of cypher/gds ``tests/stores/contract/test_gds.py``.
"""

from __future__ import annotations

import argparse
import io
import shutil
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
from graphpath.stores import Scheme, Store, open_store
from tests.documents import CHECKOUT, Marks, write
from tests.synthetic import write_trace
from tests.verdicts import made

MARKS: Marks = ("<!-- samples -->\n", "<!-- end of samples -->")
CHANCE_MARKS: Marks = ("<!-- chance -->\n", "<!-- end of chance -->")
QUERIES_MARKS: Marks = ("<!-- queries -->\n", "<!-- end of queries -->")
CYPHER = CHECKOUT / "cypher" / "README.md"
CHANCE = CHECKOUT / "graphpath" / "chance" / "README.md"
STORE = "samples.lbdb"
TRACES = Path("traces/samples")
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

PAIRS = Scheme(
    "pairs",
    "a test",
    tuple({"label": str(label), "category": f"pair {label // 2}"} for label in range(4)),
)
"""Two categories of two classes each."""

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
        store.load(trace, min_support=2, categories=PAIRS)
    store.record_verdict(made(1, **VERDICT), ["clean"])


def document(topic: str) -> Path:
    """Where a topic's answers stand."""
    return CHECKOUT / "cypher" / topic / "README.md"


def topics() -> dict[str, list[queries.Query]]:
    """The queries of each topic."""
    return {
        topic: list(group)
        for topic, group in groupby(queries.catalogue().values(), key=lambda query: query.topic)
    }


def listed() -> str:
    """The table of all queries, each with a link to its answer."""
    rows = [
        f"| [`{name}`]({query.topic}/README.md#{name.split('/')[1]}) | {query.title} |\n"
        for name, query in queries.catalogue().items()
    ]
    return "".join(["| query | answers |\n", "|---|---|\n", *rows])


def section(store: Store, topic: str) -> str:
    """Of each query of a topic its title and description, its command and the first rows of its answer."""
    known = anchors(store)
    return "\n".join(_answer(store, query, known) for query in topics()[topic])


def chance(store: Store) -> str:
    """One answer held against each null."""
    name, given = "categories/similarity", {"run": "clean"}
    answers = []
    for null in ("independent", "degree"):
        frame = significance(store, name, null=null, **given)
        command = f"$ graphpath query {name} --store {STORE} --run clean --null {null}"
        answers.append(f"```\n{command}\n\n{_table(frame)}\n```\n")
    return "\n".join(answers)


def _answer(store: Store, query: queries.Query, known: Parameters) -> str:
    given = {name: known[name] for name in query.parameters if name in known} | BRIEF.get(query.name, {})
    if "limit" in query.parameters:
        given["limit"] = ROWS
    drawn = "node" in query.returns.values()
    frame = to_frame(store.graph(query.name, **given)) if drawn else store.query(query.name, **given)
    words = [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
    where = "bolt://localhost:7687" if query.needs_gds else STORE
    command = " ".join(["$ graphpath query", query.name, f"--store {where}", *words])
    described = f"{query.description}\n\n" if query.description else ""
    file = query.path.name
    head = f"## {query.path.stem}\n\n**{query.title}.** ([{file}]({file}))\n\n{described}"
    return f"{head}```\n{command}\n\n{_table(frame)}\n```\n"


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
    maps = store.query("pathways/maps", pathway=pathway, layers=[2], limit=1)
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
        "map": int(maps["map"][0]),
    }


def write_all() -> None:
    """Write all that needs no server."""
    write(listed(), CYPHER, QUERIES_MARKS)
    with tempfile.TemporaryDirectory() as folder, sample_store(Path(folder)) as store:
        write(chance(store), CHANCE, CHANCE_MARKS)
        for topic, group in topics().items():
            if not any(query.needs_gds for query in group):
                write(section(store, topic), document(topic), MARKS)


def write_gds() -> None:
    """Write the answers that only a server with Graph Data Science gives."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "home", bolt_port=0, http_port=0, gds=True) as server,
        open_store(server.uri, password=server.password) as store,
    ):
        load(store, Path(folder))
        write(section(store, "gds"), document("gds"), MARKS)


def main() -> None:
    """Write the documents anew, or make the store."""
    parser = argparse.ArgumentParser(prog="python -m tests.samples")
    parser.add_argument("what", nargs="?", choices=["all", "gds", "store"], default="all")
    parser.add_argument("file", nargs="?", default=STORE)
    given = parser.parse_args()
    if given.what == "store":
        with open_store(given.file) as store:
            shutil.rmtree(TRACES, ignore_errors=True)
            load(store, TRACES)
    elif given.what == "gds":
        write_gds()
    else:
        write_all()


if __name__ == "__main__":
    main()
