"""Published graphs as traces: what others have found, to be loaded, queried and reported like one's own.

import_summit(files)        class attribution graphs of Summit
"""

from graphpath.imports.names import class_names
from graphpath.imports.summit import import_summit

__all__ = ["class_names", "import_summit"]
