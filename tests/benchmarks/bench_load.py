"""Loading a trace against the engine's own COPY of the same edges, side by side, and peak memory.

    python -m tests.benchmarks.bench_load [--pathways 100] [--edges 20000]

"bare" is what LadybugDB needs at the least: an empty database, its neurons stored, one ``COPY`` of all edge
files with the engine's default buffer pool. "load" is ours, "fixed" the same with ``buffer_bytes`` of 1 GiB,
which goes in slices. Roll-ups are reported apart. Each figure comes from a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from graphpath import ids
from graphpath.record import TABLES, Trace, TraceWriter
from tests.benchmarks.peak import peak_mib

SHAPES = [(3, 32, 32), (64, 32, 32), (64, 16, 16), (128, 8, 8), (256, 4, 4), (256, 1, 1), (10, 1, 1)]
"""A slim VGG on CIFAR-10: 95,000 neurons."""
CLASSES, PART = 10, 16


def write_large(path: Path, pathways: int, edges: int) -> Trace:
    """A trace of ``pathways`` times ``edges`` edges, drawn as a class's members would share them."""
    sizes = np.array([c * h * w for c, h, w in SHAPES])
    first = ids.block("bench", SHAPES)
    offsets = first + np.concatenate([[0], np.cumsum(sizes)[:-1]])
    writer = TraceWriter.open(path, {"id": f"bench-{pathways}", "method": "bench", "model": {"sha256": "b"}})
    for part, start in enumerate(range(0, pathways, PART)):
        numbers = range(start, min(start + PART, pathways))
        writer.write_part(part, _part(f"bench-{pathways}", numbers, edges, sizes, offsets))
    shapes = np.array(SHAPES, np.int32)
    layers = {
        "layer": np.arange(len(SHAPES)),
        "name": [f"features.{number}" for number in range(len(SHAPES))],
        "kind": ["input", *["conv"] * (len(SHAPES) - 2), "logits"],
        "channels": shapes[:, 0],
        "height": shapes[:, 1],
        "width": shapes[:, 2],
        "offset": offsets,
    }
    labels = list(range(CLASSES))
    categories = {
        "category": [ids.category_id("bench", label) for label in labels],
        "scheme": ["bench"] * CLASSES,
        "label": labels,
        "name": [str(label) for label in labels],
    }
    return writer.finish(layers=layers, categories=categories)


def _part(
    run: str, numbers: range, edges: int, sizes: np.ndarray, offsets: np.ndarray
) -> dict[str, pa.Table]:
    drawn = [_pathway(run, number, edges, sizes, offsets) for number in numbers]
    tables = {name: pa.concat_tables(made[name] for made in drawn) for name in ("edges", "visits")}
    label = np.array(numbers) % CLASSES
    sample = np.array([ids.sample_id("bench", "test", number) for number in numbers])
    count = len(label)
    tables["samples"] = _table(
        "samples",
        sample=sample,
        dataset=["bench"] * count,
        split=["test"] * count,
        index=np.array(numbers),
        label=label,
        variant=["original"] * count,
        parent=pa.nulls(count, pa.int64()),
        detail=["{}"] * count,
    )
    guesses = np.stack([label, (label + 1) % CLASSES], axis=1).reshape(-1)
    tables["predictions"] = _table(
        "predictions",
        sample=np.repeat(sample, 2),
        rank=np.tile([1, 2], count),
        category=ids.block("bench") + guesses,
        logit=np.tile([2.0, 1.0], count),
        confidence=np.tile([0.75, 0.25], count),
    )
    zeros = np.zeros(count)
    tables["pathways"] = _table(
        "pathways",
        pathway=ids.block(run) + np.array(numbers),
        sample=sample,
        target=label,
        origin=pa.nulls(count, pa.int64()),
        neurons=np.array([made["visits"].num_rows for made in drawn]),
        edges=np.array([made["edges"].num_rows for made in drawn]),
        coverage=zeros,
        logit=zeros,
        bias=zeros,
    )
    return tables


