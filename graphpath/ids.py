"""The integers that name things, the same in every trace and below 2^53 (``graphpath/README.md``, "Ids").

neuron    = layer offset + (channel * height + y) * width + x
pathway   = key20(run) * 2^32 + position in the run          route likewise
category  = key20(scheme) * 2^32 + label
sample    = the first 52 bits of sha256 of what it is
"""

from __future__ import annotations

import hashlib
import json

BLOCK = 1 << 32
"""Each key20 owns one block of this many ids."""


def digest(*parts: object) -> str:
    """Hexadecimal sha256 of ``parts`` written as compact JSON: equal parts, equal digest."""
    text = json.dumps(parts, separators=(",", ":"), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def key20(*parts: object) -> int:
    """The first 20 bits of the digest of ``parts``, as an integer in [0, 2^20)."""
    return int(digest(*parts)[:5], 16)


def block(*parts: object) -> int:
    """The first id of the block that ``parts`` own: ``key20(parts) * 2^32``."""
    return key20(*parts) * BLOCK


def sample_id(dataset: str, split: str, index: int, variant: str = "original", detail: str = "{}") -> int:
    """The id of a sample: the same sample has one id in every trace (52 bits)."""
    return int(digest(dataset, split, index, variant, detail)[:13], 16)


def category_id(scheme: str, label: int) -> int:
    """The id of class ``label`` in the class scheme ``scheme`` ("mnist", "cifar10", "imagenet", ...)."""
    return block(scheme) + label
