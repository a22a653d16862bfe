"""The named queries of ``cypher/``: read, checked, given typed parameters, and run on a store.

from graphpath import queries

queries.catalogue()                         # name -> Query, with its parameters and columns
queries.query(store, "pathways/hubs", limit=5)
queries.explain(store, "pathways/hubs")
queries.graph(store, "browse/pathway", pathway=7)
queries.with_folder("mine")                 # the shipped ones and those of a folder of one's own
"""

from graphpath.queries.files import Query, catalogue, find, read_folder, root
from graphpath.queries.header import Guard, Header
from graphpath.queries.outside import with_folder
from graphpath.queries.parameters import Parameter
from graphpath.queries.runner import cypher, explain, graph, query, settled, whole

__all__ = [
    "Guard",
    "Header",
    "Parameter",
    "Query",
    "catalogue",
    "cypher",
    "explain",
    "find",
    "graph",
    "query",
    "read_folder",
    "root",
    "settled",
    "whole",
    "with_folder",
]
