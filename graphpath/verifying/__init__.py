"""Verifying: does what a query found matter to the network? (``graphpath/README.md``, "Ablation")

asking                the query, and the store's answer
answer, sets          ids as neurons or edges of the network, image by image
controls, baselines   random sets to compare with, and the values that removed neurons take
ablation              the network run without the answer, and without each draw
outcomes              what ablation changes
estimates, statistics its intervals and p-values
verdict               what is concluded, in words
"""

from graphpath.extras import needs_extra

with needs_extra("graphpath.verifying", "trace"):
    from graphpath.verifying.verdict import Verdict
    from graphpath.verifying.verifier import verify

__all__ = ["Verdict", "verify"]
