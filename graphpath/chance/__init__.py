"""Whether an overlap of pathways is more than chance gives (``graphpath/README.md``, "Comparison").

possible       which edges a network can have: counted, tested, drawn from
independent    what chance gives sets drawn from these
shuffles       what it gives sets whose neurons keep their degrees
sets, overlap  the sets that a query compares, and what they share
rows, ask      a query's rows tested; the verb
"""

from graphpath.chance.ask import significance

__all__ = ["significance"]
