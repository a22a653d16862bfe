"""The named queries of ``cypher/``: read, checked, given typed parameters, and run on a store.

from graphpath import queries

queries.catalogue()                         # name -> Query, with its parameters and columns
queries.query(store, "pathways/hubs", limit=5)
queries.explain(store, "pathways/hubs")
queries.graph(store, "browse/pathway", pathway=7)
queries.with_folder("mine")                 # the shipped ones and those of a folder of one's own
"""

from graphpath.queries.files import Query, catalogue, find, find_root, read_folder
from graphpath.queries.header import Guard, Header
from graphpath.queries.outside import with_folder
from graphpath.queries.parameters import Parameter
from graphpath.queries.runner import bind_parameters, cypher, explain, graph, query, query_all

__all__ = [
    "Guard",
    "Header",
    "Parameter",
    "Query",
    "bind_parameters",
    "catalogue",
    "cypher",
    "explain",
    "find",
    "find_root",
    "graph",
    "query",
    "query_all",
    "read_folder",
    "with_folder",
]
