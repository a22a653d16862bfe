"""Ways out: pathways as networkx graphs, and graphs as data frames.

store.graph("browse/...")       a query's nodes and relationships, from ``graphpath.queries``
to_networkx(trace, pathway)     the same for one pathway of a record, without a store
positions(graph)                places for drawing, one column per layer
to_frame(graph)                 one row per relationship, with the names of its ends
"""

from graphpath.export.frame import neuron_edges, to_frame
from graphpath.export.positions import positions
from graphpath.export.record import to_networkx

__all__ = ["neuron_edges", "positions", "to_frame", "to_networkx"]
