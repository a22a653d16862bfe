"""graphpath: the pathways by which a convolutional network decides, as a graph to query.

    import graphpath as gp

    trace = gp.trace(model, images, labels=labels, out="traces/clean")
    store = gp.open("pathways.lbdb")
    store.load(trace)
    store.query("categories/shared_edges", min_categories=3)

Names are resolved when first used: importing graphpath, and querying with it, needs no torch.
``gp.open`` is there too, but ``from graphpath import *`` leaves Python's own ``open`` alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphpath.addresses import limit_allocators

__version__ = "0.1.0"

if TYPE_CHECKING:
    from graphpath.attribution.attribute import ATTRIBUTIONS, attribute, heatmap
    from graphpath.chance import significance
    from graphpath.detect import Detector, fit_detector
    from graphpath.errors import GraphpathError
    from graphpath.maps.examples import Examples, examples
    from graphpath.progress import Progress
    from graphpath.record import Trace
    from graphpath.stores import Scheme, Store, open_store
    from graphpath.tracing import METHODS, Method, at, key_maps, largest_chains, map_sizes, trace
    from graphpath.verifying import Verdict, verify

    open = open_store  # an import under another name would not be public to a type checker

limit_allocators()  # before anything imports Arrow

_HOMES = {
    "ATTRIBUTIONS": ("graphpath.attribution", "ATTRIBUTIONS"),
    "Detector": ("graphpath.detect", "Detector"),
    "Examples": ("graphpath.maps", "Examples"),
    "GraphpathError": ("graphpath.errors", "GraphpathError"),
    "METHODS": ("graphpath.tracing", "METHODS"),
    "Method": ("graphpath.tracing", "Method"),
    "Progress": ("graphpath.progress", "Progress"),
    "Scheme": ("graphpath.stores", "Scheme"),
    "Store": ("graphpath.stores", "Store"),
    "Trace": ("graphpath.record", "Trace"),
    "Verdict": ("graphpath.verifying", "Verdict"),
    "at": ("graphpath.tracing", "at"),
    "attribute": ("graphpath.attribution", "attribute"),
    "examples": ("graphpath.maps", "examples"),
    "fit_detector": ("graphpath.detect", "fit_detector"),
    "heatmap": ("graphpath.attribution", "heatmap"),
    "key_maps": ("graphpath.tracing", "key_maps"),
    "largest_chains": ("graphpath.tracing", "largest_chains"),
    "map_sizes": ("graphpath.tracing", "map_sizes"),
    "open": ("graphpath.stores", "open_store"),
    "significance": ("graphpath.chance", "significance"),
    "trace": ("graphpath.tracing", "trace"),
    "verify": ("graphpath.verifying", "verify"),
}

__all__ = [
    "ATTRIBUTIONS",
    "METHODS",
    "Detector",
    "Examples",
    "GraphpathError",
    "Method",
    "Progress",
    "Scheme",
    "Store",
    "Trace",
    "Verdict",
    "at",
    "attribute",
    "examples",
    "fit_detector",
    "heatmap",
    "key_maps",
    "largest_chains",
    "map_sizes",
    "significance",
    "trace",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'graphpath' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*_HOMES, "__version__"})
