"""py2neo: a ``Graph`` with the settings of ``gp.open``, and object-graph models of what the store holds.

    from graphpath.export.py2neo import Neuron, Pathway, graph

    there = graph("bolt://localhost:7687")
    for neuron in Pathway.match(there, 7).first().visits:
        print(neuron.name, neuron.layer)

py2neo (2021.2.4, extra ``py2neo``) is no longer maintained. Against Neo4j 5.26 these work: connecting over
Bolt, ``run``, data frames, matching, transactions, creating and merging nodes. These do not: ``http://``
addresses, and the schema helpers (``graph.schema.create_index`` and the like), whose statements the server
no longer knows; ``gp.open`` makes constraints and indexes when it loads.

The models' properties are those of :mod:`graphpath.schema`. They are for reading, and refuse to be
pushed, merged, created or deleted: py2neo takes the relationships of one type between two nodes for one, and
would remove the edges of other pathways. Hence ``flows_to``, ``predicted`` and the like list each node at
the other end once; ``Pathway.edges_in(graph)`` gives each edge of a pathway, with its flow and score.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NoReturn

from graphpath.errors import StoreError, StoreUnavailable
from graphpath.extras import needs_extra
from graphpath.schema import NODE

with needs_extra("graphpath.export.py2neo", "py2neo"):
    from graphpath.stores.neo4j import Neo4jStore

    with warnings.catch_warnings():  # nobody adapts py2neo to what later Pythons deprecate
        warnings.simplefilter("ignore")
        from py2neo import Graph
        from py2neo.errors import ConnectionUnavailable, Neo4jError, ProtocolError, ServiceUnavailable
        from py2neo.ogm import Model as _Model
        from py2neo.ogm import ModelType, Property, RelatedFrom, RelatedTo

if TYPE_CHECKING:
    from py2neo.matching import RelationshipMatch

__all__ = [
    "Category",
    "ClassPathway",
    "FeatureMap",
    "Layer",
    "Model",
    "Neuron",
    "Pathway",
    "Route",
    "Run",
    "Sample",
    "Verdict",
    "graph",
]


def graph(
    uri: str, *, user: str | None = None, password: str | None = None, database: str | None = None
) -> Graph:
    """A connected ``py2neo.Graph`` of the database at ``uri``.

    The arguments, and where the password is looked for, are those of ``gp.open``, and so are the refusals:
    the official driver tries the address first, since py2neo would wait for ever, or not say what is wrong.
    py2neo speaks Bolt to the one server that is named; ``neo4j://`` is taken as ``bolt://``, without routing.
    ``made.service.connector.close()`` ends its connections.

    Raises:
        StoreUnavailable: ``uri`` is no Bolt address, nothing answers there, the server refuses the user, or
            has no such database.
    """
    with Neo4jStore(uri, user=user, password=password, database=database) as store:
        store.check()
        address = store.address
    place = address.uri.replace("neo4j", "bolt", 1) if address.uri.startswith("neo4j") else address.uri
    # Without "auth", py2neo would try a password of its own choosing.
    settings: dict[str, Any] = {"name": address.database, "auth": (address.user, address.password or "")}
    try:
        return Graph(place, **settings)
    except (ConnectionUnavailable, ServiceUnavailable, ProtocolError, Neo4jError, OSError) as error:
        raise StoreUnavailable(
            f"The server at {address.uri} answers the official driver, but not py2neo: {error}."
        ) from error


class _FromSchema(ModelType):  # type: ignore[misc]
    """Gives a model the label, key and properties that the schema has under its name."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        node = NODE.get(name)
        if node is not None:
            properties = {key: Property() for key in node.properties}
            attributes = {**properties, "__primarykey__": node.key, **attributes}
        return super().__new__(mcs, name, bases, attributes)


class _Stored(_Model, metaclass=_FromSchema):  # type: ignore[misc]
    """A node that loading wrote."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise StoreError(
            f"The py2neo model {type(self).__name__} is for reading; Store.load and Store.delete write."
        )

    __db_create__ = __db_delete__ = __db_merge__ = __db_push__ = _refuse


class Model(_Stored):
    """A network with its weights."""

    parts = RelatedFrom("Layer", "PART_OF")
    runs = RelatedFrom("Run", "TRACED")


class Run(_Stored):
    """One tracing of many samples by one method."""

    traced = RelatedTo("Model")
    pathways = RelatedFrom("Pathway", "FROM_RUN")
    verdicts = RelatedFrom("Verdict", "OF_RUN")


class Verdict(_Stored):
    """What ``graphpath.verify`` found of an answer."""

    of_run = RelatedTo("Run")


class Layer(_Stored):
    """A site of a network."""

    part_of = RelatedTo("Model")
    feature_maps = RelatedFrom("FeatureMap", "IN_LAYER")


class FeatureMap(_Stored):
    """A channel of a layer. ``flows_to_map`` and ``flows_from_map`` are of any pathway."""

    in_layer = RelatedTo("Layer")
    neurons = RelatedFrom("Neuron", "IN_MAP")
    visited_by = RelatedFrom("Pathway", "VISITS_MAP")
    crossed_by = RelatedFrom("Pathway", "CROSSES")
    flows_to_map = RelatedTo("FeatureMap")
    flows_from_map = RelatedFrom("FeatureMap", "FLOWS_TO_MAP")


class Neuron(_Stored):
    """A neuron that some pathway visits. ``flows_to`` and ``flows_from`` are of any pathway."""

    in_map = RelatedTo("FeatureMap")
    visited_by = RelatedFrom("Pathway", "VISITS")
    flows_to = RelatedTo("Neuron")
    flows_from = RelatedFrom("Neuron", "FLOWS_TO")


class Category(_Stored):
    """A class of a data set, or a category of one's own with its ``classes``."""

    in_category = RelatedTo("Category")
    classes = RelatedFrom("Category", "IN_CATEGORY")
    samples = RelatedFrom("Sample", "LABELLED")
    class_pathways = RelatedFrom("ClassPathway", "OF_CATEGORY")


class Sample(_Stored):
    """An image, original or derived. ``predictions`` holds the categories of any run and rank."""

    labelled = RelatedTo("Category")
    predictions = RelatedTo("Category", "PREDICTED")
    derived_from = RelatedTo("Sample")
    derived = RelatedFrom("Sample", "DERIVED_FROM")
    pathways = RelatedFrom("Pathway", "OF_SAMPLE")


class Pathway(_Stored):
    """What carries one output for one sample. ``visits.get(neuron, "score")`` reads the relationship."""

    from_run = RelatedTo("Run")
    of_sample = RelatedTo("Sample")
    visits = RelatedTo("Neuron")
    visits_map = RelatedTo("FeatureMap")
    crosses = RelatedTo("FeatureMap")
    routes = RelatedFrom("Route", "OF_PATHWAY")
    resembles = RelatedTo("ClassPathway")

    def edges_in(self, there: Graph) -> RelationshipMatch:
        """The FLOWS_TO relationships of this pathway in ``there``, with ``["flow"]`` and ``["score"]``."""
        return there.match(r_type="FLOWS_TO").where(pathway=self.id)


class Route(_Stored):
    """One of the largest routes from an input pixel to the target."""

    of_pathway = RelatedTo("Pathway")
    step = RelatedTo("Neuron")


class ClassPathway(_Stored):
    """The sum of the pathways of a category's samples in a run."""

    of_category = RelatedTo("Category")
    shares = RelatedTo("ClassPathway")
    resembled_by = RelatedFrom("Pathway", "RESEMBLES")
