"""py2neo without a server: the models are the schema's, and addresses and a missing extra are told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graphpath.errors import StoreError, StoreUnavailable
from graphpath.schema import NODE, RELATIONSHIPS

ogm = pytest.importorskip("py2neo.ogm", reason="the extra py2neo is not installed")
pytest.importorskip("neo4j", reason="the extra neo4j is not installed")

from graphpath.export import py2neo  # noqa: E402

MODELS = {name: getattr(py2neo, name) for name in py2neo.__all__ if name != "graph"}
WANTED = {"Model", "Layer", "Neuron", "Pathway", "Sample", "Category"}


def attributes(model: type, kind: type) -> dict[str, object]:
    return {name: value for name, value in vars(model).items() if isinstance(value, kind)}


def test_the_wanted_models_are_there() -> None:
    assert MODELS.keys() >= WANTED


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_is_its_label_in_the_schema(name) -> None:
    model, node = MODELS[name], NODE[name]
    assert model.__primarylabel__ == node.label
    assert model.__primarykey__ == node.key
    assert attributes(model, ogm.Property).keys() == node.properties.keys()
    assert {prop.key for prop in attributes(model, ogm.Property).values()} == node.properties.keys()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_its_relationships_are_the_schemas_in_their_direction(name) -> None:
    known = {(r.name, r.source, r.target) for r in RELATIONSHIPS}
    for relation in attributes(MODELS[name], ogm.Related).values():
        other = relation.related_class
        assert other in MODELS
        ends = (name, other) if isinstance(relation, ogm.RelatedTo) else (other, name)
        assert (relation.relationship_type, *ends) in known


def test_every_relationship_can_be_followed_from_its_source() -> None:
    followed = {
        (name, relation.relationship_type)
        for name, model in MODELS.items()
        for relation in attributes(model, ogm.RelatedTo).values()
    }
    rollups = {("Neuron", "CLASS_FLOWS_TO"), ("FeatureMap", "MAP_FLOWS_TO")}
    assert followed | rollups == {(r.source, r.name) for r in RELATIONSHIPS}


@pytest.mark.parametrize("act", ["create", "merge", "push", "delete"])
def test_models_refuse_to_write(act) -> None:
    with pytest.raises(StoreError, match="Neuron is for reading"):
        getattr(py2neo.Neuron(id=3), f"__db_{act}__")(None)


@pytest.mark.parametrize("uri", ["http://localhost:7474", "localhost:7687", "bolt://neo4j:secret@localhost"])
def test_other_addresses_are_refused_without_telling_a_password(uri) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        py2neo.graph(uri)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_down_is_named() -> None:
    with pytest.raises(StoreUnavailable, match=r"bolt://127\.0\.0\.1:1"):
        py2neo.graph("bolt://127.0.0.1:1", password="secret")


@pytest.mark.parametrize(("missing", "told"), [("py2neo", "needs py2neo"), ("neo4j", "needs neo4j")])
def test_without_the_extra_it_says_what_to_install(missing, told) -> None:
    program = f"""
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
from graphpath.errors import MissingExtra
try:
    import graphpath.export.py2neo
except MissingExtra as error:
    assert {told!r} in str(error) and "graphpath[py2neo]" in str(error), error
else:
    raise SystemExit("no refusal")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_it_does_not_hide_the_real_py2neo() -> None:
    program = "import graphpath.export.py2neo as ours, py2neo; assert py2neo.Graph is ours.Graph is not None"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
