"""Export: pathways as networkx graphs, data frames, GraphML, notebook pictures and py2neo objects.

store.graph("browse/...")       a query's nodes and relationships, from ``graphpath.queries``
to_networkx(trace, pathway)     the same for one pathway of a record, without a store
positions(graph)                places for drawing, one column per layer
to_frame(graph)                 one row per relationship, with the names of its ends
to_graphml(graph, path)         a file for Gephi, yEd, Cytoscape or networkx
to_neuronpedia(trace, pathway, path)    a file for Neuronpedia's and circuit-tracer's viewers
to_neo4j_viz(graph)             a picture to move in a notebook (extra ``viz-gpl``)
graphpath.export.py2neo         ``graph(uri)`` and object-graph models (extra ``py2neo``)
"""

from graphpath.export.frame import neuron_edges, to_frame
from graphpath.export.graphml import to_graphml
from graphpath.export.neuronpedia import to_neuronpedia
from graphpath.export.positions import positions
from graphpath.export.record import to_networkx
from graphpath.export.viz import to_neo4j_viz

__all__ = [
    "neuron_edges",
    "positions",
    "to_frame",
    "to_graphml",
    "to_neo4j_viz",
    "to_networkx",
    "to_neuronpedia",
]
