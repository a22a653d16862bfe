"""Published graphs as traces: what others have found, to be loaded, queried and reported like one's own.

import_summit(files)            class attribution graphs of Summit
import_neuronpedia(files)       attribution graphs of Neuronpedia and circuit-tracer
import_edges(files, mapping)    edge lists in CSV, TSV or Parquet
"""

from graphpath.imports.edges import import_edges
from graphpath.imports.mapping import EdgeMapping
from graphpath.imports.names import read_class_names
from graphpath.imports.neuronpedia import import_neuronpedia
from graphpath.imports.summit import import_summit

__all__ = ["EdgeMapping", "import_edges", "import_neuronpedia", "import_summit", "read_class_names"]
