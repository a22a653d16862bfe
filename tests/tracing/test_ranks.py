"""Several processes share one trace: the record is that of one process, and goes on after one has died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import graphpath as gp
from graphpath.record.schema import TABLES
from graphpath.tracing.ranks import Rank

pytestmark = pytest.mark.slow

SCRIPT = """
import os, sys, warnings
import torch
import graphpath as gp
from tests.tracing import nets

torch.set_num_threads(1)
model, shape = nets.made("residual", seed=0)
images = nets.images(shape, 11, seed=0)

def progress(done, total):
    if sys.argv[2] == "fail" and os.environ.get("RANK") == "1" and done > 4:
        os._exit(3)

trace = gp.trace(model, images, out=sys.argv[1], batch=2, method="neuron_mct", progress=progress)
assert trace.counts["pathways"] == 11
"""


def run(out: Path, processes: int, how: str = "") -> int:
    script = out.parent / "script.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    words = [sys.executable, *(launcher if processes > 1 else []), str(script), str(out), how]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, env=environment, capture_output=True, timeout=300, check=False).returncode


def content(out: Path) -> dict[str, pa.Table]:
    trace = gp.Trace(out)
    tables = {}
    for name in TABLES:
        files = [str(file) for file in trace.files(name)]
        if files:
            tables[name] = ds.dataset(files).to_table()
    return tables


def test_ranks_share_a_trace_and_finish_one_that_was_broken_off(tmp_path: Path) -> None:
    for name in ("alone", "shared", "broken"):
        (tmp_path / name).mkdir()
    assert run(tmp_path / "alone" / "t", 1) == 0
    assert run(tmp_path / "shared" / "t", 3) == 0
    wanted = content(tmp_path / "alone" / "t")
    assert content(tmp_path / "shared" / "t") == wanted
    assert run(tmp_path / "broken" / "t", 2, "fail") != 0
    with pytest.raises(gp.GraphpathError):
        gp.Trace(tmp_path / "broken" / "t")
    assert run(tmp_path / "broken" / "t", 2) == 0
    assert content(tmp_path / "broken" / "t") == wanted
    assert gp.Trace(tmp_path / "shared" / "t").run["parts"] == list(range(6))


def test_a_process_on_its_own_takes_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")  # of something else than torchrun
    rank = Rank.here()
    assert rank == Rank(0, 1, 0)
    assert all(rank.is_mine(part) for part in range(5)) and rank.choose_device("cuda") == "cuda"
    shares = [{part for part in range(10) if Rank(n, 3).is_mine(part)} for n in range(3)]
    assert set().union(*shares) == set(range(10)) and sum(map(len, shares)) == 10
