"""A store's file carries its digest: one flipped bit is refused, whatever the engine would make of it."""

import shutil

import numpy as np
import pytest

from graphpath.errors import StoreUnavailable
from graphpath.stores import open_store, seal
from tests.stores.contents import assert_same, contents
from tests.synthetic import write_trace


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    with open_store(folder / "s.lbdb", buffer_bytes=128 << 20) as store:
        store.load(write_trace(folder / "trace", samples=4))
    return folder / "s.lbdb"


def flip(path, bit):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_any_flipped_bit_is_refused_with_the_remedy(file, tmp_path):
    bits = np.random.default_rng(0).integers(0, (file.stat().st_size - seal.PAGE) * 8, 20)
    for number, bit in enumerate(bits.tolist()):
        path = shutil.copy(file, tmp_path / f"{number}.lbdb")
        flip(path, bit)
        with pytest.raises(StoreUnavailable, match=rf"{number}.lbdb is damaged.*rebuild=True"):
            open_store(path)


def test_a_copy_is_as_good_and_a_damaged_one_can_be_rebuilt(file, tmp_path):
    path = shutil.copy(file, tmp_path / "copy.lbdb")
    with open_store(path) as store:
        before = contents(store)
    flip(path, 8 * (path.stat().st_size - seal.PAGE) - 9)
    with open_store(path, rebuild=True) as again:
        assert_same(contents(again), before)
    assert seal.check(path, whole=True)


def test_changes_keep_one_digest_at_the_end(file, tmp_path):
    path = shutil.copy(file, tmp_path / "changed.lbdb")
    with open_store(path) as store:
        store.cypher("MATCH (r:Run) SET r.dataset = 'other'", write=True)
        store.load(write_trace(tmp_path / "more", run="more", samples=4, seed=1))
        store.delete("run")
        assert list(store.runs().run) == ["more"]
    assert path.read_bytes().count(seal.MARK) == 1


def test_a_file_without_a_digest_is_opened_as_it_is(file, tmp_path):
    path = shutil.copy(file, tmp_path / "old.lbdb")
    seal.unseal(path)
    seal.unseal(path)
    assert seal.check(path) is False
    with open_store(path) as store:
        assert list(store.runs().run) == ["run"]


def test_a_large_file_is_read_once_and_again_when_it_changed(file, tmp_path, monkeypatch):
    monkeypatch.setattr(seal, "SMALL", 0)
    path, read = shutil.copy(file, tmp_path / "large.lbdb"), []
    page = seal._build_page
    monkeypatch.setattr(seal, "_build_page", lambda *given: read.append(1) or page(*given))
    assert seal.check(path)
    assert seal.check(path)
    assert len(read) == 1
    assert seal.check(path, whole=True)
    flip(path, 4096)
    with pytest.raises(StoreUnavailable, match="damaged"):
        seal.check(path)
    assert len(read) == 3
