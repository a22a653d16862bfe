"""Opening: what is no store, or another version's, is refused with the remedy."""

import sys

import pytest

from graphpath.errors import MissingExtra, StoreUnavailable
from graphpath.schema import NODES, RELATIONSHIPS, SCHEMA_VERSION
from graphpath.stores import engine, open_store
from tests.stores.contents import assert_same, contents
from tests.synthetic import write_trace


@pytest.fixture
def loaded(empty, tmp_path):
    empty.load(write_trace(tmp_path / "trace", samples=4))
    return empty


def test_a_store_that_is_not_there_says_how_to_make_it(tmp_path):
    store = open_store(tmp_path / "no.lbdb")
    with pytest.raises(StoreUnavailable, match=r"no store at .*graphpath load"):
        store.runs()
    with pytest.raises(StoreUnavailable, match="no store at"):
        store.cypher("MATCH (n:Run) RETURN n.id")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"not a database", b"LBUG\xff\xff\xff\xff" + bytes(5000)])
def test_another_file_is_refused(tmp_path, content):
    file = tmp_path / "file.lbdb"
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"file.lbdb"):
        open_store(file)
    assert file.read_bytes() == content


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        open_store(tmp_path)


@pytest.mark.parametrize("change", ["m.schema = '0'", "m.engine = 'ladybug 0.9.0'"])
def test_another_version_is_refused_and_can_be_rebuilt(loaded, change):
    before = contents(loaded)
    loaded.cypher(f"MATCH (m:GraphpathMeta) SET {change}", write=True)
    with pytest.raises(StoreUnavailable, match="rebuild=True"):
        loaded.runs()
    with pytest.raises(StoreUnavailable, match="rebuild=True"):
        open_store(loaded.path)
    with open_store(loaded.path, rebuild=True) as again:
        assert_same(contents(again), before)


def test_a_database_of_someone_else_is_refused(tmp_path):
    import ladybug as engine

    path = tmp_path / "theirs.lbdb"
    database = engine.Database(path, buffer_pool_size=64 << 20)
    connection = engine.Connection(database)
    connection.execute("CREATE NODE TABLE Cat(id INT64, PRIMARY KEY(id))")
    connection.close()
    database.close()
    with pytest.raises(StoreUnavailable, match="no graphpath store"):
        open_store(path)


@pytest.mark.parametrize("uri", ["neo4j://localhost:7687", "bolt+s://host"])
def test_a_server_needs_the_driver(uri, monkeypatch):
    for module in [name for name in sys.modules if name.startswith(("neo4j", "graphpath.stores.neo4j"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "neo4j", None)  # as where it is not installed
    with pytest.raises(MissingExtra, match="neo4j"):
        open_store(uri)


def test_meta_names_schema_and_engine(loaded):
    rows = loaded.execute("MATCH (m:GraphpathMeta) RETURN m.schema AS s, m.engine AS e").to_pylist()
    assert rows == [{"s": SCHEMA_VERSION, "e": f"ladybug {engine.VERSION}"}]


def test_schema_lists_every_property(loaded):
    schema = loaded.schema()
    assert set(schema[schema.kind == "node"].name) == {node.label for node in NODES}
    assert set(schema[schema.kind == "relationship"].name) == {r.name for r in RELATIONSHIPS}
    flows = schema[schema.name == "FLOWS_TO"].set_index("property")["type"].to_dict()
    assert flows == {
        "pathway": "INT64",
        "layer": "INT32",
        "flow": "FLOAT",
        "score": "FLOAT",
        "rank": "INT32",
    }
    keys = schema[schema.key].set_index("name").property.to_dict()
    assert keys == {node.label: "id" for node in NODES}
    stored = loaded.execute("CALL show_tables() RETURN name").to_pylist()
    assert {row["name"] for row in stored} == {entry.label for entry in NODES} | {
        r.name for r in RELATIONSHIPS
    }


OLDER = ("ALTER TABLE Run DROP name", "ALTER TABLE Run DROP loaded")


def older(store):
    """``store`` as a graphpath made it that knew neither names of runs nor when they were loaded."""
    with store._change() as (session, _):
        for text in OLDER:
            session.execute(text)


def test_a_rebuilt_file_says_when_its_runs_were_loaded(loaded):
    before = loaded.runs()
    loaded.rebuild()
    assert loaded.runs().equals(before)
    older(loaded)
    loaded.rebuild()
    assert loaded.runs().loaded.isna().all()
