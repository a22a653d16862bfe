"""The WordNet ids of ImageNet's 1,000 classes, by label (Russakovsky et al. 2015, ILSVRC 2012).

torchvision's classes have names only, of which some are two classes': crane, a bird and a machine.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

SCHEME = "imagenet"


@cache
def read_wnids() -> tuple[str, ...]:
    """n01440764 (tench) to n15075141 (toilet tissue): in order, as the labels are."""
    return tuple(Path(__file__).with_name("imagenet.txt").read_text(encoding="ascii").split())