def _pathway(
    run: str, number: int, edges: int, sizes: np.ndarray, offsets: np.ndarray
) -> dict[str, pa.Table]:
    random = np.random.default_rng(number)
    taste = np.random.default_rng(number % CLASSES).integers(0, 2**31, len(sizes))
    layer = random.integers(1, len(sizes), edges * 2)

    def neuron(at: np.ndarray) -> np.ndarray:
        local = (sizes[at] * random.random(len(at)) ** 4).astype(np.int64)
        return offsets[at] + (local * 7919 + taste[at]) % sizes[at]

    pairs = np.unique(np.stack([neuron(layer - 1), neuron(layer), layer], axis=1), axis=0)
    pairs = random.permutation(pairs)[:edges]
    pathway, count = ids.block(run) + number, len(pairs)
    table = _table(
        "edges",
        source=pairs[:, 0],
        target=pairs[:, 1],
        pathway=np.full(count, pathway),
        layer=pairs[:, 2],
        flow=random.normal(size=count).astype(np.float32),
        score=random.normal(size=count).astype(np.float32),
        rank=np.arange(1, count + 1),
    )
    visited = np.unique(pairs[:, :2])
    values = random.random(len(visited)).astype(np.float32)
    at = np.searchsorted(offsets, visited, side="right") - 1
    visits = _table(
        "visits",
        pathway=np.full(len(visited), pathway),
        neuron=visited,
        layer=at,
        activation=values,
        score=values,
    )
    return {"edges": table, "visits": visits}


def _table(name: str, **columns: object) -> pa.Table:
    schema = TABLES[name]
    return pa.table(
        {field.name: pa.array(columns[field.name], field.type) for field in schema}, schema=schema
    )


def bare(trace: Path, store: Path) -> dict[str, float]:
    """Seconds of one ``COPY`` of all edge files, neurons stored before, default buffer pool."""
    import ladybug
    import pyarrow.parquet as pq

    from graphpath.stores.engine import create_statements

    opened = Trace(trace)
    neurons = np.unique(opened.visits().to_table(columns=["neuron"])["neuron"].to_numpy())
    pq.write_table(pa.table({"id": neurons}), store.with_suffix(".parquet"))
    connection = ladybug.Connection(ladybug.Database(store))
    for statement in create_statements():
        connection.execute(statement)
    connection.execute(
        f"COPY Neuron FROM (LOAD FROM '{store.with_suffix('.parquet')}' RETURN id, 0, 0, 0, 0, 0, '')"
    )
    files = ", ".join(f"'{file}'" for file in opened.files("edges"))
    began = time.perf_counter()
    connection.execute(f"COPY FLOWS_TO FROM [{files}]")
    return {"FLOWS_TO": time.perf_counter() - began}


def load(trace: Path, store: Path, **options: int) -> dict[str, float]:
    """Seconds of each stage of a load."""
    from graphpath.stores import open_store

    with open_store(store, **options) as opened:
        return opened.load(trace).seconds


def fixed(trace: Path, store: Path) -> dict[str, float]:
    """The same within a buffer pool of 1 GiB."""
    return load(trace, store, buffer_bytes=1 << 30)


def _child(what: str, trace: Path, store: Path) -> dict[str, float]:
    """Run ``bare`` or ``load`` in a process of its own: its seconds, and its peak memory in MiB."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_load", "--child", what, str(trace), str(store)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


WAYS = ("bare", "load", "fixed")


def measure(pathways: int, edges: int) -> None:
    """Print the figures at ``pathways`` and at four times as many."""
    memory: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        print(f"{'pathways':>9}{'edges':>12}{'way':>7}{'FLOWS_TO s':>12}{'/ bare':>8}{'edges/s':>10}", end="")
        print(f"{'roll-ups s':>12}{'all s':>8}{'MiB':>7}")
        for count in (pathways, 4 * pathways):
            trace = write_large(root / f"trace-{count}", count, edges)
            stored, least = trace.counts["edges"], 0.0
            for way in WAYS:
                seconds = _child(way, trace.path, root / f"{way}-{count}.lbdb")
                memory[way, count] = seconds.pop("MiB")
                taken = seconds["FLOWS_TO"]
                least = least or taken
                print(f"{count:>9}{stored:>12,}{way:>7}{taken:>12.2f}{taken / least:>8.2f}", end="")
                print(f"{stored / taken:>10,.0f}{seconds.get('roll-ups', 0):>12.2f}", end="")
                print(f"{sum(seconds.values()):>8.2f}{memory[way, count]:>7.0f}", flush=True)
    for way in WAYS:
        growth = memory[way, 4 * pathways] / memory[way, pathways]
        print(f"peak memory of {way} at {4 * pathways} pathways / at {pathways}: {growth:.2f}")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pathways", type=int, default=100)
    parser.add_argument("--edges", type=int, default=20_000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.child:
        measure(arguments.pathways, arguments.edges)
        return
    what, trace, store = arguments.child
    seconds = {"bare": bare, "load": load, "fixed": fixed}[what](Path(trace), Path(store))
    print(json.dumps({**seconds, "MiB": peak_mib()}))


if __name__ == "__main__":
    main()
