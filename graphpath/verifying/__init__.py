"""Verifying: does what a query found matter to the network? (``graphpath/README.md``, "Ablation")

asking               the question, and the store's answer
answer, sets         ids as neurons or edges of the network, image by image
controls, baselines  what they are held against, and what stands in for them
ablation             the network run without them
outcomes             what that changes; estimates, statistics: its intervals and p-values
verdict              what it means, in words
"""

from graphpath.extras import needed_by

with needed_by("graphpath.verifying", "trace"):
    from graphpath.verifying.verdict import Verdict
    from graphpath.verifying.verifier import verify

__all__ = ["Verdict", "verify"]
