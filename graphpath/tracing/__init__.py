"""Tracing: from a network and images to a record of pathways.

registry, methods    what each method selects; registered: methods of other packages
targets              what is explained: the neurons whose weighted sum is traced
neurons              selected neurons to edges, the common rule
reuse                a method's fit, from another trace
strength, budget     the edges that are kept
routes               the K largest routes
batches, evaluation  images held some at a time, with the caller's module in eval mode
ranks                processes that share a trace
rows, tracer         the record
"""

from graphpath.extras import needs_extra

with needs_extra("graphpath.tracing", "trace"):
    from graphpath.tracing.batch import Batch, Selection
    from graphpath.tracing.diffusion.keymaps import key_maps
    from graphpath.tracing.diffusion.tables import largest_chains, map_sizes
    from graphpath.tracing.neurons import join, most
    from graphpath.tracing.ranks import Rank
    from graphpath.tracing.registry import METHODS, Method
    from graphpath.tracing.targets import at
    from graphpath.tracing.tracer import trace

__all__ = [
    "METHODS",
    "Batch",
    "Method",
    "Rank",
    "Selection",
    "at",
    "join",
    "key_maps",
    "largest_chains",
    "map_sizes",
    "most",
    "trace",
]
