"""``graphpath import``."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from tests.imports.published import pack, write_summit


def test_summit_from_a_tar_into_a_store(call, refused, tmp_path: Path) -> None:
    files = write_summit(tmp_path / "json", graphs=3)
    archive, store, out = pack(files, tmp_path / "a.tar.gz"), tmp_path / "a.lbdb", tmp_path / "out" / "record"
    words = ("import", "summit", archive, "--store", store, "--out", out)
    done = call(*words)
    assert done.exit_code == 0, done.output
    assert "3 graphs of 72 nodes and 162 edges" in done.stdout
    assert "min_support is 1" in done.stdout
    assert "was loaded already" in call(*words).stdout
    shown = call("query", "categories/similarity", "--store", store, "--csv").stdout
    assert len(pd.read_csv(io.StringIO(shown))) == 3 * 4
    assert "ag-0.json lacks the key" not in refused("import", "summit", tmp_path / "none.json")


def test_a_record_without_a_store_is_loaded_later(call, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    [file] = write_summit(tmp_path / "json", graphs=1)
    done = call("import", "summit", file)
    assert done.exit_code == 0, done.output
    [out] = tmp_path.glob("summit-imagenet-classes-*")
    assert out.name in done.stdout
    assert "run summit" in call("load", out, "--store", tmp_path / "a.lbdb").stdout


def test_a_wrong_file_leaves_no_store(refused, tmp_path: Path) -> None:
    file = tmp_path / "ag-1.json"
    file.write_text('{"mixed3a": [{"channel": 1}]}')
    said = refused("import", "summit", file, "--store", tmp_path / "a.lbdb", "--out", tmp_path / "out")
    assert "ag-1.json: mixed3a[0] lacks the key 'count'" in said
    assert sorted(tmp_path.iterdir()) == [file]
