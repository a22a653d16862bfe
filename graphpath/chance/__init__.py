"""Whether an overlap of pathways is more than chance gives (``graphpath/README.md``, "Comparison").

possible       the edges that a network can have: counted, tested, drawn from
independent    the null distribution of sets drawn from these
shuffles       the null distribution of sets whose neurons keep their degrees
sets, overlap  the sets that a query compares, and the edges that they share
rows           the tests of a query's rows
ask            the public function
"""

from graphpath.chance.ask import significance

__all__ = ["significance"]
